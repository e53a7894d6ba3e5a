"""Which VM of ours holds which persistent disk, read in bulk and only from VMs that changed since the last time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.disk_devices import DEVICES, PROPERTIES, DisksOfVm, disks_of
from director.adapters.vsphere.disk_paths import DiskHome, DiskId, FilePath
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.together import Together
from director.model.names import DiskName

_PATHS: Final = (DEVICES, PROPERTIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPlace:
    """``vm`` is the moid of the VM the disk is attached to. ``stray_on`` is that of a VM which only remembers it."""

    disk: DiskId
    path: FilePath
    size_mb: int
    vm: str | None = None
    stray_on: str | None = None


class Holders:
    def __init__(self, session: Session, home: DiskHome) -> None:
        self._session = session
        self._home = home
        self._read: dict[str, tuple[str, DisksOfVm]] = {}
        self._reading = asyncio.Lock()
        self._fresh = Together(self._now)

    async def places(self) -> Mapping[DiskName, DiskPlace]:
        """Disks that are attached, and those whose file is not back at its own path yet."""
        await self._read_changed()
        strays = {
            name: DiskPlace(disk=stray.disk, path=stray.path, size_mb=stray.size_mb, stray_on=vm)
            for vm, (_, disks) in sorted(self._read.items())
            for name, stray in disks.strays.items()
        }
        held = {
            name: DiskPlace(disk=one.disk, path=one.path, size_mb=one.size_mb, vm=vm)
            for vm, (_, disks) in sorted(self._read.items())
            for name, one in disks.held.items()
        }
        return strays | held

    async def attached(self) -> Mapping[str, tuple[DiskName, ...]]:
        """By the VM's moid; VMs without disks are left out."""
        await self._read_changed()
        return {vm: tuple(sorted(disks.held)) for vm, (_, disks) in sorted(self._read.items()) if disks.held}

    async def now(self, vm: str, paths: Sequence[str] = ()) -> tuple[DisksOfVm, Mapping[str, Any]]:
        """Of one VM, asked afresh, with these properties of it beside."""
        seen = await self._session.read(
            f"read the disks of {self.called(vm)}",
            vim.VirtualMachine,
            (*_PATHS, *paths),
            [self._session.of(vim.VirtualMachine, vm)],
        )
        return disks_of(self._home, seen.get(vm, {})), seen.get(vm, {})

    async def held_now(self, vm: str) -> DisksOfVm:
        """As ``now``, in one request for all VMs that are asked about at the same time."""
        return disks_of(self._home, await self._fresh.ask(vm) or {})

    async def _now(self, vms: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        what = f"read the disks of {self.called(vms[0])}" + (f" and {len(vms) - 1} more" if len(vms) > 1 else "")
        objects = [self._session.of(vim.VirtualMachine, vm) for vm in vms]
        return await self._session.read(what, vim.VirtualMachine, _PATHS, objects)

    async def stranger(self, path: FilePath, datastore: vim.Datastore) -> str | None:
        """The name of a VM of somebody else's that has this file while it does not run: a running one's is locked."""
        on_it = await self._session.read(f'read the VMs on "{path.store}"', vim.Datastore, ("vm",), [datastore])
        vms = [vm for seen in on_it.values() for vm in seen.get("vm") or () if vm._moId not in self._session.watch.vms]  # noqa: SLF001  the only name pyVmomi has for it
        power = await self._read_others("runtime.powerState", vms)
        resting = [vm for vm in vms if power.get(vm._moId, {}).get("runtime.powerState") != "poweredOn"]  # noqa: SLF001
        for seen in (await self._read_others(DEVICES, resting)).values():
            if str(path) in map(_file_of, seen.get(DEVICES) or ()):
                return str(seen["name"])
        return None

    async def _read_others(self, path: str, vms: Sequence[vim.VirtualMachine]) -> Mapping[str, Mapping[str, Any]]:
        if not vms:
            return {}
        return await self._session.read("read other VMs on a datastore", vim.VirtualMachine, ("name", path), vms)

    def forget(self, vm: str) -> None:
        """It was changed by us: what was read of it is not believed, whether or not the watch has told us yet."""
        self._read.pop(vm, None)

    def called(self, vm: str) -> str:
        known = self._session.watch.vms.get(vm)
        return f'VM "{known.name}"' if known is not None else f'VM "{vm}"'

    async def _read_changed(self) -> None:
        await self._session.watch.settled()
        async with self._reading:
            await self._read_once()

    async def _read_once(self) -> None:
        versions = {vm: known.change_version for vm, known in self._session.watch.vms.items() if not known.is_template}
        for gone in self._read.keys() - versions.keys():
            del self._read[gone]
        changed = [vm for vm, version in sorted(versions.items()) if self._is_news(vm, version)]
        if not changed:
            return
        seen = await self._session.read(
            "read the disks of VMs",
            vim.VirtualMachine,
            _PATHS,
            [self._session.of(vim.VirtualMachine, vm) for vm in changed],
        )
        for vm in changed:
            self._read[vm] = (versions[vm], disks_of(self._home, seen.get(vm, {})))

    def _is_news(self, vm: str, version: str) -> bool:
        return not version or vm not in self._read or self._read[vm][0] != version


def _file_of(device: vim.vm.device.VirtualDevice) -> str | None:
    return getattr(device.backing, "fileName", None)
