"""Steps that change VMs and disks on the infrastructure, each between an intent and its result."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from director.execution.fence import fence_of, forgotten_words, vm_dropped
from director.execution.intend import intending
from director.execution.journal import late_intent
from director.execution.trail import event
from director.execution.world import Run, World
from director.manifest.fill import fill
from director.model.names import DiskCid, DiskName, StepKey, VmCid, VmName
from director.model.outcome import KEPT
from director.model.problem import Refused
from director.model.record import DiskRecord, DiskState, VmRecord, VmState
from director.model.sighting import Power
from director.model.step import (
    AttachDisk,
    ClearEnrolment,
    CreateDisk,
    CreateVm,
    DeleteVm,
    DetachDisk,
    GrowDisk,
    RebootVm,
)
from director.model.tree import Tree
from director.model.wanted import VmShape
from director.ports.failure import Failure, InfrastructureFailure
from director.ports.infrastructure import DiskRequest, Infrastructure, VmRequest
from director.ports.store import OpenIntent, PutDisk, PutVm

InfrastructureStep = CreateVm | ClearEnrolment | DeleteVm | RebootVm | CreateDisk | GrowDisk | AttachDisk | DetachDisk


async def perform(step: InfrastructureStep, key: StepKey, run: Run, world: World) -> Tree:
    match step:
        case CreateVm():
            return await _create_vm(step, key, run, world)
        case ClearEnrolment():
            return await _clear_enrolment(step, run, world)
        case DeleteVm():
            return await _delete_vm(step, key, run, world)
        case RebootVm():
            return await _reboot_vm(step, key, run, world)
        case CreateDisk():
            return await _create_disk(step, key, run, world)
        case GrowDisk():
            return await _grow_disk(step, key, run, world)
        case AttachDisk():
            return await _attach_disk(step, key, run, world)
        case DetachDisk():
            return await _detach_disk(step, key, run, world)
        case _:
            assert_never(step)


async def _create_vm(step: CreateVm, key: StepKey, run: Run, world: World) -> Tree:
    infrastructure = world.infrastructures.of(step.shape.cpi)
    if step.vm in run.vms and (running := await _running(step.vm, infrastructure)):
        return await _adopt(run.vms[step.vm], running, run, world)
    enrolment = await world.agents.enrolment_for(step.agent, step.instance, run.name, step.generation)
    vm = VmRecord(
        name=step.vm,
        instance=step.instance,
        deployment=run.name,
        agent=step.agent,
        generation=step.generation,
        shape=step.shape,
        state=VmState.CREATING,
        created_at=world.clock.now(),
        has_enrolment=(await infrastructure.info()).leaves_enrolment,
        tags={**step.tags, "deployment": run.name, "name": run.label_of(step.instance)},
    )
    run.vms[vm.name] = vm
    async with intending("create vm", step.vm, key, run, world, PutVm(record=vm)) as done:
        cid = await infrastructure.create_vm(
            VmRequest(
                name=step.vm,
                instance=step.instance,
                deployment=run.name,
                shape=_filled(step.shape, run),
                enrolment=enrolment,
                disks=_cids(step.disks, run),
                tags=vm.tags,
                where=step.placement.where,
            )
        )
        created = replace(vm, state=VmState.CREATED, cid=cid)
        done.changes.append(PutVm(record=created))
    run.vms[vm.name] = created
    return {"cid": cid}


async def _clear_enrolment(step: ClearEnrolment, run: Run, world: World) -> Tree:
    """Without an intent: until it is recorded as done, the VM's row says that it is to be done."""
    vm = run.vms.get(step.vm)
    if vm and vm.has_enrolment and vm.cid is not None:
        await world.infrastructures.of(vm.shape.cpi).clear_enrolment(vm.cid)
        run.vms[vm.name] = cleared = replace(vm, has_enrolment=False)
        await world.store.commit(PutVm(record=cleared))
    return {}


async def _running(name: VmName, infrastructure: Infrastructure) -> VmCid | None:
    seen = await infrastructure.find_vm(name)
    return seen.cid if seen and seen.power is Power.ON and seen.is_whole else None


