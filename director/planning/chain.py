"""The steps that carry out one instance's move, each needing the one before it (bosh-director.md section 4.2).

It may not look at other instances: what the first and last steps wait for is ``make``'s to add.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from director.model.deployment import Watch
from director.model.names import AgentId, DiskName, InstanceId, VmName
from director.model.plan import Move
from director.model.record import Applied, DiskRecord, DiskState, InstanceRecord
from director.model.release import Job
from director.model.step import (
    ApplySpec,
    AttachDisk,
    AwaitAgent,
    AwaitRunning,
    ClearEnrolment,
    CreateDisk,
    CreateVm,
    DetachDisk,
    Drain,
    ForgetInstance,
    GrowDisk,
    MigrateDisk,
    MountDisk,
    OrphanDisk,
    PrepareInstance,
    RecordInstance,
    RunScript,
    StartJobs,
    StopJobs,
    UnmountDisk,
)
from director.model.tree import Tree
from director.model.wanted import WantedInstance
from director.planning import attach
from director.planning.diff import Decision, Difference, Have
from director.planning.steps import Chain

UPDATE, SHUTDOWN = "update", "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What all chains of a plan share. ``jobs`` finds a job by fingerprint; ``serial`` numbers new disks.

    ``growers`` are the CPIs whose disks grow in place, ``leavers`` those that leave enrolments to be cleared,
    ``fabrics`` those that have a network fabric of ours.
    """

    jobs: Mapping[str, Job]
    serial: int
    agent_wait_s: float
    growers: frozenset[str] = frozenset()
    leavers: frozenset[str] = frozenset()
    fabrics: frozenset[str] = frozenset()
    is_draining: bool = True
    deployment_next: str = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class VmIdentity:
    name: VmName
    agent: AgentId
    generation: int


def identity_of(instance: InstanceId, label: str, generation: int) -> VmIdentity:
    """Name and agent of an instance's VM number ``generation``: the same whenever they are asked for."""
    name = f"{label.replace('/', '-')}-{instance[:8]}-{generation}"
    agent = uuid.uuid5(uuid.NAMESPACE_URL, f"director:agent:{instance}:{generation}")
    return VmIdentity(name=VmName(name), agent=AgentId(str(agent)), generation=generation)


def generation_of(vm: VmName) -> int:
    """As its name says; 0 for a name that is none of ours."""
    number = vm.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def next_identity(decision: Decision, wanted: WantedInstance) -> VmIdentity:
    """The VM to create: a half-made one again when it is still what is wanted, else the next generation."""
    vm, recorded = decision.case.vm, decision.case.recorded
    if vm and decision.have is Have.HALF_MADE and vm.shape == wanted.shape:
        return VmIdentity(name=vm.name, agent=vm.agent, generation=vm.generation)
    newest = max([recorded.generation if recorded else 0, *(vm.generation for vm in decision.case.vms)])
    return identity_of(wanted.id, wanted.label, newest + 1)


def record_of(wanted: WantedInstance, decision: Decision, generation: int) -> InstanceRecord:
    """The instance as it is to be recorded, not yet settled."""
    recorded = decision.case.recorded
    record = InstanceRecord(
        id=wanted.id,
        deployment=wanted.deployment,
        group=wanted.group,
        index=wanted.index,
        az=wanted.az,
        is_bootstrap=wanted.is_bootstrap,
        lifecycle=wanted.lifecycle,
        want=wanted.want,
        is_ignored=recorded.is_ignored if recorded else False,
        addresses=wanted.addresses,
        applied=recorded.applied if recorded else None,
        is_settled=False,
        generation=generation,
    )
    return attach.unsettled(record, wanted, recorded)


def add_create(chain: Chain, decision: Decision, wanted: WantedInstance, rules: Rules) -> VmIdentity:
    """VM, agent and disk, ready for jobs. What is left of a former VM goes first."""
    identity = next_identity(decision, wanted)
    if decision.move is Move.CREATE:
        attach.add_withdraw(chain, decision.case.recorded)
        _add_orphan_strays(chain, decision, wanted.id, keeping=identity.name)
    for vm in decision.case.vms:
        if vm.name != identity.name:
            attach.add_delete_vm(chain, decision.case.recorded, vm, rules.fabrics)
    disks = (decision.case.disk.name,) if decision.case.disk else ()
    chain.add("create-vm", _create_vm(wanted, identity, disks))
    attach.add_attach(chain, wanted, identity.name, rules.fabrics)
    chain.add("await-agent", AwaitAgent(instance=wanted.id, agent=identity.agent, timeout_s=rules.agent_wait_s))
    if wanted.shape.cpi in rules.leavers:
        chain.add("clear-enrolment", ClearEnrolment(instance=wanted.id, vm=identity.name))
    new_disk = decision.case.forced.new_disk
    add_disks(chain, decision.case.disk, wanted, identity, rules, is_new_vm=True, is_new_disk=new_disk)
    return identity


