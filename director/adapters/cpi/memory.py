"""What a CPI cannot be asked: which VM, disk and stemcell has which name. A small file each.

A file is written before its call, as intent, and after it, as result; each write is durable before it counts. A file
whose ``call`` is set tells of a call whose end nobody has seen.
"""

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import quote

from director.adapters.cpi.process import Process
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure, Retry

_NAME_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that was begun. ``at`` is the wall clock in seconds; ``process`` is None until there is one."""

    method: str
    request_id: str
    at: float
    deadline_s: float
    process: Process | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmFile:
    """``cid`` None: being created. ``is_tagged``: ``tags`` are on it, as far as the CPI can put them there."""

    name: str
    deployment: str
    instance: str
    agent: str
    tags: Tree = field(default_factory=dict)
    cid: str | None = None
    is_tagged: bool = False
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFile:
    """``vm`` without ``hint``: it may be attached there."""

    name: str
    deployment: str
    size_mb: int
    cid: str | None = None
    vm: str | None = None
    hint: Tree | None = None
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StemcellFile:
    name: str
    cid: str | None = None
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostFile:
    """Something that a call without a reply may have left, for a person to find. ``name`` is the request id."""

    name: str
    method: str
    what: str
    at: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbilityFile:
    """What was found out about the program that ``stamp`` tells apart from later versions of it."""

    name: str
    stamp: str
    can: bool


File: TypeAlias = VmFile | DiskFile | StemcellFile | LostFile | AbilityFile
_Kept = TypeVar("_Kept", VmFile, DiskFile, StemcellFile, LostFile, AbilityFile)
_PLACES: Final[Mapping[type[File], str]] = {
    VmFile: "vms",
    DiskFile: "disks",
    StemcellFile: "stemcells",
    LostFile: "lost",
    AbilityFile: "abilities",
}


class Memory:
    """All of it is held in RAM too; one director at a time has it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[type[File], dict[str, File]] = {kind: {} for kind in _PLACES}
        # One thread, so that two writes of a file keep their order.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cpi-memory")

    @property
    def calls(self) -> Path:
        return self._directory / "calls"

    async def load(self) -> None:
        """Makes what is missing. Replies that no file waits for are removed."""
        await self._in_order(self._load)

    def all(self, kind: type[_Kept]) -> list[_Kept]:
        """Sorted by name."""
        files = cast("dict[str, _Kept]", self._files[kind])
        return [files[name] for name in sorted(files)]

    def get(self, kind: type[_Kept], name: str) -> _Kept | None:
        return cast("_Kept | None", self._files[kind].get(name))

    def vm_of(self, cid: str) -> VmFile | None:
        return next((vm for vm in self.all(VmFile) if vm.cid == cid), None)

    def disk_of(self, cid: str) -> DiskFile | None:
        return next((disk for disk in self.all(DiskFile) if disk.cid == cid), None)

    def disks_on(self, vm: str) -> list[DiskFile]:
        return [disk for disk in self.all(DiskFile) if disk.vm == vm]

    async def keep(self, file: File) -> None:
        """Durable when it returns."""
        self._files[type(file)][file.name] = file
        path, text = self.path_of(file), json.dumps(asdict(file), sort_keys=True)
        await self._in_order(lambda: _write(path, text))

    async def drop(self, file: File) -> None:
        self._files[type(file)].pop(file.name, None)
        path = self.path_of(file)
        await self._in_order(lambda: _remove(path))

    def close(self) -> None:
        self._writer.shutdown()

    async def _in_order(self, do: Callable[[], None]) -> None:
        """Done even when whoever waits is cancelled: RAM and disk do not part."""
        try:
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._writer, do))
        except OSError as error:
            raise InfrastructureFailure(
                f"What is known of VMs cannot be kept in {self._directory}: {error.strerror}.", retry=Retry.BOUNDED
            ) from error

    def path_of(self, file: File) -> Path:
        name = quote(file.name, safe="")
        if len(name) > _NAME_MAX:
            name = sha256(file.name.encode()).hexdigest()
        return self._directory / _PLACES[type(file)] / f"{name}.json"

    def _load(self) -> None:
        for place in (*_PLACES.values(), "calls"):
            (self._directory / place).mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind, place in _PLACES.items():
            for path in sorted((self._directory / place).glob("*.json")):
                file = _read(kind, path)
                self._files[kind][file.name] = file
        awaited = {call.request_id for call in self._open_calls()}
        for path in self.calls.iterdir():
            if path.stem not in awaited:
                path.unlink()

    def _open_calls(self) -> Iterator[Call]:
        files: list[VmFile | DiskFile | StemcellFile] = [*self.all(VmFile), *self.all(DiskFile)]
        for file in (*files, *self.all(StemcellFile)):
            if file.call is not None:
                yield file.call


def _read(kind: type[File], path: Path) -> File:
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
        if "call" in tree and tree["call"] is not None:
            call, known = tree["call"], tree["call"].pop("process")
            tree["call"] = Call(**call, process=Process(**known) if known else None)
        return kind(**tree)
    except (ValueError, TypeError, KeyError) as error:
        raise InfrastructureFailure(f"{path} cannot be read: {error}. Was it changed by hand?") from error


def _write(path: Path, text: str) -> None:
    """Replaced in one step, readable by its owner only, on the disk before it counts."""
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    draft.replace(path)
    _sync_directory(path.parent)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
