"""Persistent disks in the guest (1.16), where the infrastructure gives directories.

A disk is bind-mounted onto ``store`` where the agent may mount, else ``store`` becomes a link to it. Which disk is
where is remembered in ``bosh/disks.json``, so that after a reboot it is there before any job starts.
"""

import json
from pathlib import Path

from agent import process
from agent.failure import Failed
from agent.layout import Layout, write_atomically
from agent.scratch import scratch


class Disks:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._file = layout.bosh / "disks.json"
        tree = json.loads(self._file.read_bytes()) if self._file.exists() else {"paths": {}, "copied": {}}
        self._paths: dict[str, str] = tree["paths"]
        """In the order they were mounted, so the first is the one at ``store``."""
        self._copied: dict[str, str] = tree["copied"]
        """New disk to the old one whose content it has in full."""

    def mounted(self) -> list[str]:
        """Names of disks in use now, at ``store`` or as the target of a migration."""
        return sorted(disk for disk in self._paths if self._places(disk))

    async def remount(self) -> None:
        """After a reboot: what was at ``store`` is there again. Raises Failed when it cannot be."""
        for disk, path in list(self._paths.items()):
            await self.mount(disk, path)

    async def mount(self, disk: str, path: str) -> None:
        """At ``store``; while another disk is there, at ``store_migration_target``. Repeatable."""
        source = _directory(disk, path)
        if not any(_shows(place, source) for place in self._all_places()):
            await self._show(source, self._free_place(disk))
        self._paths[disk] = path
        self._save()

    async def unmount(self, disk: str) -> None:
        """A disk that is not mounted is no error."""
        for place in self._places(disk):
            await self._hide(place)
        self._paths.pop(disk, None)
        self._copied.pop(disk, None)
        self._save()

    async def migrate(self, old: str, new: str, path: str) -> None:
        """Copies ``old`` at ``store`` to ``new``, then puts ``new`` in its place. Repeatable at any point."""
        source = _directory(new, path)
        if self._copied.get(new) != old:
            if old not in self._paths:
                raise Failed(f'disk "{old}" is not mounted, so it cannot be copied to "{new}"')
            await self._run(("cp", "-a", "--sparse=always", f"{self._paths[old]}/.", f"{source}/."), "copying the disk")
            self._copied[new] = old
            self._save()
        for place in self._places(new):
            await self._hide(place)
        await self.unmount(old)
        await self.mount(new, path)

    def _all_places(self) -> tuple[Path, Path]:
        return self._layout.store, self._layout.migration_target

    def _places(self, disk: str) -> list[Path]:
        """Where it is to be seen now."""
        path = self._paths.get(disk)
        return [] if path is None else [place for place in self._all_places() if _shows(place, Path(path))]

    def _free_place(self, disk: str) -> Path:
        store, target = self._all_places()
        return target if any(store in self._places(other) for other in self._paths if other != disk) else store

    async def _show(self, source: Path, place: Path) -> None:
        _clear(place)
        if not await self._can_bind(source, place):
            _link(place, source)

    async def _can_bind(self, source: Path, place: Path) -> bool:
        code, _ = await self._output_of(("mount", "--bind", str(source), str(place)))
        return code == 0

    async def _hide(self, place: Path) -> None:
        if not _unlinked(place):
            await self._run(("umount", str(place)), f"unmounting {place}")

    async def _run(self, argv: tuple[str, ...], what: str) -> None:
        code, said = await self._output_of(argv)
        if code:
            raise Failed(f"{what} ended with exit code {code}: {said}")

    async def _output_of(self, argv: tuple[str, ...]) -> tuple[int, str]:
        with scratch(self._layout) as output:
            try:
                code = await process.run(
                    argv,
                    env=self._layout.environment(),
                    cwd=self._layout.base,
                    stdout=output,
                    stderr=output,
                    notes=self._layout.notes,
                )
            except FileNotFoundError:
                return 127, f"{argv[0]}: no such program on this VM"
            output.seek(0)
            return code, output.read(4096).decode("utf-8", "replace").strip()

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


def _directory(disk: str, path: str) -> Path:
    place = Path(path)
    if place.is_block_device():
        raise Failed(f'disk "{disk}" is the device {path}; devices are not supported on this agent yet')
    if not place.is_dir():
        raise Failed(f'disk "{disk}" should be at {path}, where there is no directory')
    return place


def _shows(place: Path, source: Path) -> bool:
    """Whether ``place`` is that very directory, by mount or by link."""
    return place.exists() and source.exists() and place.samefile(source)
