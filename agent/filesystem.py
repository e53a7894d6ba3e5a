"""File systems on disks of ours: made only where nothing is, grown with their partition, mounted, unmounted.

The size that counts is the file system's own: a partition that grew before a file system could not is found here
again at the next mount (the trap in 1.16). ext4 grows while it is not mounted, checked first; xfs only mounted.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import partition, tool
from agent.failure import Failed
from agent.layout import Layout

_SLACK_BYTES = 64 * 1024 * 1024
_BUSY_TRIES = 60
_BUSY_S = 1.0
_MAKE = {"ext4": ("mkfs.ext4", "-q"), "xfs": ("mkfs.xfs", "-q")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """``kind`` is for a blank disk only: ext4 or xfs."""

    kind: str = "ext4"
    options: tuple[str, ...] = ()


async def mount(layout: Layout, volume: Path, place: Path, wish: Wish) -> None:
    """Makes the file system when the volume is blank. Raises Failed for any other than ext4 and xfs."""
    kind = await _kind(layout, volume) or await _make(layout, volume, wish.kind)
    if kind == "ext4":
        await _grow_ext4(layout, volume)
    options = ("-o", ",".join(wish.options)) if wish.options else ()
    await tool.run(layout, ("mount", "-t", kind, *options, str(volume), str(place)), f"mounting {volume}")
    if kind == "xfs":
        await tool.run(layout, ("xfs_growfs", "-d", str(place)), f"growing the file system on {volume}")


async def unmount(layout: Layout, place: Path) -> None:
    """What its users leave open a moment longer is waited for; nothing tells when they let go."""
    for _ in range(_BUSY_TRIES):
        code, said = await tool.output_of(layout, ("umount", str(place)))
        if code == 0:
            return
        if "busy" not in said:
            break
        await asyncio.sleep(_BUSY_S)
    raise Failed(f"unmounting {place} ended with exit code {code}: {said}")


def is_mounted(volume: Path, place: Path) -> bool:
    """Whether ``place`` shows this very block device."""
    return place.exists() and volume.exists() and place.stat().st_dev == volume.stat().st_rdev


async def _kind(layout: Layout, volume: Path) -> str:
    kind = (await partition.signature(layout, volume)).get("TYPE", "")
    if kind and kind not in _MAKE:
        raise Failed(f"{volume} holds {kind}, neither ext4 nor xfs, so it is left alone")
    return kind


async def _make(layout: Layout, volume: Path, kind: str) -> str:
    if kind not in _MAKE:
        raise Failed(f'"{kind}" is no file system this agent makes: set env.persistent_disk_fs to ext4 or xfs')
    await tool.run(layout, (*_MAKE[kind], str(volume)), f"making {kind} on {volume}")
    return kind


async def _grow_ext4(layout: Layout, volume: Path) -> None:
    said = await tool.run(layout, ("dumpe2fs", "-h", str(volume)), f"reading the size of the file system on {volume}")
    size = _number(said.splitlines(), "Block count:") * _number(said.splitlines(), "Block size:")
    if partition.size_of(volume) - size <= _SLACK_BYTES:
        return
    code, said = await tool.output_of(layout, ("e2fsck", "-f", "-p", str(volume)))
    if code > 1:  # 1: errors found and corrected
        raise Failed(f"the file system on {volume} is damaged, so it is not grown (e2fsck: exit code {code}): {said}")
    await tool.run(layout, ("resize2fs", str(volume)), f"growing the file system on {volume}")


def _number(lines: Sequence[str], name: str) -> int:
    return next(int(line.removeprefix(name)) for line in lines if line.startswith(name))
