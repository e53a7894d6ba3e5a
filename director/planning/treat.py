"""Decides what a repair's remedy comes to for one instance, in a world that may have moved on since it was asked for.

It may not order anything or look at other instances; that is ``repair``'s.

Note: what a repair brings back. A deploy that broke off is never finished by a repair, nor taken back where that can be
told apart:

* VM, zone, addresses and disk are those recorded with the instance, not those of a manifest half deployed; without a
  VM's row they are those of the last deploy that finished.
* Content can only be made again from the last deploy that finished. Where the agent says that it has just that, or
  nothing at all, it is applied again and the instance ends settled. Where it has other content its VM keeps it: it is
  started as it is, and the record stays as it is, so that the next deploy still finds what it has to do.
* A new VM needs content. When the recorded jobs and packages are not those of the last deploy that finished, none can
  be made for it: that is held until the manifest is deployed again. A mere difference in configuration (a rotated
  secret) is not, since the software it was running is what comes back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from director.model.deployment import Lifecycle
from director.model.health import Remedy
from director.model.names import InstanceId
from director.model.plan import Hold, Move
from director.model.record import Applied, DiskRecord, DiskState, InstanceRecord, VmRecord, VmState
from director.model.release import Catalog
from director.model.sighting import SeenAgent, Sighting
from director.model.wanted import DiskShape, VmShape, Want, WantedGroup, WantedInstance
from director.planning.diff import Case, Decision, Have, decide
from director.planning.inputs import Inputs

TREATMENTS: Final[Mapping[tuple[Remedy, Have], Move]] = {
    (Remedy.RESTART, Have.NO_VM): Move.NOTHING,
    (Remedy.RESTART, Have.HALF_MADE): Move.NOTHING,
    (Remedy.RESTART, Have.UNBORN): Move.NOTHING,
    (Remedy.RESTART, Have.GONE): Move.NOTHING,
    (Remedy.RESTART, Have.SILENT): Move.NOTHING,
    (Remedy.RESTART, Have.RUNNING): Move.RESTART,
    (Remedy.RESTART, Have.UNWELL): Move.RESTART,
    (Remedy.RESTART, Have.STOPPED): Move.RESTART,
    (Remedy.REBOOT, Have.NO_VM): Move.NOTHING,
    (Remedy.REBOOT, Have.HALF_MADE): Move.NOTHING,
    (Remedy.REBOOT, Have.UNBORN): Move.REBOOT,
    # Off, or not there at all: only the first can be switched on.
    (Remedy.REBOOT, Have.GONE): Move.REBOOT,
    (Remedy.REBOOT, Have.SILENT): Move.REBOOT,
    (Remedy.REBOOT, Have.RUNNING): Move.REBOOT,
    (Remedy.REBOOT, Have.UNWELL): Move.REBOOT,
    (Remedy.REBOOT, Have.STOPPED): Move.REBOOT,
    (Remedy.RECREATE, Have.NO_VM): Move.CREATE,
    (Remedy.RECREATE, Have.HALF_MADE): Move.CREATE,
    (Remedy.RECREATE, Have.UNBORN): Move.CREATE,
    (Remedy.RECREATE, Have.GONE): Move.CREATE,
    (Remedy.RECREATE, Have.SILENT): Move.RECREATE,
    (Remedy.RECREATE, Have.RUNNING): Move.RECREATE,
    (Remedy.RECREATE, Have.UNWELL): Move.RECREATE,
    (Remedy.RECREATE, Have.STOPPED): Move.RECREATE,
}
"""What a remedy comes to by what there is now."""

RENEWING: Final = frozenset({Move.CREATE, Move.RECREATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """One instance that is repaired. ``spec`` None: the VM keeps the content it has. ``is_recorded``: the instance is
    recorded anew, and ends settled.
    """

    group: WantedGroup
    wanted: WantedInstance
    decision: Decision
    recorded: InstanceRecord
    spec: Applied | None
    is_recorded: bool
    lacks_disk: bool


def treat(
    given: Inputs,
    recorded: InstanceRecord,
    group: WantedGroup,
    wished: WantedInstance,
    remedy: Remedy,
    *,
    is_watch: bool,
) -> Treatment | Hold:
    """What ``remedy`` comes to for one instance, or why nothing is done. ``is_watch``: no person asked for it."""
    decision = _decision(given, recorded, wished)
    wanted, spec = decision.case.wanted, given.specs.get(wished.id)
    assert wanted is not None, "the case of an instance that is wanted"
    vm = decision.case.vm
    agent = given.seen.agents.get(vm.agent) if vm else None
    lacks_disk = _lacks_disk(decision, agent)
    hold = _forbidden(recorded) or (_well(recorded, decision, lacks_disk=lacks_disk) if is_watch else None)
    if hold:
        return hold
    move = TREATMENTS[remedy, decision.have]
    if move is Move.RECREATE and is_watch and _is_fresh(recorded, decision, agent):
        move = Move.RESTART
    if move is Move.NOTHING or (move is Move.REBOOT and not _can_reboot(vm, given.seen)):
        return _cannot(recorded, remedy, decision)
    assert spec is not None, "an instance that is to be repaired has been rendered"
    applies = move in RENEWING or _applies(recorded, spec, agent)
    if applies and _software(recorded.applied) != _software(spec) and (move in RENEWING or not _content_of(agent)):
        return _unfinished(recorded)
    reasons = _reasons(decision, remedy, lacks_disk=lacks_disk)
    return Treatment(
        group=group,
        wanted=wanted,
        decision=replace(decision, move=move, reasons=reasons),
        recorded=recorded,
        spec=spec if applies else None,
        is_recorded=applies and (move in RENEWING or not recorded.is_settled),
        lacks_disk=lacks_disk or move is Move.REBOOT,
    )


def _decision(given: Inputs, recorded: InstanceRecord, wished: WantedInstance) -> Decision:
    """What there is. The case holds the instance as it was deployed, and the newest generation it ever had."""
    case = Case(
        spec=given.specs.get(wished.id),
        vms=given.record.vms_of(wished.id),
        disks=given.record.disks_of(wished.id),
    )
    newest = max([recorded.generation, *(vm.generation for vm in case.vms)])
    case = replace(
        case,
        wanted=as_deployed(wished, recorded, case.vm, case.disk, given.catalog),
        recorded=replace(recorded, generation=newest),
    )
    return decide(case, given.seen)


def as_deployed(
    wished: WantedInstance, recorded: InstanceRecord, vm: VmRecord | None, disk: DiskRecord | None, catalog: Catalog
) -> WantedInstance:
    """The instance as the record has it; ``wished`` for what the record does not have."""
    kept = replace(wished, want=recorded.want)
    if disk is not None:
        kept = replace(kept, disk=DiskShape(size_mb=disk.size_mb, cloud_properties=disk.cloud_properties))
    if recorded.is_settled:
        kept = replace(kept, members=recorded.members)
    if vm is None:
        return kept
    kept = replace(kept, az=recorded.az, addresses=recorded.addresses, shape=_shape(vm.shape, wished.shape, catalog))
    return replace(kept, attachment=recorded.attachment) if recorded.is_settled else kept


def _shape(deployed: VmShape, wished: VmShape, catalog: Catalog) -> VmShape:
    """A stemcell that was uploaded anew has another cid; of one that was deleted no VM can be made any more."""
    at = (deployed.stemcell_name, deployed.stemcell_version, deployed.cpi)
    cid = next((s.cid for s in catalog.stemcells if (s.name, s.version, s.cpi) == at), None)
    return replace(deployed, stemcell_cid=cid) if cid is not None else wished


def _lacks_disk(decision: Decision, agent: SeenAgent | None) -> bool:
    disk = decision.case.disk
    if disk is None or not decision.have.is_reachable:
        return False
    return disk.state is not DiskState.ATTACHED or agent is None or not agent.disks


def _is_fresh(recorded: InstanceRecord, decision: Decision, agent: SeenAgent | None) -> bool:
    """A VM made by a repair or deploy that was cut off: it answers and has nothing yet. Another one gains nothing."""
    answers = decision.have in {Have.STOPPED, Have.UNWELL} and agent is not None
    return answers and not recorded.is_settled and not _content_of(agent)


def _applies(recorded: InstanceRecord, spec: Applied, agent: SeenAgent | None) -> bool:
    """Whether applying ``spec`` gives the VM what it has, or what it is recorded to have."""
    is_same = recorded.is_settled and recorded.applied == spec
    return is_same or _content_of(agent) in {"", spec.configuration_hash}


def _content_of(agent: SeenAgent | None) -> str:
    return agent.configuration_hash if agent else ""


def _software(applied: Applied | None) -> tuple[object, object]:
    return (applied.jobs, applied.packages) if applied else ((), ())


def _can_reboot(vm: VmRecord | None, seen: Sighting) -> bool:
    return vm is not None and vm.state is VmState.CREATED and vm.name in seen.vms


def _reasons(decision: Decision, remedy: Remedy, *, lacks_disk: bool) -> tuple[str, ...]:
    if lacks_disk and decision.have is Have.RUNNING:
        return ("its persistent disk is not mounted",)
    return (f"{remedy.value} was asked for",) if decision.have is Have.RUNNING else (decision.have.value,)


# What is not done


def _forbidden(recorded: InstanceRecord) -> Hold | None:
    """Wishes of the operator, and instances that no repair can know."""
    label = recorded.label
    reasons = (
        ("hold.ignored", recorded.is_ignored, f"it is ignored; `director unignore {label}` lets it be repaired"),
        ("hold.not-started", recorded.want is not Want.STARTED, f"it should be {recorded.want.value}"),
        (
            "hold.not-a-service",
            recorded.is_compilation or recorded.lifecycle is not Lifecycle.SERVICE,
            "its VM comes and goes with the errand or the package it is for",
        ),
        (
            "hold.never-deployed",
            recorded.applied is None,
            "it was never deployed to its end; deploy its manifest again",
        ),
    )
    return next((_hold(label, code, words) for code, is_so, words in reasons if is_so), None)


def _well(recorded: InstanceRecord, decision: Decision, *, lacks_disk: bool) -> Hold | None:
    if decision.have is not Have.RUNNING or lacks_disk:
        return None
    return _hold(recorded.label, "hold.well", "it runs again, so nothing is the matter with it any more")


def _cannot(recorded: InstanceRecord, remedy: Remedy, decision: Decision) -> Hold:
    return _hold(recorded.label, "hold.cannot", f'"{remedy.value}" cannot be done: {decision.have.value}')


def _unfinished(recorded: InstanceRecord) -> Hold:
    words = "it has jobs or packages of a deploy that broke off, of which nothing can be made again; deploy again"
    return _hold(recorded.label, "hold.unfinished", words)


def not_wanted(instance: InstanceId, recorded: InstanceRecord | None) -> Hold:
    if recorded is None:
        return _hold(instance, "hold.not-there", "there is no such instance any more")
    words = "it is not in the manifest of the last deploy that finished; deploy again"
    return _hold(recorded.label, "hold.not-wanted", words)


def _hold(label: str, code: str, words: str) -> Hold:
    return Hold(code=code, subject=label, reason=f"{label} is not repaired: {words}.")
