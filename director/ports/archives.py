"""Reads what operators upload, without trusting it, and writes what they export (sections 8.2, 8.3)."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from director.model.names import BlobId, Digest
from director.model.release import CompiledPackage, CompiledRelease, Release, Stemcell
from director.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRelease:
    """A release whose jobs' and packages' blobs are stored. ``compiled`` has the builds a compiled one brought."""

    release: Release
    compiled: tuple[CompiledPackage, ...] = ()
    is_compiled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRelease:
    """The archive of a release. ``digest`` is in the form that was asked for."""

    blob: BlobId
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStemcell:
    """``stemcell.cid`` is empty until the infrastructure has taken ``image``."""

    stemcell: Stemcell
    image: Path
    formats: tuple[str, ...]
    cloud_properties: Tree


class Archives(Protocol):
    async def read_release(
        self, path: Path, *, known: Release | None = None, built: Collection[str] = ()
    ) -> ReadRelease:
        """Checks, unpacks and stores the blobs. Jobs and packages left out of the archive are taken from ``known``.
        Compiled packages may be left out whose keys are among ``built``.

        Raises Refused with every problem of the archive (codes 30002 to 30016, 80001 to 80014).
        """
        ...

    async def read_stemcell(self, path: Path, unpack_to: Path) -> ReadStemcell: ...

    async def write_release(self, compiled: CompiledRelease, *, sha2: bool) -> WrittenRelease:
        """Stores a compiled release's archive, as BOSH has it; the same content gives the same bytes. ``sha2``: its
        digests are sha256, else sha1. Raises Failure when a part is gone or is not what was stored.
        """
        ...