def _add_orphan_strays(
    chain: Chain, decision: Decision, instance: InstanceId, *, keeping: VmName | None = None
) -> None:
    """Before the VM goes, and with it the mark of the disk in use. Its deletion detaches them, but from the VM kept."""
    for stray in decision.case.stray_disks:
        if stray.vm is None or stray.vm != keeping:
            chain.add(f"orphan-{stray.name}", OrphanDisk(instance=instance, disk=stray.name))


def _create_vm(wanted: WantedInstance, identity: VmIdentity, disks: tuple[DiskName, ...]) -> CreateVm:
    return CreateVm(
        instance=wanted.id,
        vm=identity.name,
        agent=identity.agent,
        generation=identity.generation,
        shape=wanted.shape,
        az=wanted.az,
        disks=disks,
        tags={**wanted.tags, "instance_group": wanted.group, "index": str(wanted.index), "id": wanted.id},
    )


def add_disks(
    chain: Chain,
    disk: DiskRecord | None,
    wanted: WantedInstance,
    identity: VmIdentity,
    rules: Rules,
    *,
    is_new_vm: bool = False,
    is_new_disk: bool = False,
) -> None:
    """From the disk that is there to the disk that is wanted, with its data (4.2 "Persistent disk"). ``is_new_disk``:
    another one was asked for even if they are alike; one that was still being created is new enough.
    """
    is_asked = is_new_disk and disk is not None and disk.state is not DiskState.CREATING
    grows = not is_asked and disk is not None and _grows(disk, wanted, rules)
    is_same = grows or (not is_asked and disk is not None and wanted.disk is not None and _is_like(disk, wanted))
    name = disk.name if disk and is_same else DiskName(f"disk-{wanted.id[:8]}-{rules.serial}")
    if disk and wanted.disk is None and is_new_vm:
        chain.add("orphan-disk", OrphanDisk(instance=wanted.id, disk=disk.name))
        return
    if disk and grows and not is_new_vm and disk.state is DiskState.ATTACHED:
        chain.add("unmount-disk", UnmountDisk(instance=wanted.id, agent=identity.agent, disk=disk.name))
        chain.add("detach-disk", DetachDisk(instance=wanted.id, vm=identity.name, disk=disk.name))
    if disk and (grows or is_new_vm or disk.state is not DiskState.ATTACHED):
        _add_attach(chain, disk, wanted, identity, grows=grows)
    if is_same:
        return
    if wanted.disk:
        _add_new(chain, name, disk, wanted, identity)
    elif disk:
        chain.add("unmount-old-disk", UnmountDisk(instance=wanted.id, agent=identity.agent, disk=disk.name))
    if disk:
        chain.add("detach-old-disk", DetachDisk(instance=wanted.id, vm=identity.name, disk=disk.name))
        chain.add("orphan-disk", OrphanDisk(instance=wanted.id, disk=disk.name))


def _is_like(disk: DiskRecord, wanted: WantedInstance) -> bool:
    shape = wanted.disk
    return shape is not None and (disk.size_mb, disk.cloud_properties) == (shape.size_mb, shape.cloud_properties)


def _grows(disk: DiskRecord, wanted: WantedInstance, rules: Rules) -> bool:
    """Only the size differs, upwards, and where the disk is that needs no copy."""
    shape = wanted.disk
    return (
        shape is not None
        and disk.size_mb < shape.size_mb
        and disk.cloud_properties == shape.cloud_properties
        and disk.cpi in rules.growers
    )


def _add_attach(chain: Chain, disk: DiskRecord, wanted: WantedInstance, identity: VmIdentity, *, grows: bool) -> None:
    """What was cut off while it was created is created again first; what is to grow grows while it is detached."""
    if disk.state is DiskState.CREATING:
        chain.add("create-disk", _create_disk(disk.name, disk.size_mb, disk.cloud_properties, wanted, identity))
    if grows and wanted.disk:
        chain.add("grow-disk", GrowDisk(instance=wanted.id, disk=disk.name, size_mb=wanted.disk.size_mb))
    chain.add("attach-disk", AttachDisk(instance=wanted.id, vm=identity.name, disk=disk.name))
    chain.add("mount-disk", MountDisk(instance=wanted.id, agent=identity.agent, disk=disk.name))


