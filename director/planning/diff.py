"""Decides what happens to each instance: wanted against recorded against seen, by table.

It may not order anything, choose names or look at other instances; that is ``make`` and its helpers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from director.model.names import AgentId, VmName
from director.model.plan import Hold, Move
from director.model.record import Applied, DiskRecord, DiskState, InstanceRecord, VmRecord, VmState
from director.model.sighting import JobState, Power, SeenAgent, Sighting
from director.model.wanted import VmShape, Want, WantedInstance
from director.planning import attach


class Have(Enum):
    """What an instance has now, as far as record and sightings tell."""

    NO_VM = "has no VM"
    HALF_MADE = "its VM was being created when the director stopped"
    UNBORN = "its agent never came"
    GONE = "its VM is gone or off"
    SILENT = "its agent does not answer"
    RUNNING = "runs"
    UNWELL = "its processes are failing or still starting"
    STOPPED = "its processes are stopped"

    @property
    def is_reachable(self) -> bool:
        return self in {Have.RUNNING, Have.UNWELL, Have.STOPPED}


class Difference(Enum):
    """How far the VM's present state is from what is wanted; each kind includes the cheaper ones."""

    NONE = 0
    CONTENT = 1
    DISK = 2
    VM = 3


UNBORN_S: Final = 600.0
"""So long a new VM's agent may take to dial in, as in a deploy; then it is not waited for again."""

ABSENT: Final = None
"""Stands for an instance that is recorded but no longer wanted."""

MOVES: Final[Mapping[tuple[Want | None, Have], Move]] = {
    (Want.STARTED, Have.NO_VM): Move.CREATE,
    (Want.STARTED, Have.HALF_MADE): Move.CREATE,
    (Want.STARTED, Have.UNBORN): Move.CREATE,
    (Want.STARTED, Have.GONE): Move.CREATE,
    (Want.STARTED, Have.SILENT): Move.RECREATE,
    (Want.STARTED, Have.RUNNING): Move.NOTHING,
    (Want.STARTED, Have.UNWELL): Move.START,
    (Want.STARTED, Have.STOPPED): Move.START,
    (Want.STOPPED, Have.NO_VM): Move.NOTHING,
    (Want.STOPPED, Have.HALF_MADE): Move.DETACH,
    (Want.STOPPED, Have.UNBORN): Move.DETACH,
    (Want.STOPPED, Have.GONE): Move.DETACH,
    # A silent VM that should be stopped may still be serving; only proving it gone settles that.
    (Want.STOPPED, Have.SILENT): Move.DETACH,
    (Want.STOPPED, Have.RUNNING): Move.STOP,
    (Want.STOPPED, Have.UNWELL): Move.STOP,
    (Want.STOPPED, Have.STOPPED): Move.NOTHING,
    (Want.DETACHED, Have.NO_VM): Move.NOTHING,
    (Want.DETACHED, Have.HALF_MADE): Move.DETACH,
    (Want.DETACHED, Have.UNBORN): Move.DETACH,
    (Want.DETACHED, Have.GONE): Move.DETACH,
    (Want.DETACHED, Have.SILENT): Move.DETACH,
    (Want.DETACHED, Have.RUNNING): Move.DETACH,
    (Want.DETACHED, Have.UNWELL): Move.DETACH,
    (Want.DETACHED, Have.STOPPED): Move.DETACH,
    (ABSENT, Have.NO_VM): Move.DELETE,
    (ABSENT, Have.HALF_MADE): Move.DELETE,
    (ABSENT, Have.UNBORN): Move.DELETE,
    (ABSENT, Have.GONE): Move.DELETE,
    (ABSENT, Have.SILENT): Move.DELETE,
    (ABSENT, Have.RUNNING): Move.DELETE,
    (ABSENT, Have.UNWELL): Move.DELETE,
    (ABSENT, Have.STOPPED): Move.DELETE,
}

