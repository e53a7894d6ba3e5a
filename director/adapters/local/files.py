"""What is written down about each VM and disk, beside it: ``vm.json`` and ``<disk>.json``.

These files are the local infrastructure's whole memory. One is written before what it describes is made, and
replaced in one rename, so that a director killed at any point finds all that may exist.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from director.adapters.local.process import Process
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None: no limit of its own. ``cpu`` counts cores."""

    cpu: float | None = None
    ram_mb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmFile:
    """``networks`` as the plan gave them. ``process`` is the VM's pid 1, None until it was started.

    ``stemcell`` is "host", or the one whose root the VM has.
    """

    name: str
    instance: str
    deployment: str
    networks: Mapping[str, Tree]
    limits: Limits = field(default_factory=Limits)
    tags: Tree = field(default_factory=dict)
    process: Process | None = None
    stemcell: str = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFile:
    """``vm`` is where the disk was last sent; where its directory lies decides."""

    name: str
    deployment: str
    size_mb: int
    vm: str | None = None


def safe(name: str) -> str:
    """A name that may be a directory's; raises InfrastructureFailure for one that would lead elsewhere."""
    if not _NAME.fullmatch(name):
        raise InfrastructureFailure(f'The local infrastructure cannot use "{name}" as a name: it is no file name.')
    return name


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step, readable by its owner only."""
    draft = path.with_name(path.name + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def write_file(path: Path, value: VmFile | DiskFile) -> None:
    write_private(path, json.dumps(asdict(value), sort_keys=True))


class Reader:
    """Reads the files, again only those that changed: looking at 1000 VMs costs 1000 stats."""

    def __init__(self) -> None:
        self._vms: dict[Path, tuple[tuple[int, int, int], VmFile]] = {}
        self._disks: dict[Path, tuple[tuple[int, int, int], DiskFile]] = {}

    def vm(self, path: Path) -> VmFile | None:
        stamp = _stamp(path)
        if stamp is None:
            self._vms.pop(path, None)
            return None
        known = self._vms.get(path)
        if known is None or known[0] != stamp:
            known = self._vms[path] = (stamp, _vm_from(_load(path)))
        return known[1]

    def forget(self, path: Path) -> None:
        """For what was removed: names are not used again, and what is known of them should not pile up."""
        self._vms.pop(path, None)
        self._disks.pop(path, None)

    def disk(self, path: Path) -> DiskFile | None:
        stamp = _stamp(path)
        if stamp is None:
            self._disks.pop(path, None)
            return None
        known = self._disks.get(path)
        if known is None or known[0] != stamp:
            known = self._disks[path] = (stamp, DiskFile(**_load(path)))
        return known[1]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = os.stat(path)  # noqa: PTH116  1000 VMs per look
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _load(path: Path) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InfrastructureFailure(f"{path} cannot be read: {error}. Was it changed by hand?") from error


def _vm_from(loaded: dict[str, Any]) -> VmFile:
    process, limits = loaded.pop("process"), loaded.pop("limits")
    return VmFile(**loaded, limits=Limits(**limits), process=Process(**process) if process else None)
