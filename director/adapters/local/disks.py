"""Persistent disks as directories: ``disks/<name>/`` while free, ``vms/<vm>/disks/<name>/`` while attached.

Attaching is one rename, so a disk is always in exactly one place; where its directory lies is the truth. What
describes it (``disks/<name>.json``) stays outside of every VM's reach.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from director.adapters.local.files import DiskFile, Reader, safe, write_file
from director.model.names import DeploymentName, DiskCid, DiskName, VmCid
from director.model.sighting import SeenDisk
from director.ports.failure import InfrastructureFailure

PLACE_IN_VM: Final = "/run/disks"


class Disks:
    def __init__(self, state_dir: Path, reader: Reader) -> None:
        self._home = state_dir / "disks"
        self._vms = state_dir / "vms"
        self._reader = reader

    def create(self, wanted: DiskFile) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = self._reader.disk(self._file(wanted.name))
        if known is None:
            write_file(self._file(wanted.name), wanted)
        if known is None or self.place(known) is None:
            (self._home / wanted.name).mkdir(mode=0o755, exist_ok=True)

    def file(self, name: str) -> DiskFile | None:
        return self._reader.disk(self._file(safe(name)))

    def place(self, disk: DiskFile) -> Path | None:
        """The disk's directory, wherever it is now; None when a deletion was cut off."""
        attached = self._vms / disk.vm / "disks" / disk.name if disk.vm else None
        if attached and attached.is_dir():
            return attached
        free = self._home / disk.name
        return free if free.is_dir() else None

    def vm_of(self, disk: DiskFile) -> str | None:
        place = self.place(disk)
        return None if place is None or place.parent == self._home else place.parent.parent.name

    def attach(self, vm: str, name: str) -> None:
        disk = self.file(name)
        place = self.place(disk) if disk else None
        if disk is None or place is None:
            raise InfrastructureFailure(f'Disk "{name}" does not exist, so it cannot be attached to "{vm}".')
        holder = self.vm_of(disk)
        if holder == vm:
            return
        if holder is not None:
            raise InfrastructureFailure(f'Disk "{name}" is attached to "{holder}": detach it there first.')
        write_file(self._file(name), replace(disk, vm=vm))
        place.rename(self._vms / vm / "disks" / name)

    def detach(self, vm: str, name: str) -> None:
        disk = self.file(name)
        if disk is not None and self.vm_of(disk) == vm:
            (self._vms / vm / "disks" / name).rename(self._home / name)
            write_file(self._file(name), replace(disk, vm=None))

    def grow(self, name: str, size_mb: int) -> None:
        """Sizes are not enforced here, so growing is writing it down."""
        disk = self.file(name)
        if disk is None:
            raise InfrastructureFailure(f'Disk "{name}" does not exist, so it cannot grow.')
        holder = self.vm_of(disk)
        if holder is not None:
            raise InfrastructureFailure(f'Disk "{name}" is attached to "{holder}": detach it before it grows.')
        if size_mb < disk.size_mb:
            raise InfrastructureFailure(f'Disk "{name}" has {disk.size_mb} MB; a disk cannot shrink.')
        write_file(self._file(name), replace(disk, size_mb=size_mb))

    def detach_all(self, vm: str) -> None:
        for name in self.attached(vm):
            self.detach(vm, name)

    def attached(self, vm: str) -> tuple[str, ...]:
        """Disks in this VM, sorted. What a VM itself put beside them is no disk."""
        try:
            found = sorted(os.listdir(self._vms / vm / "disks"))  # noqa: PTH208  1000 VMs per look
        except FileNotFoundError:
            return ()
        return tuple(name for name in found if self._reader.disk(self._file(name)) is not None)

    def forget(self, name: str) -> Path | None:
        """The directory of a free disk, to be removed before ``forgotten``; None when there is none."""
        disk = self.file(name)
        if disk is None:
            return None
        holder = self.vm_of(disk)
        if holder is not None:
            raise InfrastructureFailure(f'Disk "{name}" is attached to "{holder}": detach it before deleting it.')
        return self._home / name

    def forgotten(self, name: str) -> None:
        self._file(name).unlink(missing_ok=True)
        self._reader.forget(self._file(name))

    def seen(self, disk: DiskFile) -> SeenDisk | None:
        if self.place(disk) is None:
            return None
        holder = self.vm_of(disk)
        return SeenDisk(
            name=DiskName(disk.name),
            cid=DiskCid(disk.name),
            size_mb=disk.size_mb,
            vm=VmCid(holder) if holder else None,
        )

    def find(self, deployment: DeploymentName | None) -> Mapping[DiskName, SeenDisk]:
        found = [self.seen(disk) for disk in self._files() if deployment in {None, disk.deployment}]
        return {disk.name: disk for disk in found if disk is not None}

    def names(self) -> tuple[str, ...]:
        return tuple(disk.name for disk in self._files())

    def _files(self) -> list[DiskFile]:
        paths = sorted(self._home.glob("*.json")) if self._home.is_dir() else []
        return [disk for disk in map(self._reader.disk, paths) if disk is not None]

    def _file(self, name: str) -> Path:
        return self._home / f"{name}.json"