def _add_new(
    chain: Chain, name: DiskName, old: DiskRecord | None, wanted: WantedInstance, identity: VmIdentity
) -> None:
    assert wanted.disk is not None
    chain.add(
        "create-new-disk", _create_disk(name, wanted.disk.size_mb, wanted.disk.cloud_properties, wanted, identity)
    )
    chain.add("attach-new-disk", AttachDisk(instance=wanted.id, vm=identity.name, disk=name))
    if old:
        migrate = MigrateDisk(instance=wanted.id, agent=identity.agent, old=old.name, new=name)
        chain.add("migrate-disk", migrate)
    else:
        chain.add("mount-new-disk", MountDisk(instance=wanted.id, agent=identity.agent, disk=name))


def _create_disk(
    name: DiskName, size_mb: int, cloud_properties: Tree, wanted: WantedInstance, identity: VmIdentity
) -> CreateDisk:
    return CreateDisk(
        instance=wanted.id,
        disk=name,
        size_mb=size_mb,
        cloud_properties=cloud_properties,
        az=wanted.az,
        vm=identity.name,
        cpi=wanted.shape.cpi,
    )


def add_stop(chain: Chain, decision: Decision, instance: InstanceId, spec: Applied, *, kind: str, rules: Rules) -> None:
    """pre-stop, drain, stop, post-stop, each only where a job has it; nothing when no agent can answer."""
    vm, recorded = decision.case.vm, decision.case.recorded
    attach.add_withdraw(chain, recorded)
    if vm is None or recorded is None or not decision.have.is_reachable or recorded.applied is None:
        return
    has = _scripts_of(recorded.applied, rules.jobs)
    if rules.is_draining and decision.have is not Have.STOPPED:
        if "pre-stop" in has:
            env = _next_states(decision, kind, rules)
            chain.add("pre-stop", RunScript(instance=instance, agent=vm.agent, script="pre-stop", env=env))
        if "drain" in has:
            chain.add("drain", Drain(instance=instance, agent=vm.agent, kind=kind, spec=spec))
    chain.add("stop", StopJobs(instance=instance, agent=vm.agent))
    if "post-stop" in has:
        chain.add("post-stop", RunScript(instance=instance, agent=vm.agent, script="post-stop"))


def _scripts_of(applied: Applied, jobs: Mapping[str, Job]) -> frozenset[str]:
    """Scripts the applied jobs ship. A job no longer in the catalog may have any: the agent skips what is not there."""
    names = ("pre-stop", "drain", "post-stop")
    known = [jobs.get(fingerprint) for _, fingerprint in applied.jobs]
    return frozenset(name for name in names if any(job is None or job.has_script(name) for job in known))


def _next_states(decision: Decision, kind: str, rules: Rules) -> dict[str, str]:
    keeps_vm = kind == UPDATE or decision.move is Move.STOP
    return {
        "BOSH_VM_NEXT_STATE": "keep" if keeps_vm else "delete",
        "BOSH_INSTANCE_NEXT_STATE": "delete" if decision.move is Move.DELETE else "keep",
        "BOSH_DEPLOYMENT_NEXT_STATE": rules.deployment_next,
    }


def add_start(chain: Chain, wanted: WantedInstance, agent: AgentId, spec: Applied | None, watch: Watch) -> None:
    """Apply, pre-start, start, running, post-start. Without ``spec`` what the agent has already is started."""
    if spec is not None:
        chain.add("apply", ApplySpec(instance=wanted.id, agent=agent, spec=spec))
    if _has(wanted, "pre-start"):
        chain.add("pre-start", RunScript(instance=wanted.id, agent=agent, script="pre-start"))
    chain.add("start", StartJobs(instance=wanted.id, agent=agent))
    chain.add("await-running", AwaitRunning(instance=wanted.id, agent=agent, watch=watch))
    if _has(wanted, "post-start"):
        chain.add("post-start", RunScript(instance=wanted.id, agent=agent, script="post-start"))
    attach.add_announce(chain, wanted)


def _has(wanted: WantedInstance, script: str) -> bool:
    return any(job.job.has_script(script) for job in wanted.jobs)


