"""Removes VMs with this director's tag that nothing is recorded of: what calls left behind that came true too late.

Only what two clean-ups an hour apart have found goes: a record that was set back to yesterday's says nothing of
today's. Disks are left to a person, for what lies on them is nowhere else.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from director.execution.world import World
from director.model.names import VmName
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
DELETE_S: Final = 600.0
STAGE: Final = "Deleting unrecorded VMs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """``vms`` went; ``waiting`` were found, but not long ago."""

    vms: int = 0
    waiting: int = 0

    @property
    def words(self) -> str:
        """The end of a sentence; empty when there was nothing."""
        told = f", {self.vms} unrecorded VM(s)" if self.vms else ""
        return told + (
            f"; {self.waiting} unrecorded VM(s) go an hour after they were first found" if self.waiting else ""
        )


async def sweep_vms(world: World, job: Job) -> Swept:
    """A VM that cannot be removed is told, and keeps no other from going."""
    report = await look_for_drift(world)
    for unseen in report.unseen:
        job.stages.warn(f"{unseen.cpi or 'The own infrastructure'} was not looked at: {unseen.reason}")
    strangers = {f"{d.cpi}|{d.subject}": d for d in report.drifts if d.kind is DriftKind.VM_UNRECORDED}
    now, known = world.clock.now(), await world.store.setting(FOUND) or {}
    since = {key: float(str(known.get(key, now))) for key in strangers}
    await world.store.commit(PutSetting(name=FOUND, value=dict(sorted(since.items()))))
    ripe = [strangers[key] for key in sorted(since) if now - since[key] >= GRACE_S]
    gone = await _remove_all(ripe, world, job)
    return Swept(vms=gone, waiting=len(strangers) - len(ripe))


async def _remove_all(ripe: Sequence[Drift], world: World, job: Job) -> int:
    gone = 0
    for stranger in ripe:
        job.check()
        gone += await _remove(stranger, world, job)
    return gone


async def _remove(stranger: Drift, world: World, job: Job) -> bool:
    """The record is read once more right before: who was adopted in the meantime stays."""
    name = VmName(stranger.subject)
    if any(vm.name == name for vm in await world.store.vms()):
        return False
    job.stages.event(STAGE, name, "started")
    try:
        async with asyncio.timeout(DELETE_S):
            infrastructure = world.infrastructures.of(stranger.cpi)
            seen = await infrastructure.find_vm(name)
            if seen is not None:
                await infrastructure.delete_vm(seen.cid)
    except (InfrastructureFailure, TimeoutError) as failure:
        job.stages.event(STAGE, name, "failed", data={"error": str(failure) or "it was not gone in time"})
        job.stages.warn(f"VM {name} stays: {failure or 'it was not gone in time.'}")
        return False
    job.stages.event(STAGE, name, "finished")
    await world.store.commit(_told(name, world, job))
    return True


def _told(name: VmName, world: World, job: Job) -> AddEvent:
    event = Event(
        at=world.clock.now(),
        user=job.task.user,
        action="delete",
        object_type="vm",
        object_name=name,
        task=job.task.id,
        context={"unrecorded": True},
    )
    return AddEvent(event=event)
