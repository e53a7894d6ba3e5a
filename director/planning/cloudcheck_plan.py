"""The plans of what cloud-check does that is no repair: a VM goes without another in its place, a disk is let go of.

The instance is left unsettled, so that the next deploy gives it what it lacks.
"""

from dataclasses import replace

from director.model.names import PlanId
from director.model.plan import Change, Limit, Move, Plan, Unit
from director.model.record import DiskRecord, InstanceRecord, Record, VmRecord
from director.model.step import DetachDisk, OrphanDisk, RecordInstance
from director.planning import attach
from director.planning.audit import audit
from director.planning.limit import CALLS
from director.planning.steps import Chain

CALLS_MAX = 1


def plan_without_vm(
    plan_id: PlanId, record: Record, instance: InstanceRecord, vm: VmRecord, fabrics: frozenset[str]
) -> Plan:
    """The VM goes, with what fabrics have of it; its disk stays the instance's."""
    chain = _chain(instance, "delete vm")
    chain.add("record", RecordInstance(record=replace(instance, is_settled=False)))
    attach.add_withdraw(chain, instance)
    attach.add_delete_vm(chain, instance, vm, fabrics)
    return _plan(plan_id, record, instance, chain, "its VM is to be deleted", Move.DETACH)


def plan_without_disk(plan_id: PlanId, record: Record, instance: InstanceRecord, disk: DiskRecord) -> Plan:
    """The disk is detached and becomes an orphan."""
    chain = _chain(instance, "delete disk")
    if disk.vm is not None:
        chain.add("detach-disk", DetachDisk(instance=instance.id, vm=disk.vm, disk=disk.name))
    chain.add("orphan-disk", OrphanDisk(instance=instance.id, disk=disk.name))
    return _plan(plan_id, record, instance, chain, "its inactive disk is to be deleted", Move.UPDATE)


def _chain(instance: InstanceRecord, verb: str) -> Chain:
    return Chain(subject=instance.label, unit=f"{verb} of {instance.label}")


def _plan(plan_id: PlanId, record: Record, instance: InstanceRecord, chain: Chain, reason: str, move: Move) -> Plan:
    task = f"{instance.group}/{instance.id} ({instance.index})"
    plan = Plan(
        id=plan_id,
        deployment=record.deployment.name,
        parent=record.deployment.serial,
        steps=tuple(chain.steps),
        units=(Unit(name=chain.unit, stage="Applying problem resolutions", task=task),),
        limits=(Limit(name=CALLS, max=CALLS_MAX),),
        changes=(Change(instance=instance.id, label=instance.label, move=move, reasons=(reason,)),),
    )
    faults = audit(plan, record)
    assert not faults, f"a plan of cloud-check breaks the rules: {'; '.join(faults)}"
    return plan
