"""What cloud-check does that is no repair: a VM or a disk goes, or only what is recorded of it.

Who takes away no more than the record says so: what may still run or hold data becomes a stranger, which drift shows.
"""

from dataclasses import dataclass, replace

from director.execution.fence import vm_dropped
from director.execution.world import World
from director.model.names import DeploymentName, PlanId
from director.model.plan import Plan
from director.model.problem_found import ProblemFound, ProblemType, Resolution
from director.model.record import DiskRecord, DiskState, Event, InstanceRecord, Record, VmRecord
from director.model.release import Catalog
from director.model.wanted import Wanted
from director.planning.cloudcheck_plan import plan_without_disk, plan_without_vm
from director.ports.failure import Outdated
from director.ports.store import AddEvent, Change, DropDisk, PutDeployment, PutDisk, PutInstance
from director.reconcile.converge import converge
from director.reconcile.driver import Job
from director.reconcile.encode import Encode
from director.reconcile.prepare import Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class LetGo:
    world: World
    encode: Encode
    deployment: DeploymentName

    async def of(self, found: ProblemFound, resolution: Resolution, job: Job) -> None:
        """Raises Failure when it did not work, Outdated when what it is about is not recorded any more."""
        record = await self.world.store.record(self.deployment)
        instance = next((i for i in record.instances if i.id == found.instance), None) if record else None
        if record is None or instance is None:
            raise Outdated(f"{found.label} is not recorded any more.")
        if resolution is Resolution.DELETE_VM or found.type is ProblemType.MISSING_VM:
            # A VM that is gone is deleted once more: that takes back what its networks have of it.
            fabrics = frozenset(self.world.fabrics.by_cpi)
            vm = _vm(record, found)
            await self._carry_out(plan_without_vm(self._plan_id(), record, instance, vm, fabrics), record, job)
        elif resolution is Resolution.DELETE_VM_REFERENCE:
            await self._forget_vm(record, instance, _vm(record, found), job)
        elif resolution is Resolution.DELETE_DISK:
            plan = plan_without_disk(self._plan_id(), record, instance, _disk(record, found))
            await self._carry_out(plan, record, job)
        else:
            assert resolution is Resolution.DELETE_DISK_REFERENCE, "every other resolution is a repair"
            await self._forget_disk(record, instance, _disk(record, found), job)

    def _plan_id(self) -> PlanId:
        return PlanId(self.world.new_id())

    async def _carry_out(self, plan: Plan, record: Record, job: Job) -> None:
        prepared = Prepared(
            plan=plan,
            record=record,
            catalog=Catalog(),
            wanted=Wanted(deployment=self.deployment, groups=()),
            manifest=None,
            config_ids=(),
        )
        await converge(prepared, job, self.world, self.encode)

    async def _forget_vm(self, record: Record, instance: InstanceRecord, vm: VmRecord, job: Job) -> None:
        """Its agent is shut out first: should it still run, nobody asks it for anything any more."""
        await self.world.agents.revoke(vm.agent)
        freed = [replace(d, vm=None, state=DiskState.DETACHED) for d in record.disks if d.vm == vm.name]
        changes: list[Change] = [PutDisk(record=disk) for disk in freed]
        changes += vm_dropped(vm.name)
        await self._note(record, instance, changes, self._event("forget", "vm", vm.name, instance, job))

    async def _forget_disk(self, record: Record, instance: InstanceRecord, disk: DiskRecord, job: Job) -> None:
        told = self._event("forget", "disk", disk.name, instance, job)
        await self._note(record, instance, [DropDisk(name=disk.name)], told)

    async def _note(self, record: Record, instance: InstanceRecord, changes: list[Change], told: AddEvent) -> None:
        """A new serial, so that no plan made before is carried out; unsettled, so that the next one fills the gap."""
        moved = replace(record.deployment, serial=record.deployment.serial + 1)
        await self.world.store.commit(
            PutDeployment(record=moved, expected_serial=record.deployment.serial),
            *changes,
            PutInstance(record=replace(instance, is_settled=False)),
            told,
        )

    def _event(self, action: str, kind: str, name: str, instance: InstanceRecord, job: Job) -> AddEvent:
        event = Event(
            at=self.world.clock.now(),
            user=job.task.user,
            action=action,
            object_type=kind,
            object_name=name,
            task=job.task.id,
            deployment=self.deployment,
            instance=instance.label,
        )
        return AddEvent(event=event)


def _vm(record: Record, found: ProblemFound) -> VmRecord:
    vm = next((vm for vm in record.vms if vm.name == found.subject), None)
    if vm is None:
        raise Outdated(f"VM {found.subject} of {found.label} is not recorded any more.")
    return vm


def _disk(record: Record, found: ProblemFound) -> DiskRecord:
    disk = next((disk for disk in record.disks if disk.name == found.subject), None)
    if disk is None:
        raise Outdated(f"Disk {found.subject} of {found.label} is not recorded any more.")
    return disk