async def _adopt(vm: VmRecord, cid: VmCid, run: Run, world: World) -> Tree:
    """A VM that a stopped director had created: its agent has its token already, a new one would shut it out."""
    adopted = replace(vm, state=VmState.CREATED, cid=cid)
    run.vms[vm.name] = adopted
    await world.store.commit(PutVm(record=adopted))
    return {"cid": cid, "adopted": True}


def _filled(shape: VmShape, run: Run) -> VmShape:
    return replace(shape, cloud_properties=_tree(shape.cloud_properties, run), env=_tree(shape.env, run))


def _tree(tree: Tree, run: Run) -> Tree:
    """Its placeholders filled, once: a secret's own text is never read as a placeholder."""
    try:
        filled = fill(tree, run.values, must_fill=True)
    except Refused as refused:
        raise InfrastructureFailure(str(refused)) from refused
    assert isinstance(filled, dict)
    return filled


def _cids(names: tuple[DiskName, ...], run: Run) -> tuple[DiskCid, ...]:
    found = (run.disks[name].cid for name in names if name in run.disks)
    return tuple(cid for cid in found if cid is not None)


async def _delete_vm(step: DeleteVm, key: StepKey, run: Run, world: World) -> Tree:
    vm = run.vms.get(step.vm)
    if vm is None:
        return {}
    leaving = replace(vm, state=VmState.DELETING)
    infrastructure = world.infrastructures.of(vm.shape.cpi)
    async with intending("delete vm", step.vm, key, run, world, PutVm(record=leaving)) as done:
        cid = vm.cid or await _found_cid(step.vm, infrastructure)
        if cid is not None:
            await infrastructure.delete_vm(cid)
        await world.agents.revoke(step.agent)
        freed = [replace(disk, vm=None, state=DiskState.DETACHED) for disk in run.disks_on(step.vm)]
        done.changes += [PutDisk(record=disk) for disk in freed]
        done.changes += [] if step.has_ports else vm_dropped(step.vm)
        if cid is None and vm.state is VmState.CREATING:
            done.changes.append(OpenIntent(intent=late_intent(vm, run.task, key, world.clock.now())))
    _note_gone(step, leaving, freed, run)
    return {}


def _note_gone(step: DeleteVm, vm: VmRecord, freed: Sequence[DiskRecord], run: Run) -> None:
    """The row of a VM with ports goes with these."""
    if step.has_ports:
        run.vms[step.vm] = vm
    else:
        del run.vms[step.vm]
    run.disks.update({disk.name: disk for disk in freed})


async def forget_fenced_vm(step: DeleteVm, failure: Failure, run: Run, world: World) -> Tree | None:
    """Goes on as if the VM were deleted, when a person said that it is dead; None when nobody did.

    Its agent is shut out and its row goes, so that it is a stranger to whoever looks, should it turn up.
    """
    vm = run.vms.get(step.vm)
    fence = await fence_of(vm, world) if vm else None
    if vm is None or fence is None:
        return None
    await world.agents.revoke(step.agent)
    leaving = replace(vm, state=VmState.DELETING)
    freed = [replace(disk, vm=None, state=DiskState.DETACHED) for disk in run.disks_on(step.vm)]
    told: Tree = {"cid": vm.cid, "cpi": vm.shape.cpi, "fenced_by": fence.by, "words": fence.words}
    stuck = [words for disk in freed if (words := await _why_not_detached(vm, disk, world))]
    told = {**told, "disks_left": [*stuck]} if stuck else told
    label = run.label_of(vm.instance)
    await world.store.commit(
        *(PutDisk(record=disk) for disk in freed),
        *([PutVm(record=leaving)] if step.has_ports else vm_dropped(step.vm)),
        event(run, world, "forget vm", step.vm, instance=label, error=str(failure), context=told),
    )
    _note_gone(step, leaving, freed, run)
    return {KEPT: forgotten_words(vm, fence, failure)}


