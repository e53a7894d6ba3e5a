"""Removes VMs and disks with this director's tag that nothing is recorded of: what calls left behind that came true too
late.

Only what two clean-ups an hour apart have found goes: a record that was set back to yesterday's says nothing of
today's. A disk that is attached to anything is in use, and its hour begins when it is found detached.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from director.execution.world import World
from director.model.names import DiskName, VmName
from director.model.record import Event
from director.planning.drift import Drift, DriftKind
from director.ports.failure import InfrastructureFailure
from director.ports.store import AddEvent, PutSetting
from director.reconcile.drift import look_for_drift
from director.reconcile.driver import Job

GRACE_S: Final = 3600.0
"""Between the first time a stranger is found and its removal."""
FOUND: Final = "unrecorded-vms"
"""The setting that remembers when each was found first: ``{"cpi|name": seconds since the epoch}``."""
FOUND_DISKS: Final = "unrecorded-disks"
"""The same of disks."""
DELETE_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """``vms`` and ``disks`` went; those ``waiting`` were found, but not long ago."""

    vms: int = 0
    vms_waiting: int = 0
    disks: int = 0
    disks_waiting: int = 0

    @property
    def words(self) -> str:
        """The end of a sentence; empty when there was nothing."""
        gone = ((self.vms, "VM"), (self.disks, "disk"))
        waiting = ((self.vms_waiting, "VM"), (self.disks_waiting, "disk"))
        told = [f", {count} unrecorded {what}(s)" for count, what in gone if count]
        told += [
            f"; {count} unrecorded {what}(s) go an hour after they were first found" for count, what in waiting if count
        ]
        return "".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """``remove`` answers whether it went, or raises why it did not."""

    drift: DriftKind
    found: str
    what: str
    remove: Callable[[Drift, World], Awaitable[bool]]

    @property
    def stage(self) -> str:
        return f"Deleting unrecorded {self.what}s"


async def sweep(world: World, job: Job, *, takes_disks: bool) -> Swept:
    """What cannot be removed is told, and keeps nothing else from going."""
    report = await look_for_drift(world)
    for unseen in report.unseen:
        job.stages.warn(f"{unseen.cpi or 'The own infrastructure'} was not looked at: {unseen.reason}")
    vms, vms_waiting = await _sweep(_VMS, report.drifts, world, job)
    disks, disks_waiting = await _sweep(_DISKS, report.drifts, world, job) if takes_disks else (0, 0)
    return Swept(vms=vms, vms_waiting=vms_waiting, disks=disks, disks_waiting=disks_waiting)


async def _sweep(kind: _Kind, drifts: Iterable[Drift], world: World, job: Job) -> tuple[int, int]:
    """How many went, and how many have not been known for long enough."""
    strangers = {f"{d.cpi}|{d.subject}": d for d in drifts if d.kind is kind.drift}
    now, known = world.clock.now(), await world.store.setting(kind.found) or {}
    since = {key: float(str(known.get(key, now))) for key in strangers}
    await world.store.commit(PutSetting(name=kind.found, value=dict(sorted(since.items()))))
    ripe = [strangers[key] for key in sorted(since) if now - since[key] >= GRACE_S]
    return await _remove_all(kind, ripe, world, job), len(strangers) - len(ripe)


async def _remove_all(kind: _Kind, ripe: Sequence[Drift], world: World, job: Job) -> int:
    gone = 0
    for stranger in ripe:
        job.check()
        gone += await _remove(kind, stranger, world, job)
    return gone


async def _remove(kind: _Kind, stranger: Drift, world: World, job: Job) -> bool:
    """The record is read once more right before: what was adopted in the meantime stays."""
    name = stranger.subject
    if name in await _known(world):
        return False
    job.stages.event(kind.stage, name, "started")
    try:
        async with asyncio.timeout(DELETE_S):
            is_gone = await kind.remove(stranger, world)
    except (InfrastructureFailure, TimeoutError) as failure:
        job.stages.event(kind.stage, name, "failed", data={"error": str(failure) or "it was not gone in time"})
        job.stages.warn(f"{kind.what} {name} stays: {failure or 'it was not gone in time.'}")
        return False
    job.stages.event(kind.stage, name, "finished")
    if is_gone:
        await world.store.commit(_told(kind, name, world, job))
    return is_gone


async def _known(world: World) -> frozenset[str]:
    """Whatever has a row, or is being made or removed."""
    vms, disks, intents = await asyncio.gather(world.store.vms(), world.store.disks(), world.store.open_intents())
    return frozenset([*(vm.name for vm in vms), *(disk.name for disk in disks), *(one.target for one in intents)])


async def _remove_vm(stranger: Drift, world: World) -> bool:
    infrastructure = world.infrastructures.of(stranger.cpi)
    seen = await infrastructure.find_vm(VmName(stranger.subject))
    if seen is not None:
        await infrastructure.delete_vm(seen.cid)
    return True


async def _remove_disk(stranger: Drift, world: World) -> bool:
    """Looked at once more: somebody may have attached it just now."""
    infrastructure = world.infrastructures.of(stranger.cpi)
    seen = await infrastructure.find_disk(DiskName(stranger.subject))
    if seen is None:
        return False
    if seen.vm is not None:
        raise InfrastructureFailure(f"It is attached to {seen.vm}.")
    await infrastructure.delete_disk(seen.cid)
    return True


_VMS: Final = _Kind(drift=DriftKind.VM_UNRECORDED, found=FOUND, what="VM", remove=_remove_vm)
_DISKS: Final = _Kind(drift=DriftKind.DISK_UNRECORDED, found=FOUND_DISKS, what="disk", remove=_remove_disk)


def _told(kind: _Kind, name: str, world: World, job: Job) -> AddEvent:
    event = Event(
        at=world.clock.now(),
        user=job.task.user,
        action="delete",
        object_type=kind.what.lower(),
        object_name=name,
        task=job.task.id,
        context={"unrecorded": True},
    )
    return AddEvent(event=event)