WITH_DIFFERENCE: Final[Mapping[tuple[Move, Difference], Move]] = {
    (Move.NOTHING, Difference.NONE): Move.NOTHING,
    (Move.NOTHING, Difference.CONTENT): Move.UPDATE,
    (Move.NOTHING, Difference.DISK): Move.UPDATE,
    (Move.NOTHING, Difference.VM): Move.RECREATE,
    (Move.START, Difference.NONE): Move.START,
    (Move.START, Difference.CONTENT): Move.UPDATE,
    (Move.START, Difference.DISK): Move.UPDATE,
    (Move.START, Difference.VM): Move.RECREATE,
    (Move.CREATE, Difference.NONE): Move.CREATE,
    (Move.CREATE, Difference.CONTENT): Move.CREATE,
    (Move.CREATE, Difference.DISK): Move.CREATE,
    (Move.CREATE, Difference.VM): Move.CREATE,
    (Move.RECREATE, Difference.NONE): Move.RECREATE,
    (Move.RECREATE, Difference.CONTENT): Move.RECREATE,
    (Move.RECREATE, Difference.DISK): Move.RECREATE,
    (Move.RECREATE, Difference.VM): Move.RECREATE,
}
"""What a difference makes of the move of an instance that should be started; others wait until they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """What the operator asked for on top: recreate or restart this instance, replace its disk, replace it if silent."""

    recreate: bool = False
    restart: bool = False
    new_disk: bool = False
    fix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that is known of one instance. ``spec`` is what it should have applied (None when it is not wanted)."""

    wanted: WantedInstance | None = None
    spec: Applied | None = None
    recorded: InstanceRecord | None = None
    vms: tuple[VmRecord, ...] = ()
    disks: tuple[DiskRecord, ...] = ()
    forced: Forced = Forced()

    @property
    def vm(self) -> VmRecord | None:
        return max(self.vms, key=lambda vm: vm.generation, default=None)

    @property
    def disk(self) -> DiskRecord | None:
        """The disk in use, or made for use when its attaching was interrupted. Of two the newer one is in use once it
        counts as attached, for then all data is on it; until then the older one is.
        """
        kept = [disk for disk in self.disks if disk.state is not DiskState.ORPHANED]
        attached = [disk for disk in kept if disk.state is DiskState.ATTACHED]
        return max(attached, key=_age_of, default=None) or min(kept, key=_age_of, default=None)

    @property
    def stray_disks(self) -> tuple[DiskRecord, ...]:
        """What an interrupted migration left: owned, but not the disk in use."""
        return tuple(disk for disk in self.disks if disk.state is not DiskState.ORPHANED and disk != self.disk)


