"""Persistent disks of a CPI, and what it says of disks that are not there (agent-cpi-vsphere.md 2.2, 2.4)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from director.adapters.cpi.abilities import Learned
from director.adapters.cpi.arguments import disk_metadata, hint_of
from director.adapters.cpi.client import Ask
from director.adapters.cpi.faults import CANNOT, CpiFault, Kind
from director.adapters.cpi.memory import DiskFile, VmFile
from director.adapters.cpi.redact import secrets_in
from director.adapters.cpi.room import Room, now_text, text_of
from director.adapters.cpi.vms import Vms
from director.model.names import DeploymentName, DiskCid, DiskName, VmCid
from director.model.sighting import SeenDisk
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import DiskRequest

_GONE: Final = (Kind.DISK_NOT_ATTACHED, Kind.DISK_NOT_FOUND, Kind.VM_NOT_FOUND)


class Disks:
    def __init__(self, room: Room, vms: Vms, learned: Learned) -> None:
        self._room = room
        self._memory = room.memory
        self._vms = vms
        self._learned = learned

    async def create(self, request: DiskRequest) -> DiskCid:
        async with self._room.turns.of(f"disk {request.name}"):
            known = await self._settled(request.name)
            if known is not None and not await self._room.is_there("has_disk", _cid(known)):
                await self._memory.drop(known)
                known = None
            return DiskCid(_cid(known or await self._create(request)))

    async def delete(self, cid: DiskCid) -> None:
        async with self._room.turns.of(self._turn_of(cid)):
            known = self._memory.disk_of(cid)
            if known is not None and known.vm is not None:
                raise InfrastructureFailure(f'Disk "{cid}" is attached to "{known.vm}": detach it before deleting it.')
            await self._room.unless(Kind.DISK_NOT_FOUND, method="delete_disk", arguments=(cid,))
            if known is not None:
                await self._memory.drop(known)

    async def grow(self, cid: DiskCid, size_mb: int) -> None:
        """Raises CpiFault of kind NOT_SUPPORTED or NOT_IMPLEMENTED where the CPI cannot, and remembers that."""
        async with self._room.turns.of(self._turn_of(cid)):
            known = self._memory.disk_of(cid)
            if known is not None and known.size_mb == size_mb:
                return
            _check_growing(known, cid, size_mb)
            try:
                await self._room.cpi.call("resize_disk", cid, size_mb)
            except CpiFault as fault:
                if fault.kind not in CANNOT:
                    raise
                await self._learned.cannot_resize()
                raise fault.with_words("Deploy again: the data will be copied to a new disk instead.") from fault
            if known is not None:
                await self._memory.keep(replace(known, size_mb=size_mb))

    async def find(self, name: DiskName) -> SeenDisk | None:
        async with self._room.turns.of(f"disk {name}"):
            known = await self._settled(name)
            if known is None or not await self._room.is_there("has_disk", _cid(known)):
                return None
            return _seen(known)

    def find_all(self, deployment: DeploymentName | None) -> Mapping[DiskName, SeenDisk]:
        """What is remembered: a CPI has no bulk read, and a call for each disk at each look is too many."""
        known = [disk for disk in self._memory.all(DiskFile) if disk.cid and deployment in {None, disk.deployment}]
        return {DiskName(disk.name): _seen(disk) for disk in known}

    async def attach(self, vm: VmCid, cid: DiskCid) -> Tree:
        """The hint is remembered: a CPI asked twice may refuse."""
        async with self._room.turns.of(self._vms.turn_of(vm), self._turn_of(cid)):
            if (await self._room.cpi.abilities()).api_version < 2:
                name = self._room.cpi.options.name
                raise InfrastructureFailure(
                    f"CPI '{name}' speaks version 1 of the protocol, which tells no agent where a disk is: "
                    "use a release of it that speaks version 2 for instances with persistent disks."
                )
            known = self._memory.disk_of(cid)
            if known is not None:
                if known.vm == vm and known.hint is not None:
                    return known.hint
                await self._free(known, vm)
            return await self._attach(vm, cid, known)

    async def detach(self, vm: VmCid, cid: DiskCid) -> None:
        """Only its holder lets it go."""
        async with self._room.turns.of(self._vms.turn_of(vm), self._turn_of(cid)):
            known = self._memory.disk_of(cid)
            if known is not None and known.vm != vm:
                return
            await self._room.unless(*_GONE, method="detach_disk", arguments=(vm, cid), is_of_vm=True)
            if known is not None:
                await self._memory.keep(replace(known, vm=None, hint=None))

    async def _settled(self, name: str) -> DiskFile | None:
        known = self._memory.get(DiskFile, name)
        if known is not None and known.call is not None:
            known = await self._room.settle(known, text_of, _what(known))
        return known

    async def _create(self, request: DiskRequest) -> DiskFile:
        file = DiskFile(name=request.name, deployment=request.deployment, size_mb=request.size_mb)
        ask = Ask(
            method="create_disk",
            arguments=(request.size_mb, request.cloud_properties, request.vm),
            secrets=tuple(secrets_in(request.cloud_properties)),
        )
        return await self._room.create(ask, file, text_of, _what(file))

    async def _free(self, disk: DiskFile, vm: str) -> None:
        """Before it is attached to ``vm``: nobody else has it, and no attaching of unknown end is under way."""
        if disk.vm is not None and disk.vm != vm:
            if await self._room.is_there("has_vm", disk.vm):
                holder = self._memory.vm_of(disk.vm)
                name = holder.name if holder else disk.vm
                raise InfrastructureFailure(f'Disk "{disk.cid}" is attached to "{name}": detach it there first.')
            await self._memory.keep(replace(disk, vm=None, hint=None))
        elif disk.vm == vm:
            arguments = (vm, disk.cid)
            await self._room.unless(*_GONE, Kind.CLOUD_ERROR, method="detach_disk", arguments=arguments, is_of_vm=True)

    async def _attach(self, vm: str, cid: str, known: DiskFile | None) -> Tree:
        if known is not None:
            await self._memory.keep(replace(known, vm=vm, hint=None))
        try:
            said = await self._room.cpi.call("attach_disk", vm, cid, is_of_vm=True)
        except CpiFault as fault:
            if known is not None and not fault.is_reply_lost:
                await self._memory.keep(replace(known, vm=None, hint=None))
            raise fault.with_words(f'Disk "{cid}" was not attached to VM "{vm}".') from fault
        hint = hint_of(said)
        if hint is None:
            name = self._room.cpi.options.name
            raise InfrastructureFailure(f"CPI '{name}' attached disk \"{cid}\" without saying where an agent finds it.")
        if known is not None:
            await self._memory.keep(replace(known, vm=vm, hint=hint))
            await self._tag(vm, known)
        return hint

    async def _tag(self, vm: str, disk: DiskFile) -> None:
        holder = self._memory.vm_of(vm)
        tags = holder.tags if isinstance(holder, VmFile) else {}
        metadata = disk_metadata(tags, self._room.director, disk.deployment, now_text())
        await self._room.unless(Kind.NOT_IMPLEMENTED, method="set_disk_metadata", arguments=(disk.cid, metadata))

    def _turn_of(self, cid: str) -> str:
        known = self._memory.disk_of(cid)
        return f"disk {known.name}" if known else f"disk cid {cid}"


def _check_growing(disk: DiskFile | None, cid: str, size_mb: int) -> None:
    if disk is None:
        return
    if disk.vm is not None:
        raise InfrastructureFailure(f'Disk "{cid}" is attached to "{disk.vm}": detach it before it grows.')
    if size_mb < disk.size_mb:
        raise InfrastructureFailure(f'Disk "{cid}" has {disk.size_mb} MB; a disk cannot shrink.')


def _seen(disk: DiskFile) -> SeenDisk:
    return SeenDisk(
        name=DiskName(disk.name),
        cid=DiskCid(_cid(disk)),
        size_mb=disk.size_mb,
        vm=VmCid(disk.vm) if disk.vm else None,
    )


def _cid(disk: DiskFile) -> str:
    assert disk.cid is not None, "it was settled"
    return disk.cid


def _what(disk: DiskFile) -> str:
    return f'a disk of {disk.size_mb} MB for "{disk.name}", which the director does not know'
