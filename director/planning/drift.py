"""Where the record and the world differ: VMs and disks that were lost, changed, moved or made by somebody else.

Network objects are compared in ``fabric_drift``.

Compares; it may not ask, change or repair anything. What only a running task is changing must be left out by the
caller (``is_settling``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from director.model.names import DeploymentName, DiskName, InstanceId, VmCid, VmName
from director.model.record import DiskRecord, DiskState, InstanceRecord, VmRecord, VmState
from director.model.sighting import Power, SeenDisk, SeenVm
from director.planning.drift_vm import other_addresses, other_sizes, other_tags


class DriftKind(Enum):
    VM_MISSING = "vm missing"
    VM_OFF = "vm off"
    VM_CID = "vm under another cid"
    VM_SIZE = "vm of another size"
    VM_ADDRESS = "vm at another address"
    VM_TAGS = "vm with other tags"
    VM_UNRECORDED = "vm unrecorded"
    DISK_MISSING = "disk missing"
    DISK_SIZE = "disk of another size"
    DISK_ELSEWHERE = "disk attached elsewhere"
    DISK_DETACHED = "disk detached"
    DISK_ATTACHED = "disk attached"
    DISK_UNRECORDED = "disk unrecorded"
    DISK_STRANGE = "disk unrecorded and attached"
    NETWORK_MISSING = "network object missing"
    NETWORK_CHANGED = "network object changed"
    NETWORK_FAILED = "network object failed"
    NETWORK_FOREIGN = "network object of others"
    NETWORK_UNUSED = "network objects nobody uses"
    NETWORK_UNRECORDED = "network object unrecorded"
    MEMBER_MISSING = "member missing in its pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """``subject`` is the name of a VM, a disk or a network object. ``recorded``, ``seen`` and ``fix`` are for people.

    ``deployment`` and ``instance`` (``group/index``) are empty where nobody knows whose it is. ``stack`` is what a
    network object lies in.
    """

    kind: DriftKind
    deployment: str
    instance: str
    subject: str
    cpi: str
    recorded: str
    seen: str
    fix: str
    stack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """All that one infrastructure showed of ours."""

    cpi: str
    vms: Mapping[VmName, SeenVm] = field(default_factory=dict)
    disks: Mapping[DiskName, SeenDisk] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The whole record, of every deployment: whatever is not in it is nobody's."""

    instances: Sequence[InstanceRecord] = ()
    vms: Sequence[VmRecord] = ()
    disks: Sequence[DiskRecord] = ()


def is_settling(record: VmRecord | DiskRecord) -> bool:
    """Whether it may or may not exist: a task is at it, or the next one settles it."""
    return record.state in {VmState.CREATING, VmState.DELETING, DiskState.CREATING, DiskState.DELETING}


def find_drift(
    recorded: Recorded, looked: Sequence[Looked], deployment: DeploymentName | None = None
) -> tuple[Drift, ...]:
    """Of all deployments, or of one: strangers then only where it is seen that they belong to it.

    Only what lies on an infrastructure that was looked at is judged. Sorted by deployment, instance and subject.
    """
    found = [
        drift for drift in _Comparison(recorded, looked).all() if deployment is None or drift.deployment == deployment
    ]
    return tuple(sorted(found, key=lambda d: (d.deployment, d.instance, d.subject, d.kind.value)))