async def _why_not_detached(vm: VmRecord, disk: DiskRecord, world: World) -> str:
    """Empty when the dead VM let go of it. Else attaching it elsewhere will fail, in the same words."""
    if vm.cid is None or disk.cid is None:
        return ""
    try:
        await world.infrastructures.of(disk.cpi).detach_disk(vm.cid, disk.cid)
    except InfrastructureFailure as failure:
        return f"{disk.name}: {failure}"
    return ""


async def _found_cid(name: VmName, infrastructure: Infrastructure) -> VmCid | None:
    seen = await infrastructure.find_vm(name)
    return seen.cid if seen else None


async def _reboot_vm(step: RebootVm, key: StepKey, run: Run, world: World) -> Tree:
    vm = run.vms.get(step.vm)
    if vm is None or vm.cid is None:
        raise InfrastructureFailure(f"VM {step.vm} cannot be rebooted: it was never created.")
    async with intending("reboot vm", step.vm, key, run, world):
        await world.infrastructures.of(vm.shape.cpi).reboot_vm(vm.cid)
    return {}


async def _create_disk(step: CreateDisk, key: StepKey, run: Run, world: World) -> Tree:
    known = run.disks.get(step.disk)
    if known and known.state is not DiskState.CREATING:
        return {}
    disk = DiskRecord(
        name=step.disk,
        deployment=run.name,
        label=run.label_of(step.instance),
        size_mb=step.size_mb,
        state=DiskState.CREATING,
        instance=step.instance,
        az=step.az,
        cloud_properties=step.cloud_properties,
        cpi=step.cpi,
    )
    run.disks[disk.name] = disk
    async with intending("create disk", step.disk, key, run, world, PutDisk(record=disk)) as done:
        vm = next((v for v in run.vms.values() if v.instance == step.instance), None)
        cid = await world.infrastructures.of(step.cpi).create_disk(
            DiskRequest(
                name=step.disk,
                deployment=run.name,
                size_mb=step.size_mb,
                cloud_properties=_tree(step.cloud_properties, run),
                vm=vm.cid if vm else None,
                where=step.placement.where,
                is_again=known is not None,
            )
        )
        created = replace(disk, state=DiskState.DETACHED, cid=cid)
        done.changes.append(PutDisk(record=created))
    run.disks[disk.name] = created
    return {"cid": cid}


async def _grow_disk(step: GrowDisk, key: StepKey, run: Run, world: World) -> Tree:
    disk = run.disks[step.disk]
    if disk.cid is None:
        raise InfrastructureFailure(f"Disk {step.disk} cannot grow: it was never created.")
    grown = replace(disk, size_mb=step.size_mb)
    async with intending("grow disk", step.disk, key, run, world) as done:
        await world.infrastructures.of(disk.cpi).grow_disk(disk.cid, step.size_mb)
        done.changes.append(PutDisk(record=grown))
    run.disks[disk.name] = grown
    return {}


async def _attach_disk(step: AttachDisk, key: StepKey, run: Run, world: World) -> Tree:
    """The disk counts as attached only once it is mounted: the next step's to say."""
    disk, vm = run.disks[step.disk], run.vms[step.vm]
    if disk.cid is None or vm.cid is None:
        raise InfrastructureFailure(f"Disk {step.disk} cannot be attached: it or VM {step.vm} was never created.")
    held = replace(disk, vm=step.vm, state=DiskState.DETACHED)
    async with intending("attach disk", step.disk, key, run, world, PutDisk(record=held)):
        run.disks[disk.name] = held
        run.hints[step.disk] = await world.infrastructures.of(disk.cpi).attach_disk(vm.cid, disk.cid)
    return {}


async def _detach_disk(step: DetachDisk, key: StepKey, run: Run, world: World) -> Tree:
    disk, vm = run.disks[step.disk], run.vms.get(step.vm)
    freed = replace(disk, vm=None, state=DiskState.DETACHED)
    async with intending("detach disk", step.disk, key, run, world) as done:
        if disk.cid is not None and vm is not None and vm.cid is not None:
            await world.infrastructures.of(disk.cpi).detach_disk(vm.cid, disk.cid)
        done.changes.append(PutDisk(record=freed))
    run.disks[disk.name] = freed
    return {}
