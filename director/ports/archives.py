"""Reads what operators upload, without trusting it: release and stemcell archives (sections 8.2, 8.3)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from director.model.release import CompiledPackage, Release, Stemcell
from director.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRelease:
    """A release whose jobs' and packages' blobs are stored; ``compiled`` when the archive was a compiled release."""

    release: Release
    compiled: tuple[CompiledPackage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStemcell:
    """``stemcell.cid`` is empty until the infrastructure has taken ``image``."""

    stemcell: Stemcell
    image: Path
    formats: tuple[str, ...]
    cloud_properties: Tree


class Archives(Protocol):
    async def read_release(self, path: Path, *, known: Release | None = None) -> ReadRelease:
        """Checks, unpacks and stores the blobs. Jobs and packages left out of the archive are taken from ``known``.

        Raises Refused with every problem of the archive (codes 30002 to 30016, 80001 to 80014).
        """
        ...

    async def read_stemcell(self, path: Path, unpack_to: Path) -> ReadStemcell: ...
