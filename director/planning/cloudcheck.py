"""Finds what is wrong with recorded instances, VMs and disks, and what may be done about each (bosh-director.md 5.5).

Compares; it may not ask, and repairs nothing. What a chosen resolution comes to stands in a table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from director.model.deployment import Lifecycle
from director.model.health import Presence, Remedy, Witness
from director.model.names import DiskName
from director.model.problem_found import ProblemFound, ProblemType, Resolution
from director.model.record import DiskRecord, DiskState, InstanceRecord, VmRecord, VmState
from director.model.sighting import SeenAgent, SeenDisk
from director.model.tree import Tree
from director.model.wanted import Want
from director.planning.drift import is_settling

R = Resolution

MENUS: Final[Mapping[ProblemType, tuple[Resolution, ...]]] = {
    ProblemType.MISSING_VM: (R.IGNORE, R.RECREATE_VM_WITHOUT_WAIT, R.RECREATE_VM, R.DELETE_VM_REFERENCE),
    ProblemType.UNRESPONSIVE_AGENT: (
        R.IGNORE,
        R.REBOOT_VM,
        R.RECREATE_VM_WITHOUT_WAIT,
        R.RECREATE_VM,
        R.DELETE_VM,
        R.DELETE_VM_REFERENCE,
    ),
    ProblemType.MISSING_DISK: (R.IGNORE, R.DELETE_DISK_REFERENCE),
    ProblemType.INACTIVE_DISK: (R.IGNORE, R.DELETE_DISK, R.ACTIVATE_DISK),
    ProblemType.MOUNT_INFO_MISMATCH: (R.IGNORE, R.REATTACH_DISK, R.REATTACH_DISK_AND_REBOOT),
}

REMEDIES: Final[Mapping[Resolution, Remedy]] = {
    R.IGNORE: Remedy.NOTHING,
    R.REBOOT_VM: Remedy.REBOOT,
    R.RECREATE_VM_WITHOUT_WAIT: Remedy.RECREATE,
    R.RECREATE_VM: Remedy.RECREATE,
    # A restart attaches and mounts a disk that its agent lacks.
    R.ACTIVATE_DISK: Remedy.RESTART,
    R.REATTACH_DISK: Remedy.RESTART,
    R.REATTACH_DISK_AND_REBOOT: Remedy.REBOOT,
    R.DELETE_VM: Remedy.NOTHING,
    R.DELETE_VM_REFERENCE: Remedy.NOTHING,
    R.DELETE_DISK_REFERENCE: Remedy.NOTHING,
    R.DELETE_DISK: Remedy.NOTHING,
}
"""What a repair is asked for; NOTHING also where something else than a repair is done."""

SILENT_S: Final = 30.0
"""An agent whose stream is open, but that has said nothing for so long, does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One instance with what was seen of it. ``vm`` is its newest. ``shown`` are the disks that those infrastructures
    show which could be looked at, ``unseen_cpis`` the others.
    """

    instance: InstanceRecord
    vm: VmRecord | None = None
    agent: SeenAgent | None = None
    witness: Witness | None = None
    disks: Sequence[DiskRecord] = ()
    shown: Mapping[DiskName, SeenDisk] = field(default_factory=dict)
    unseen_cpis: frozenset[str] = frozenset()


def answers(agent: SeenAgent | None) -> bool:
    return agent is not None and agent.is_connected and agent.silent_s < SILENT_S


def can_be_repaired(instance: InstanceRecord) -> bool:
    """Whether a repair may touch it; others get their VM back by a deploy, a start or a run of their errand."""
    is_service = instance.lifecycle is Lifecycle.SERVICE and not instance.is_compilation
    return is_service and instance.want is Want.STARTED and instance.applied is not None


def vm_problem(one: Examined) -> ProblemFound | None:
    """What is wrong with its VM: it is not there, or nobody in it answers."""
    if one.instance.is_ignored:
        return None
    if one.vm is None:
        return _no_vm(one) if can_be_repaired(one.instance) else None
    if answers(one.agent):
        return None
    if one.witness is not None and one.witness.presence is Presence.ABSENT:
        return _found(one, ProblemType.MISSING_VM, one.vm.name, f"VM {_at(one)} missing.", _of_vm(one.vm))
    return _found(one, ProblemType.UNRESPONSIVE_AGENT, one.vm.name, f"VM {_at(one)} {_silence(one)}.", _of_vm(one.vm))


def disk_problems(one: Examined) -> Iterator[ProblemFound]:
    """What is wrong with its disks. One that a task left half made is the next deploy's to settle."""
    if one.instance.is_ignored:
        return
    for disk in sorted(one.disks, key=lambda disk: disk.name):
        if is_settling(disk) or disk.cpi in one.unseen_cpis:
            continue
        found = _missing(one, disk) or _inactive(one, disk) or _unmounted(one, disk)
        if found:
            yield found


def remedy_of(problem: ProblemFound, resolution: Resolution) -> Remedy:
    """Where the agent has the disk mounted that its infrastructure shows elsewhere, only a reboot lets go of it."""
    remedy = REMEDIES[resolution]
    is_mounted = problem.data.get("mounted") is True
    return Remedy.REBOOT if resolution is R.REATTACH_DISK and is_mounted else remedy