class _Comparison:
    def __init__(self, recorded: Recorded, looked: Sequence[Looked]) -> None:
        self._recorded = recorded
        self._looked = {one.cpi: one for one in looked}
        self._instances = {instance.id: instance for instance in recorded.instances}
        self._vms = {vm.name: vm for vm in recorded.vms}
        self._disks = {disk.name: disk for disk in recorded.disks}
        self._names = {_cid_of(vm): vm.name for vm in recorded.vms}

    def all(self) -> Iterator[Drift]:
        for vm in self._recorded.vms:
            if vm.shape.cpi in self._looked and not is_settling(vm):
                yield from self._of_vm(vm, self._looked[vm.shape.cpi].vms.get(vm.name))
        for disk in self._recorded.disks:
            if disk.cpi in self._looked and not is_settling(disk):
                yield from self._of_disk(disk, self._looked[disk.cpi].disks.get(disk.name))
        yield from self._unrecorded_vms()
        yield from self._unrecorded_disks()

    def _of_vm(self, vm: VmRecord, seen: SeenVm | None) -> Iterator[Drift]:
        drift = self._saying(vm.deployment, self._label_of(vm.instance), vm.name, vm.shape.cpi)
        anew = self._anew(vm.deployment, vm.instance)
        if seen is None:
            yield drift(
                DriftKind.VM_MISSING, f"created, cid {_cid_of(vm)}", "gone", f"{anew}; its persistent disk stays."
            )
            return
        if seen.power is Power.OFF:
            fix = f"Power it on; or {anew[0].lower()}{anew[1:]}."
            yield drift(DriftKind.VM_OFF, "runs", "switched off", fix)
        if vm.cid is not None and seen.cid != vm.cid:
            fix = f"Somebody replaced or renamed it. {anew}."
            yield drift(DriftKind.VM_CID, f"cid {vm.cid}", f"cid {seen.cid}", fix)
        if sizes := other_sizes(vm, seen):
            fix = f"{anew}: it gets its recorded size back. To keep the new one, write it into the VM type and deploy."
            yield drift(DriftKind.VM_SIZE, *sizes, fix)
        if addresses := other_addresses(vm, seen):
            fix = f"{anew}, with its recorded address. To keep the new one, make it a static IP and deploy."
            yield drift(DriftKind.VM_ADDRESS, *addresses, fix)
        if tags := other_tags(vm, seen):
            yield drift(DriftKind.VM_TAGS, *tags, f"Write them back by hand as recorded. {anew}, which has them again.")

    def _of_disk(self, disk: DiskRecord, seen: SeenDisk | None) -> Iterator[Drift]:
        drift = self._saying(disk.deployment, disk.label, disk.name, disk.cpi)
        if seen is None:
            fix = (
                "Put it back under its name, from wherever it was moved to or from a backup: its data is nowhere else."
            )
            yield drift(DriftKind.DISK_MISSING, f"{disk.size_mb} MB, {disk.state.value}", "gone", fix)
            return
        if seen.size_mb != disk.size_mb:
            yield drift(
                DriftKind.DISK_SIZE, f"{disk.size_mb} MB", f"{seen.size_mb} MB", _size_fix(disk.size_mb, seen.size_mb)
            )
        yield from self._attachment(disk, seen, drift)

    def _attachment(self, disk: DiskRecord, seen: SeenDisk, drift: "_Say") -> Iterator[Drift]:
        holder = self._name_of(seen.vm)
        wanted = disk.vm if disk.state is DiskState.ATTACHED else None
        # One that is recorded as detached, but on a VM, is between being attached there and being mounted.
        if holder == wanted or (wanted is None and holder == disk.vm):
            return
        if wanted is None:
            fix = f"Detach it from {holder} in the infrastructure, without deleting its file."
            yield drift(DriftKind.DISK_ATTACHED, disk.state.value, f"attached to {holder}", fix)
        elif holder is not None:
            fix = f"Detach it from {holder} without deleting its file; then {self._attach(disk)}."
            yield drift(DriftKind.DISK_ELSEWHERE, f"attached to {wanted}", f"attached to {holder}", fix)
        elif self._is_seen(wanted):
            # Where its VM is gone, the VM's own line says all there is to do.
            fix = self._attach(disk)
            yield drift(DriftKind.DISK_DETACHED, f"attached to {wanted}", "detached", f"{fix[0].upper()}{fix[1:]}.")

    def _unrecorded_vms(self) -> Iterator[Drift]:
        """One that two CPIs of the same vCenter show is told once."""
        told: set[tuple[str, str]] = set()
        for looked in self._looked.values():
            for name, seen in looked.vms.items():
                if name in self._vms or (name, seen.cid) in told:
                    continue
                told.add((name, seen.cid))
                owner = self._instances.get(seen.instance) if seen.instance else None
                drift = self._saying(owner.deployment if owner else "", owner.label if owner else "", name, looked.cpi)
                where = f" on {seen.place}" if seen.place else ""
                fix = (
                    "Nobody here knows it any more: `director clean-up --all` takes it, an hour after first finding it."
                )
                yield drift(DriftKind.VM_UNRECORDED, "nothing", f"{seen.power.value}, cid {seen.cid}{where}", fix)

    def _unrecorded_disks(self) -> Iterator[Drift]:
        told: set[tuple[str, str]] = set()
        for looked in self._looked.values():
            for name, seen in looked.disks.items():
                if name in self._disks or (name, seen.cid) in told:
                    continue
                told.add((name, seen.cid))
                holder = self._name_of(seen.vm)
                vm = self._vms.get(holder) if holder else None
                label = self._label_of(vm.instance) if vm else ""
                drift = self._saying(vm.deployment if vm else "", label, name, looked.cpi)
                kind = DriftKind.DISK_STRANGE if holder else DriftKind.DISK_UNRECORDED
                where = f"attached to {holder}" if holder else "detached"
                fix = _FIX_IN_USE if holder else _FIX_UNRECORDED
                yield drift(kind, "nothing", f"{seen.size_mb} MB, {where}", fix)

    def _name_of(self, cid: VmCid | None) -> VmName | None:
        return None if cid is None else self._names.get(cid, VmName(cid))

    def _is_seen(self, name: VmName) -> bool:
        return any(name in looked.vms for looked in self._looked.values())

    def _label_of(self, instance: InstanceId) -> str:
        known = self._instances.get(instance)
        return known.label if known else str(instance)

    def _attach(self, disk: DiskRecord) -> str:
        if disk.instance is None or disk.instance not in self._instances:
            return f"the next deploy of {disk.deployment} settles it"
        return f"`director -d {disk.deployment} recreate {self._label_of(disk.instance)}` attaches it to a new VM"

    def _anew(self, deployment: DeploymentName, instance: InstanceId) -> str:
        """Instances that a person may name are recreated by name; the rest is the next deploy's to settle."""
        known = self._instances.get(instance)
        if known is None or known.is_compilation:
            return f"The next deploy of {deployment} settles it"
        return f"The next deploy, or `director -d {deployment} recreate {known.label}`, makes a new VM"

    def _saying(self, deployment: str, instance: str, subject: str, cpi: str) -> "_Say":
        def say(kind: DriftKind, recorded: str, seen: str, fix: str) -> Drift:
            return Drift(
                kind=kind,
                deployment=deployment,
                instance=instance,
                subject=subject,
                cpi=cpi,
                recorded=recorded,
                seen=seen,
                fix=fix,
            )

        return say


_Say = Callable[[DriftKind, str, str, str], Drift]

_FIX_IN_USE: Final = (
    "Detach it in the infrastructure, without deleting its file, if what it is attached to is not to have it."
)
_FIX_UNRECORDED: Final = (
    "`director clean-up --all` takes it with its data, an hour after first finding it detached. Move its file away "
    "before, if somebody needs that."
)


def _cid_of(vm: VmRecord) -> VmCid:
    return vm.cid or VmCid(vm.name)


def _size_fix(recorded_mb: int, seen_mb: int) -> str:
    if seen_mb > recorded_mb:
        return f"Deploy it with a persistent disk of {seen_mb} MB: a disk never shrinks."
    return f"Somebody replaced it by a smaller one: look after its data, then grow it to {recorded_mb} MB there."