def _age_of(disk: DiskRecord) -> tuple[int, str]:
    """Newer disks of an instance end in greater numbers."""
    number = disk.name.rpartition("-")[2]
    return (int(number) if number.isdecimal() else 0, disk.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``hold`` is set when the move is wished for but must not be made."""

    case: Case
    move: Move
    have: Have
    difference: Difference
    reasons: tuple[str, ...]
    hold: Hold | None = None

    @property
    def is_away(self) -> bool:
        """It served once, and does not do so well now."""
        recorded = self.case.recorded
        return recorded is not None and recorded.applied is not None and self.have is not Have.RUNNING


def decide(case: Case, seen: Sighting) -> Decision:
    """One instance's move, and why."""
    have = have_of(case.vm, case.recorded, seen)
    difference, reasons = differences(case)
    want = case.wanted.want if case.wanted else ABSENT
    move = MOVES[want, have]
    if want is Want.STARTED:
        move = WITH_DIFFERENCE[move, difference]
    if move is Move.NOTHING and case.wanted and case.vm and have is Have.RUNNING:
        reasons = attach.reasons(case.wanted, case.recorded, seen)
        move = Move.ATTACH if reasons else move
    if have not in {Have.RUNNING, Have.NO_VM}:
        reasons = (have.value, *reasons)
    return Decision(
        case=case,
        move=move,
        have=have,
        difference=difference,
        reasons=(reasons or _plain_reason(case.wanted, have)) if move is not Move.NOTHING else (),
        hold=_hold(case, move, have, seen),
    )


def have_of(vm: VmRecord | None, recorded: InstanceRecord | None, seen: Sighting) -> Have:
    """A VM that never had anything applied and does not answer is half-made: waiting for it loses nothing. After
    ``UNBORN_S`` it is not waited for again: its token may be lost, then its agent never comes.
    """
    if vm is None:
        return Have.NO_VM
    if vm.state is VmState.CREATING:
        return Have.HALF_MADE
    if vm.state is VmState.DELETING or vm.name not in seen.vms:
        return Have.GONE
    if seen.vms[vm.name].power is Power.OFF:
        return Have.GONE
    have = _answering(seen.agents.get(vm.agent))
    is_fresh = recorded is not None and recorded.applied is None
    if have is Have.SILENT and is_fresh:
        return Have.HALF_MADE if seen.at - vm.created_at < UNBORN_S else Have.UNBORN
    return have


def _answering(agent: SeenAgent | None) -> Have:
    if agent is None or not agent.is_connected:
        return Have.SILENT
    by_state = {JobState.RUNNING: Have.RUNNING, JobState.STOPPED: Have.STOPPED}
    return by_state.get(agent.job_state, Have.UNWELL)


def differences(case: Case) -> tuple[Difference, tuple[str, ...]]:
    """The greatest difference, and every reason in words (BOSH's change tags, section 3.6, in the open)."""
    if case.wanted is None or case.spec is None or case.recorded is None:
        return Difference.NONE, ()
    of_vm = _vm_reasons(case.wanted.shape, case)
    of_disk = _disk_reasons(case.wanted, case)
    of_content = _content_reasons(case.spec, case.recorded, case.forced)
    by_kind = ((Difference.VM, of_vm), (Difference.DISK, of_disk), (Difference.CONTENT, of_content))
    greatest = next((difference for difference, reasons in by_kind if reasons), Difference.NONE)
    return greatest, (*of_vm, *of_disk, *of_content)


def _vm_reasons(wanted: VmShape, case: Case) -> list[str]:
    asked = ["recreate was asked for"] if case.forced.recreate else []
    return asked + (_shape_reasons(wanted, case.vm.shape) if case.vm else [])


def _shape_reasons(wanted: VmShape, now: VmShape) -> list[str]:
    if now == wanted:
        return []
    reasons = []
    if (now.stemcell_name, now.stemcell_version) != (wanted.stemcell_name, wanted.stemcell_version):
        reasons.append(
            f"stemcell {now.stemcell_name}/{now.stemcell_version} becomes "
            f"{wanted.stemcell_name}/{wanted.stemcell_version}"
        )
    pairs = (
        ("cloud properties", now.cloud_properties, wanted.cloud_properties),
        ("env", now.env, wanted.env),
        ("networks", now.networks, wanted.networks),
    )
    reasons += [f"{what} changed: {_changed_keys(old, new)}" for what, old, new in pairs if old != new]
    return reasons or ["stemcell was uploaded anew"]


def _disk_reasons(wanted: WantedInstance, case: Case) -> list[str]:
    disk = case.disk
    size = wanted.disk.size_mb if wanted.disk else 0
    now = disk.size_mb if disk else 0
    if size != now:
        return [f"persistent disk {now or 'none'} becomes {size or 'none'} MB"]
    if disk and wanted.disk and disk.cloud_properties != wanted.disk.cloud_properties:
        return [f"disk properties changed: {_changed_keys(disk.cloud_properties, wanted.disk.cloud_properties)}"]
    return ["a new persistent disk was asked for"] if disk and case.forced.new_disk else []


def _content_reasons(spec: Applied, recorded: InstanceRecord, forced: Forced) -> list[str]:
    now = recorded.applied
    reasons = ["restart was asked for"] if forced.restart else []
    if not recorded.is_settled:
        return [*reasons, "its last update did not finish"]
    if now is None:
        return [*reasons, "nothing has been applied yet"]
    if now.jobs != spec.jobs:
        reasons.append(f"jobs changed: {_changed_keys(dict(now.jobs), dict(spec.jobs)) or 'their order'}")
    if now.packages != spec.packages:
        reasons.append(f"packages changed: {_changed_keys(dict(now.packages), dict(spec.packages))}")
    if now.configuration_hash != spec.configuration_hash and now.jobs == spec.jobs:
        reasons.append("rendered configuration changed")
    return reasons


def _changed_keys(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    return ", ".join(sorted(key for key in {*old, *new} if old.get(key) != new.get(key)))


def _plain_reason(wanted: WantedInstance | None, have: Have) -> tuple[str, ...]:
    if wanted is None:
        return ("no longer in the manifest",)
    if wanted.is_new:
        return ("new",)
    return (f"should be {wanted.want.value}",) if have is not Have.NO_VM else (have.value,)


def _hold(case: Case, move: Move, have: Have, seen: Sighting) -> Hold | None:
    recorded = case.recorded
    if recorded is None or move is Move.NOTHING:
        return None
    if recorded.is_ignored:
        return Hold(
            code="hold.ignored",
            subject=recorded.label,
            reason=f"{recorded.label} is ignored; `director unignore {recorded.label}` lets it be changed again.",
        )
    if have is Have.SILENT and not case.forced.fix and move is not Move.DELETE:
        return Hold(code="hold.silent", subject=recorded.label, reason=_silence(recorded, case.vm, seen.agents))
    return None


def _silence(recorded: InstanceRecord, vm: VmRecord | None, agents: Mapping[AgentId, SeenAgent]) -> str:
    agent = agents.get(vm.agent) if vm else None
    name: VmName | str = vm.name if vm else "?"
    since = f"for {agent.silent_s:.0f} s" if agent else "since the director started"
    return (
        f"The agent of {recorded.label} (VM {name}) has been silent {since}, but its VM exists. "
        "Wait for it, or repeat with --fix to replace the VM."
    )