def add_update(chain: Chain, decision: Decision, wanted: WantedInstance, spec: Applied, rules: Rules) -> AgentId:
    """Everything between the unsettled record and the apply step, for a VM that stays or is replaced."""
    vm = decision.case.vm
    assert vm is not None, "only an instance with a VM is updated"
    if decision.move is Move.RECREATE:
        add_stop(chain, decision, wanted.id, spec, kind=SHUTDOWN, rules=rules)
        _add_orphan_strays(chain, decision, wanted.id)
        add_release_vm(chain, decision, wanted.id, rules)
        return add_create(chain, replace(decision, case=replace(decision.case, vms=())), wanted, rules).agent
    applied = decision.case.recorded.applied if decision.case.recorded else None
    if applied and applied.packages != spec.packages and decision.have is not Have.STOPPED:
        chain.add("prepare", PrepareInstance(instance=wanted.id, agent=vm.agent, spec=spec))
    if decision.move is Move.UPDATE:
        kind = SHUTDOWN if decision.difference is Difference.DISK else UPDATE
        add_stop(chain, decision, wanted.id, spec, kind=kind, rules=rules)
    identity = VmIdentity(name=vm.name, agent=vm.agent, generation=vm.generation)
    if vm.has_enrolment:
        chain.add("clear-enrolment", ClearEnrolment(instance=wanted.id, vm=vm.name))
    if attach.is_pending(decision.case.recorded, wanted):
        attach.add_attach(chain, wanted, vm.name, rules.fabrics)
    for stray in decision.case.stray_disks:
        if stray.vm == vm.name:
            chain.add(f"detach-{stray.name}", DetachDisk(instance=wanted.id, vm=vm.name, disk=stray.name))
        chain.add(f"orphan-{stray.name}", OrphanDisk(instance=wanted.id, disk=stray.name))
    add_disks(chain, decision.case.disk, wanted, identity, rules, is_new_disk=decision.case.forced.new_disk)
    return vm.agent


def add_release_vm(chain: Chain, decision: Decision, instance: InstanceId, rules: Rules) -> None:
    """Unmounts and detaches what an agent can still let go of, then removes every VM of the instance."""
    vm, disk = decision.case.vm, decision.case.disk
    if vm and disk and disk.state is DiskState.ATTACHED and decision.have.is_reachable:
        chain.add("unmount-disk", UnmountDisk(instance=instance, agent=vm.agent, disk=disk.name))
        chain.add("detach-disk", DetachDisk(instance=instance, vm=vm.name, disk=disk.name))
    for old in decision.case.vms:
        attach.add_delete_vm(chain, decision.case.recorded, old, rules.fabrics)


def add_delete(chain: Chain, decision: Decision, rules: Rules) -> None:
    """The instance goes: jobs stopped, VM gone, disks kept as orphans, its row and addresses free."""
    recorded = decision.case.recorded
    assert recorded is not None, "only a recorded instance is deleted"
    add_stop(chain, decision, recorded.id, Applied(), kind=SHUTDOWN, rules=rules)
    add_release_vm(chain, decision, recorded.id, rules)
    for disk in decision.case.disks:
        chain.add(f"orphan-{disk.name}", OrphanDisk(instance=recorded.id, disk=disk.name))
    chain.add("forget", ForgetInstance(instance=recorded.id))


def add_rest(chain: Chain, decision: Decision, wanted: WantedInstance, rules: Rules) -> None:
    """Stop (VM kept) or detach (VM removed, identity, addresses and disk kept)."""
    vm_generation = decision.case.recorded.generation if decision.case.recorded else 0
    record = record_of(wanted, decision, vm_generation)
    chain.add("record", RecordInstance(record=record))
    add_stop(chain, decision, wanted.id, Applied(), kind=SHUTDOWN, rules=rules)
    if decision.move is Move.DETACH:
        add_release_vm(chain, decision, wanted.id, rules)
    rests = attach.settled(record, wanted, has_vm=decision.move is not Move.DETACH)
    chain.add("settle", RecordInstance(record=rests))


def add_attachment(chain: Chain, decision: Decision, wanted: WantedInstance, rules: Rules) -> None:
    """Only its places in the fabric change: nothing of it stops."""
    vm, recorded = decision.case.vm, decision.case.recorded
    assert vm is not None, "only an instance with a VM is attached"
    assert recorded is not None, "only a recorded instance is attached"
    record = record_of(wanted, decision, recorded.generation)
    chain.add("record", RecordInstance(record=attach.moving(record, recorded, wanted)))
    attach.add_withdraw(chain, recorded, keeping=attach.members_of(wanted))
    if recorded.attachment != wanted.attachment:
        attach.add_attach(chain, wanted, vm.name, rules.fabrics)
    attach.add_announce(chain, wanted)
    chain.add("settle", RecordInstance(record=attach.settled(record, wanted)))
