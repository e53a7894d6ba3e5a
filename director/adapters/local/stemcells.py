"""Root file systems that VMs of this machine lie over: each upload unpacked once, shared read-only by all its VMs.

``stemcells/<cid>/root`` is the tree, ``stemcells/<cid>/stemcell.json`` what is known of it. A name without a suffix is
whole: it is unpacked as ``<cid>.half``, written out to the disk and then renamed, and is renamed ``<cid>.gone`` before
it is removed. What a crash leaves has one of those suffixes, and goes with the next upload or deletion.
The cid follows from the upload's key and the image, so an upload that is repeated finds what it made.
"""

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from director.adapters.local.files import write_private
from director.adapters.local.process import find_program, run
from director.adapters.local.remove import remove_tree
from director.model.names import StemcellCid
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import StemcellRequest

FORMAT: Final = "local-root"
_UNPACK_TIMEOUT_S: Final = 900.0
_UNFINISHED: Final = (".half", ".gone")
_KNOWN: Final = "stemcell.json"
_TAR: Final = ("--extract", "--gzip", "--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """``key`` is the upload's, ``name`` that of all uploads of one stemcell. ``agent_command`` starts its agent."""

    key: str
    name: str
    agent_command: tuple[str, ...]


class Stemcells:
    def __init__(self, home: Path) -> None:
        self._place = home / "stemcells"
        self._alone = asyncio.Lock()

    async def create(self, request: StemcellRequest) -> StemcellCid:
        """Unpacked, or found as it is. Raises InfrastructureFailure, with nothing left of it."""
        command = _agent_command(request)
        if os.geteuid() != 0:
            raise InfrastructureFailure(
                f"The stemcell {request.key} is a root file system of its own, which only root can give a VM: run the "
                "director as root, or use a stemcell of this host."
            )
        async with self._alone:
            cid = await asyncio.to_thread(_cid_of, request)
            await self._sweep(request.key, cid)
            if self.root(cid) is None:
                await self._unpack(cid, request, command)
        request.progress(100)
        return cid

    async def delete(self, cid: StemcellCid) -> None:
        """With those of the same name that it took the place of. One that is not there is well."""
        async with self._alone:
            deleted = _read_known(self._place / cid)
            for directory, known in self._whole():
                if deleted is not None and known.name == deleted.name:
                    directory.rename(directory.with_suffix(".gone"))
            await self._sweep("", cid)

    def _whole(self) -> Sequence[tuple[Path, _Known]]:
        found = ((directory, _read_known(directory)) for directory in self._directories())
        return [(directory, known) for directory, known in found if known and directory.suffix not in _UNFINISHED]

    def _directories(self) -> Sequence[Path]:
        return sorted(self._place.iterdir()) if self._place.is_dir() else ()

    def root(self, cid: StemcellCid) -> Path | None:
        """Where its tree lies; None when it is not on this machine (any more)."""
        root = self._place / cid / "root"
        return root if cid.startswith("root-") and root.is_dir() else None

    def agent_command(self, cid: StemcellCid) -> tuple[str, ...]:
        """What starts the agent inside of it. Raises InfrastructureFailure when there is no such stemcell."""
        known = _read_known(self._place / cid)
        if known is None:
            raise InfrastructureFailure(f'Stemcell "{cid}" is not on this machine (any more): upload it with --fix.')
        return known.agent_command

    async def _sweep(self, key: str, cid: StemcellCid) -> None:
        """What crashes left, and what an upload of the same key left whose answer was lost; but not ``cid`` itself."""
        unfinished = [directory for directory in self._directories() if directory.suffix in _UNFINISHED]
        unrecorded = [directory for directory, known in self._whole() if known.key == key and directory.name != cid]
        for directory in (*unfinished, *unrecorded):
            await remove_tree(directory)

    async def _unpack(self, cid: StemcellCid, request: StemcellRequest, command: tuple[str, ...]) -> None:
        half = self._place / f"{cid}.half"
        self._check_space(request)
        try:
            (half / "root").mkdir(mode=0o755, parents=True)
            await self._extract(request, half / "root")
            _check_tree(request.key, half / "root", command)
            known = _Known(key=request.key, name=_name_of(request), agent_command=command)
            write_private(half / _KNOWN, json.dumps(asdict(known)))
            # A name that outlives a power cut must not stand for files that do not.
            await run([find_program("sync", "coreutils"), "--file-system", str(half)], timeout_s=_UNPACK_TIMEOUT_S)
            half.rename(self._place / cid)
        except OSError as error:
            raise InfrastructureFailure(f"The stemcell {request.key} cannot be unpacked in {half}: {error}.") from error
        finally:
            await asyncio.shield(remove_tree(half))

    async def _extract(self, request: StemcellRequest, target: Path) -> None:
        # It ends with the director: a next one finds nobody still writing.
        alive = [find_program("setpriv", "util-linux"), "--pdeathsig", "KILL", find_program("tar", "tar")]
        find_program("gzip", "gzip")
        try:
            await run([*alive, *_TAR, f"--file={request.image}", f"--directory={target}"], timeout_s=_UNPACK_TIMEOUT_S)
        except InfrastructureFailure as failure:
            why = "the disk is full, so make room." if "No space left" in str(failure) else str(failure)
            raise InfrastructureFailure(
                f"The image of stemcell {request.key} cannot be unpacked in {self._place}: {why}"
            ) from failure

    def _check_space(self, request: StemcellRequest) -> None:
        self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        needed, free = request.properties.get("disk"), shutil.disk_usage(self._place).free >> 20
        if isinstance(needed, int) and needed > free:
            raise InfrastructureFailure(
                f"The stemcell {request.key} takes {needed} MB in {self._place}, where {free} MB are free: make room."
            )


def _agent_command(request: StemcellRequest) -> tuple[str, ...]:
    """``cloud_properties: {agent: {command: [PROGRAM, ARGUMENT…]}}``."""
    agent = request.properties.get("agent")
    command = agent.get("command") if isinstance(agent, Mapping) else None
    words = [word for word in command if isinstance(word, str)] if isinstance(command, list | tuple) else []
    if not words or not words[0].startswith("/"):
        raise InfrastructureFailure(
            f"The cloud_properties of stemcell {request.key} name no agent.command, by which its VMs start their "
            "agent: make one with `director build-stemcell --for local`."
        )
    return tuple(words)


def _cid_of(request: StemcellRequest) -> StemcellCid:
    with request.image.open("rb") as image:
        digest = hashlib.file_digest(image, "sha256").hexdigest()
    return StemcellCid(f"root-{hashlib.sha256(f'{request.key}/{digest}'.encode()).hexdigest()[:16]}")


def _name_of(request: StemcellRequest) -> str:
    name, version = request.properties.get("name"), request.properties.get("version")
    return f"{name}/{version}" if name and version else request.key


def _check_tree(key: str, root: Path, command: Sequence[str]) -> None:
    """Raises InfrastructureFailure when no VM could start in it."""
    missing = [name for name in ("/bin/sh", command[0]) if not os.path.lexists(root / name.lstrip("/"))]
    if missing:
        raise InfrastructureFailure(f"The image of stemcell {key} has no {' and no '.join(missing)}: it starts no VM.")


def _read_known(directory: Path) -> _Known | None:
    try:
        loaded = json.loads((directory / _KNOWN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return _Known(**{**loaded, "agent_command": tuple(loaded["agent_command"])})
