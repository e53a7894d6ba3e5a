"""Persistent disks in the guest (1.16): which is where, mounted, unmounted, moved from one to the next.

A disk is a block device with one file system, or a directory where the infrastructure gives directories: then it is
bind-mounted onto ``store`` where the agent may mount, else ``store`` becomes a link to it. Which disk is where is
remembered in ``bosh/disks.json``, so that after a reboot it is there before any job starts.
"""

import asyncio
import json
from pathlib import Path

from agent import devices, filesystem, machine, partition, tool
from agent.failure import Failed
from agent.filesystem import Wish
from agent.layout import Layout, write_atomically

_WAIT_AT_START_S = 10.0
"""A disk of a rebooted VM is there or gone; a director that waits for the agent is not to wait long for it."""


class Disks:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._file = layout.bosh / "disks.json"
        tree = json.loads(self._file.read_bytes()) if self._file.exists() else {"paths": {}, "copied": {}}
        self._paths: dict[str, str] = tree["paths"]
        """Hints, in the order they were mounted, so the first is the one at ``store``."""
        self._copied: dict[str, str] = tree["copied"]
        """New disk to the old one whose content it has in full."""
        self._volumes: dict[str, Path] = {}
        """Where each one's files are: a directory, or the device of the file system."""

    def mounted(self) -> list[str]:
        """Names of disks in use now, at ``store`` or as the target of a migration."""
        return sorted(disk for disk in self._paths if self._places(disk))

    async def remount(self) -> None:
        """After a reboot: what was at ``store`` is there again. Raises Failed when it cannot be."""
        failures: list[Failed] = []
        for disk, path in list(self._paths.items()):
            try:
                await self._mount(disk, path, wait_s=_WAIT_AT_START_S)
            except Failed as failure:  # the next one may be mounted still, and must be known to be
                failures.append(failure)
        if failures:
            raise failures[0]

    async def mount(self, disk: str, path: str) -> None:
        """At ``store``; while another disk is there, at ``store_migration_target``. Repeatable.

        ``path`` is a hint as devices.py reads it.
        """
        await self._mount(disk, path, wait_s=devices.WAIT_S)

    async def unmount(self, disk: str) -> None:
        """A disk that is not mounted is no error."""
        for place in self._places(disk):
            await self._hide(place)
        self._paths.pop(disk, None)
        self._volumes.pop(disk, None)
        self._copied.pop(disk, None)
        self._save()

    async def migrate(self, old: str, new: str, path: str) -> None:
        """Copies ``old`` at ``store`` to ``new``, then puts ``new`` in its place. Repeatable at any point."""
        if self._copied.get(new) != old:
            if old not in self._paths:
                raise Failed(f'disk "{old}" is not mounted, so it cannot be copied to "{new}"')
            await self.mount(new, path)
            await self._copy(old, new)
            self._copied[new] = old
            self._save()
        for place in self._places(new):
            await self._hide(place)
        await self.unmount(old)
        await self.mount(new, path)

    async def _mount(self, disk: str, path: str, *, wait_s: float) -> None:
        source = await devices.find(disk, path, wait_s=wait_s)
        is_directory = partition.is_directory(source)
        volume = source if is_directory else partition.known(source)
        if not any(_shows(place, volume) for place in self._all_places()):
            volume = source if is_directory else await partition.ready(self._layout, source)
            await self._show(volume, self._free_place(disk))
        self._volumes[disk] = volume
        self._paths[disk] = path
        self._save()

    async def _copy(self, old: str, new: str) -> None:
        source, target = self._tree(old), self._tree(new)
        if not _is_device(self._volumes[old]):
            await self._copy_files(source, target)
            return
        await self._run(("mount", "-o", "remount,ro", str(source)), f'ending writes to disk "{old}"')
        try:
            await self._copy_files(source, target)
        except (Failed, asyncio.CancelledError):
            await self._run(("mount", "-o", "remount,rw", str(source)), f'allowing writes to disk "{old}" again')
            raise

    async def _copy_files(self, source: Path, target: Path) -> None:
        await self._run(("cp", "-a", "--sparse=always", f"{source}/.", f"{target}/."), "copying the disk")
        await self._run(("sync", "-f", str(target)), f"writing {target} out")

    def _tree(self, disk: str) -> Path:
        """Where its files can be reached."""
        volume, places = self._volumes.get(disk), self._places(disk)
        if volume is not None and volume.is_dir():
            return volume
        if not places:
            raise Failed(f'disk "{disk}" is not mounted, so it cannot be copied')
        return places[0]

    def _all_places(self) -> tuple[Path, Path]:
        return self._layout.store, self._layout.migration_target

    def _places(self, disk: str) -> list[Path]:
        """Where it is to be seen now."""
        volume = self._volumes.get(disk)
        return [] if volume is None else [place for place in self._all_places() if _shows(place, volume)]

    def _free_place(self, disk: str) -> Path:
        store, target = self._all_places()
        return target if any(store in self._places(other) for other in self._paths if other != disk) else store

    async def _show(self, volume: Path, place: Path) -> None:
        _clear(place)
        if _is_device(volume):
            await filesystem.mount(self._layout, volume, place, self._wish())
        elif not await self._can_bind(volume, place):
            _link(place, volume)

    def _wish(self) -> Wish:
        env = machine.about(self._layout).get("env", {})
        kind, options = env.get("persistent_disk_fs", "ext4"), env.get("persistent_disk_mount_options", ())
        return Wish(kind=str(kind), options=tuple(str(option) for option in options))

    async def _can_bind(self, source: Path, place: Path) -> bool:
        code, _ = await tool.output_of(self._layout, ("mount", "--bind", str(source), str(place)))
        return code == 0

    async def _hide(self, place: Path) -> None:
        if not _unlinked(place):
            await filesystem.unmount(self._layout, place)

    async def _run(self, argv: tuple[str, ...], what: str) -> None:
        await tool.run(self._layout, argv, what)

    def _save(self) -> None:
        tree = {"paths": self._paths, "copied": self._copied}
        write_atomically(self._file, json.dumps(tree).encode(), 0o644, durable=True)


def _clear(place: Path) -> None:
    """An empty directory, or what was there before the first disk."""
    _unlinked(place)
    place.mkdir(exist_ok=True)


def _unlinked(place: Path) -> bool:
    """Whether it was a link, which is gone now."""
    if not place.is_symlink():
        return False
    place.unlink()
    return True


def _link(place: Path, source: Path) -> None:
    if any(place.iterdir()):
        raise Failed(f"{place} is not empty, so it cannot show the disk at {source}")
    place.rmdir()
    place.symlink_to(source)


def _is_device(volume: Path) -> bool:
    return volume.is_block_device()


def _shows(place: Path, volume: Path) -> bool:
    """Whether ``place`` is that very directory or device, by mount or by link."""
    if _is_device(volume):
        return filesystem.is_mounted(volume, place)
    return place.exists() and volume.exists() and place.samefile(volume)
