"""Finds a disk in the VM by the hint the infrastructure gave (agent-cpi-vsphere 1.16). Changes nothing on it.

A hint is one word: ``id:UUID`` (an entry of /dev/disk/by-id), a path, or a SCSI unit number beside the root disk.
Note: waiting. A disk attached a moment ago appears after a rescan of the SCSI hosts, and udev makes its link later
still, without telling anyone but its own listeners: so the place is looked at again and again, for a bounded time.
"""

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.failure import Failed

WAIT_S = 50.0
_LOOK_AGAIN_S = 0.1
_RESCAN_S = 5.0
_ALIASES = ("sd", "vd", "xvd")
"""Who names /dev/sdf may mean what the kernel calls /dev/vdf or /dev/xvdf."""


def _by_id() -> Path:
    return Path(os.environ.get("DIRECTOR_AGENT_DISKS", "/dev/disk/by-id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the kernel and udev show disks; other directories in tests."""

    by_id: Path = field(default_factory=_by_id)
    sys: Path = Path("/sys")
    dev: Path = Path("/dev")


async def find(disk: str, word: str, *, wait_s: float = WAIT_S, places: Places | None = None) -> Path:
    """A block device, or a directory where the infrastructure gives directories. Raises Failed after ``wait_s``."""
    where = places or Places()
    give_up, rescan = time.monotonic() + wait_s, 0.0
    while (found := look(word, where)) is None:
        now = time.monotonic()
        if now >= give_up:
            raise Failed(f'disk "{disk}" should be at {word}, where there is no directory and no device')
        if now >= rescan:
            await asyncio.to_thread(_rescan, where.sys)
            rescan = now + _RESCAN_S
        await asyncio.sleep(_LOOK_AGAIN_S)
    return found


def look(word: str, places: Places) -> Path | None:
    """What is there now. Raises Failed for a word that can never mean a disk of this VM."""
    if word.startswith("id:"):
        return _by_its_id(word.removeprefix("id:"), places.by_id)
    if word.startswith("/"):
        return _by_path(Path(word))
    if word.isdecimal():
        return _by_unit(int(word), places)
    raise Failed(f'"{word}" names no disk: it is neither id:…, nor a path, nor a SCSI unit number')


def _by_its_id(name: str, directory: Path) -> Path | None:
    plain = name.replace("-", "").lower()
    entries = sorted(directory.iterdir()) if directory.is_dir() else []
    for entry in entries:
        if entry.name == name or entry.name.lower().endswith(plain):
            return _usable(entry.resolve())
    return None


def _by_path(path: Path) -> Path | None:
    kind = next((kind for kind in _ALIASES if path.name.startswith(kind)), None)
    if kind is None or path.parent != Path("/dev"):
        return _usable(path)
    letters = path.name.removeprefix(kind)
    candidates = [path, *(path.with_name(alias + letters) for alias in _ALIASES)]
    return next((found for found in map(_usable, candidates) if found is not None), None)


def _by_unit(unit: int, places: Places) -> Path | None:
    """Only right with one SCSI controller, the root disk's: with several, give an id (disk.enableUUID)."""
    host, channel = _address_of_root(places)
    block = places.sys / f"bus/scsi/devices/{host}:{channel}:{unit}:0/block"
    names = sorted(block.iterdir()) if block.is_dir() else []
    return _usable(places.dev / names[0].name) if names else None


def _address_of_root(places: Places) -> tuple[str, str]:
    number = Path("/").stat().st_dev
    node = (places.sys / f"dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    if (node / "partition").exists():
        node = node.parent
    parts = (node / "device").resolve().name.split(":")
    if len(parts) != 4:
        raise Failed("the root disk is no SCSI disk, so a SCSI unit number cannot say where another disk is")
    return parts[0], parts[1]


def _usable(path: Path) -> Path | None:
    return path if path.is_dir() or path.is_block_device() else None


def _rescan(sys: Path) -> None:
    """Asks every SCSI host for disks it has not seen. Without the right to, the kernel's own word must do."""
    for file in sorted(sys.glob("class/scsi_host/host*/scan")):
        if os.access(file, os.W_OK):
            file.write_text("- - -")
