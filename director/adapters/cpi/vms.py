"""VMs of a CPI: create with its retry rule, adopt, delete, find (agent-cpi-vsphere.md 2.2, 2.4)."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace

from director.adapters.cpi.arguments import env_of, vm_metadata
from director.adapters.cpi.client import Ask, secrets_of
from director.adapters.cpi.faults import CpiFault, Kind
from director.adapters.cpi.memory import DiskFile, VmFile
from director.adapters.cpi.room import Room, now_text, vm_cid_of
from director.model.names import DeploymentName, DiskCid, InstanceId, VmCid, VmName
from director.model.sighting import Power, SeenVm
from director.ports.failure import InfrastructureFailure, Retry
from director.ports.infrastructure import VmRequest


class Vms:
    def __init__(self, room: Room) -> None:
        self._room = room
        self._memory = room.memory

    async def create(self, request: VmRequest) -> VmCid:
        async with self._room.turns.of(f"vm {request.name}"):
            known = await self._settled(request.name)
            if known is not None and not await self._room.is_there("has_vm", _cid(known)):
                await self._forget(known)
                known = None
            if known is None:
                known = await self._create_or_try_again(request)
            await self._tag(known)
            return VmCid(_cid(known))

    async def delete(self, cid: VmCid) -> None:
        async with self._room.turns.of(self.turn_of(cid)):
            await self._room.unless(Kind.VM_NOT_FOUND, method="delete_vm", arguments=(cid,), is_of_vm=True)
            for disk in self._memory.disks_on(cid):
                await self._memory.keep(replace(disk, vm=None, hint=None))
            known = self._memory.vm_of(cid)
            if known is not None:
                await self._memory.drop(known)

    async def reboot(self, cid: VmCid) -> None:
        async with self._room.turns.of(self.turn_of(cid)):
            try:
                await self._room.cpi.call("reboot_vm", cid, is_of_vm=True)
            except CpiFault as fault:
                if fault.kind is Kind.VM_NOT_FOUND:
                    raise fault.with_words(f'VM "{cid}" does not exist, so it cannot be rebooted.') from fault
                if fault.kind is Kind.NOT_IMPLEMENTED:
                    raise fault.with_words("This CPI cannot reboot VMs: recreate the VM instead.") from fault
                raise

    async def find(self, name: VmName) -> SeenVm | None:
        """Waits for a call on it that is under way."""
        async with self._room.turns.of(f"vm {name}"):
            known = await self._settled(name)
            if known is None or not await self._room.is_there("has_vm", _cid(known)):
                return None
            return self._seen(known)

    async def find_all(
        self, deployment: DeploymentName | None, doubted: Collection[VmName] | None
    ) -> Mapping[VmName, SeenVm]:
        """A call for each doubted one, side by side as far as the program's slots go."""
        known = [vm for vm in self._memory.all(VmFile) if vm.cid and deployment in {None, vm.deployment}]
        asked = [vm for vm in known if doubted is None or vm.name in doubted]
        answers = await self._are_there(asked)
        gone = {vm.name for vm, is_there in zip(asked, answers, strict=True) if not is_there}
        return {VmName(vm.name): self._seen(vm) for vm in known if vm.name not in gone}

    def turn_of(self, cid: str) -> str:
        known = self._memory.vm_of(cid)
        return f"vm {known.name}" if known else f"vm cid {cid}"

    async def _are_there(self, vms: list[VmFile]) -> list[bool]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._room.is_there("has_vm", _cid(vm))) for vm in vms]
        except* InfrastructureFailure as failures:
            raise _first(failures) from failures
        return [task.result() for task in tasks]

    async def _settled(self, name: str) -> VmFile | None:
        """The VM of that name, if one was made; what an ended director had begun is brought to its end."""
        known = self._memory.get(VmFile, name)
        if known is not None and known.call is not None:
            known = await self._room.settle(known, vm_cid_of, _what(known))
        if known is not None and not known.is_tagged and await self._room.is_there("has_vm", _cid(known)):
            known = await self._tag(known)
        return known

    async def _create_or_try_again(self, request: VmRequest) -> VmFile:
        """Only VMCreationFailed that is ok to retry, at once, as often as BOSH does (section 2.2)."""
        for left in reversed(range(max(1, self._room.cpi.options.create_vm_tries))):
            try:
                return await self._create(request)
            except CpiFault as fault:
                if not (fault.kind is Kind.VM_CREATION_FAILED and fault.ok_to_retry):
                    raise
                if not left:
                    tries = self._room.cpi.options.create_vm_tries
                    raise fault.with_words(f"It was tried {tries} times.", retry=Retry.NEVER) from fault
        raise AssertionError("the last try returns or raises")

    async def _create(self, request: VmRequest) -> VmFile:
        shape, env = request.shape, env_of(request, self._room.director)
        file = VmFile(
            name=request.name,
            deployment=request.deployment,
            instance=request.instance,
            agent=request.enrolment.agent,
            tags=dict(request.tags),
        )
        ask = Ask(
            method="create_vm",
            arguments=(
                request.enrolment.agent,
                shape.stemcell_cid,
                shape.cloud_properties,
                dict(shape.networks),
                list(request.disks),
                env,
            ),
            is_of_vm=True,
            secrets=secrets_of({"vm": shape.cloud_properties, "networks": dict(shape.networks)}, env),
        )
        return await self._room.create(ask, file, vm_cid_of, _what(file))

    async def _tag(self, vm: VmFile) -> VmFile:
        """Early, for the infrastructure's own lists: an orphan is found by a person through its tags only (2.5)."""
        if vm.is_tagged:
            return vm
        metadata = vm_metadata(vm.tags, self._room.director, now_text())
        arguments = (_cid(vm), metadata)
        await self._room.unless(Kind.NOT_IMPLEMENTED, method="set_vm_metadata", arguments=arguments, is_of_vm=True)
        tagged = replace(vm, is_tagged=True)
        await self._memory.keep(tagged)
        return tagged

    async def _forget(self, vm: VmFile) -> None:
        for disk in self._memory.disks_on(_cid(vm)):
            await self._memory.keep(replace(disk, vm=None, hint=None))
        await self._memory.drop(vm)

    def _seen(self, vm: VmFile) -> SeenVm:
        """A CPI can tell whether a VM is there, not whether it is on: agents tell that."""
        disks: list[DiskFile] = self._memory.disks_on(_cid(vm))
        return SeenVm(
            name=VmName(vm.name),
            cid=VmCid(_cid(vm)),
            power=Power.ON,
            instance=InstanceId(vm.instance),
            disks=tuple(sorted(DiskCid(disk.cid) for disk in disks if disk.cid)),
        )


def _cid(vm: VmFile) -> str:
    assert vm.cid is not None, "it was settled"
    return vm.cid


def _what(vm: VmFile) -> str:
    return f'a VM for "{vm.name}" with the agent "{vm.agent}", which the director does not know'


def _first(failures: BaseExceptionGroup[InfrastructureFailure]) -> InfrastructureFailure:
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, InfrastructureFailure), "only these are in the group"
    return found