def _no_vm(one: Examined) -> ProblemFound:
    menu = (R.IGNORE, R.RECREATE_VM_WITHOUT_WAIT, R.RECREATE_VM)
    return ProblemFound(
        type=ProblemType.MISSING_VM,
        instance=one.instance.id,
        group=one.instance.group,
        label=one.instance.label,
        subject="",
        description=f"{_whole(one.instance)} has no VM.",
        resolutions=menu,
        default=R.RECREATE_VM_WITHOUT_WAIT,
        data={"instance_id": one.instance.id},
    )


def _missing(one: Examined, disk: DiskRecord) -> ProblemFound | None:
    """An agent that has it mounted knows better than an infrastructure that does not show it."""
    if disk.name in one.shown or _has_mounted(one, disk):
        return None
    words = f"Disk {_disk(disk)} of {_whole(one.instance)} is missing."
    return _found(one, ProblemType.MISSING_DISK, disk.name, words, _of_disk(disk))


def _inactive(one: Examined, disk: DiskRecord) -> ProblemFound | None:
    """It is there and the instance's, but nobody uses it. Without a VM that is as it should be."""
    if disk.state is not DiskState.DETACHED or one.vm is None or one.vm.state is not VmState.CREATED:
        return None
    if not answers(one.agent):
        return None
    others = [d for d in one.disks if d.name != disk.name and d.state is DiskState.ATTACHED]
    menu = (
        (R.IGNORE, R.DELETE_DISK) if others or not can_be_repaired(one.instance) else MENUS[ProblemType.INACTIVE_DISK]
    )
    words = f"Disk {_disk(disk)} of {_whole(one.instance)} is inactive."
    return _found(one, ProblemType.INACTIVE_DISK, disk.name, words, _of_disk(disk), menu=menu)


def _unmounted(one: Examined, disk: DiskRecord) -> ProblemFound | None:
    if disk.state is not DiskState.ATTACHED or one.vm is None or disk.vm != one.vm.name or not answers(one.agent):
        return None
    holder = one.shown[disk.name].vm if disk.name in one.shown else None
    is_mounted, is_there = _has_mounted(one, disk), holder == (one.vm.cid or one.vm.name)
    if is_mounted and (is_there or disk.name not in one.shown):
        return None
    where = "is not mounted there" if is_there else f"is {f'attached to {holder}' if holder else 'attached to no VM'}"
    words = f"Disk {_disk(disk)} should be mounted in {_whole(one.instance)}, but {where}."
    data = {**_of_disk(disk), "mounted": is_mounted}
    menu = MENUS[ProblemType.MOUNT_INFO_MISMATCH] if can_be_repaired(one.instance) else (R.IGNORE,)
    return _found(one, ProblemType.MOUNT_INFO_MISMATCH, disk.name, words, data, menu=menu)


def _found(
    one: Examined,
    kind: ProblemType,
    subject: str,
    words: str,
    data: Tree,
    *,
    menu: tuple[Resolution, ...] | None = None,
) -> ProblemFound:
    return ProblemFound(
        type=kind,
        instance=one.instance.id,
        group=one.instance.group,
        label=one.instance.label,
        subject=subject,
        description=words,
        resolutions=menu or _menu(one.instance, kind),
        default=_default(one.instance, kind),
        data={"instance_id": one.instance.id, **data},
    )


def _menu(instance: InstanceRecord, kind: ProblemType) -> tuple[Resolution, ...]:
    """What is stopped, or comes and goes, is not brought back by a repair."""
    whole = MENUS[kind]
    return whole if can_be_repaired(instance) else tuple(r for r in whole if REMEDIES[r] is Remedy.NOTHING)


def _default(instance: InstanceRecord, kind: ProblemType) -> Resolution:
    """A lost VM is replaced; all else is skipped, as BOSH has it. Nobody misses the row of a VM that is gone."""
    if kind is not ProblemType.MISSING_VM:
        return R.IGNORE
    return R.RECREATE_VM_WITHOUT_WAIT if can_be_repaired(instance) else R.DELETE_VM_REFERENCE


def _has_mounted(one: Examined, disk: DiskRecord) -> bool:
    return one.agent is not None and answers(one.agent) and disk.name in one.agent.disks


def _silence(one: Examined) -> str:
    agent, witness = one.agent, one.witness
    since = f" for {agent.silent_s:.0f} s" if agent else " since this director came up"
    if witness is not None and witness.presence is Presence.OFF:
        return f"is switched off (its agent does not respond{since})"
    told = witness is not None and witness.presence is Presence.ON
    doubt = "" if told else f"; whether it is there cannot be told: {witness.words if witness else 'nobody was asked'}"
    return f"is not responding{since}{doubt}"


def _at(one: Examined) -> str:
    assert one.vm is not None, "a VM is spoken of"
    return f"{one.vm.cid or one.vm.name} of {_whole(one.instance)}"


def _whole(instance: InstanceRecord) -> str:
    return f"'{instance.group}/{instance.id} ({instance.index})'"


def _disk(disk: DiskRecord) -> str:
    return f"'{disk.cid or disk.name}' ({disk.size_mb}M)"


def _of_vm(vm: VmRecord) -> Tree:
    return {"vm": vm.name, "vm_cid": vm.cid or ""}


def _of_disk(disk: DiskRecord) -> Tree:
    return {"disk": disk.name, "disk_cid": disk.cid or "", "size": disk.size_mb}
