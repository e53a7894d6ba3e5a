"""Removes network objects that nothing needs: stacks without users, and what bears our tag but no stack has.

The second kind is removed only when two clean-ups an hour apart have found it: a fabric's search lags, and a record
that was set back to yesterday's says nothing of today's. A fabric that fails is told, and keeps nobody else from it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from director.execution.world import World
from director.model.fabric import NetworkObject, SeenObject, StackRecord, StackState
from director.model.names import DeploymentName, StackName
from director.planning.fabric_bare import bare
from director.planning.fabric_drift import unrecorded_of
from director.ports.fabric import FabricFailure
from director.ports.failure import Conflict
from director.ports.store import DropStack, PutSetting, PutStack, RetireStack
from director.reconcile.driver import Job

GRACE_S: Final = 3600.0
"""Between the first time something unrecorded is found and its removal."""
FOUND: Final = "unrecorded-network-objects"
"""The setting that remembers when each was found first: ``{"cpi|id": seconds since the epoch}``."""
REMOVE_S: Final = 600.0
FIND_S: Final = 60.0
NOBODY: Final = DeploymentName("")
STAGE: Final = "Deleting network objects"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """``stacks`` and ``objects`` are what went; ``waiting`` were found, but not long ago."""

    stacks: int = 0
    objects: int = 0
    waiting: int = 0

    @property
    def words(self) -> str:
        """The end of a sentence; empty when there was nothing."""
        said = [f"{self.stacks} network stack(s)"] if self.stacks else []
        said += [f"{self.objects} network object(s)"] if self.objects else []
        told = f", {', '.join(said)}" if said else ""
        waiting = f"; {self.waiting} unrecorded network object(s) go an hour after they were first found"
        return told + (waiting if self.waiting else "")


async def tidy_networks(world: World, job: Job, *, takes_unrecorded: bool) -> Tidied:
    """Stacks without users always; what is unrecorded only when asked for."""
    stacks = await _unused_stacks(world, job)
    if not takes_unrecorded:
        return Tidied(stacks=stacks)
    objects, waiting = await _unrecorded(world, job)
    return Tidied(stacks=stacks, objects=objects, waiting=waiting)


async def _unused_stacks(world: World, job: Job) -> int:
    count = 0
    for record in await world.store.stacks():
        if not record.users:
            job.check()
            count += await _remove_stack(record, world, job)
    return count


async def _remove_stack(record: StackRecord, world: World, job: Job) -> int:
    """1 when it went. Whoever joins first keeps it; while it goes nobody can join."""
    name = record.stack.name
    async with world.fabrics.turn(name):
        try:
            await world.store.commit(RetireStack(name=name, user=NOBODY))
        except Conflict:
            return 0
        now = next((one for one in await world.store.stacks() if one.stack.name == name), None)
        if now is None:
            return 0
        if not await _remove(now.stack.cpi, name, now.stack.objects, world, job):
            # What is left of it may be used again.
            await world.store.commit(PutStack(record=replace(now, state=StackState.CHANGING)))
            return 0
        await world.store.commit(DropStack(name=name))
    return 1


async def _unrecorded(world: World, job: Job) -> tuple[int, int]:
    """How many went, and how many have not been known for long enough."""
    found = await _find(world, job)
    now, known = world.clock.now(), await world.store.setting(FOUND) or {}
    since = {key: float(str(known.get(key, now))) for key in found}
    await world.store.commit(PutSetting(name=FOUND, value=dict(sorted(since.items()))))
    ripe = [(key, one) for key, one in sorted(found.items()) if now - since[key] >= GRACE_S]
    gone = 0
    for (cpi, name), objects in _by_stack(ripe).items():
        job.check()
        async with world.fabrics.turn(name):
            recorded = {one.id for record in await world.store.stacks() for one in record.stack.objects}
            left = [one for one in objects if one.id not in recorded]
            if left and await _remove(cpi, name or "what has no stack", left, world, job):
                gone += len({one.id for one in left})
    return gone, len(found) - len(ripe)


async def _find(world: World, job: Job) -> Mapping[str, SeenObject]:
    """By ``cpi|id``. The record is read last: what was made while fabrics were asked is in it then."""
    seen: dict[str, Sequence[SeenObject]] = {}
    for cpi, fabric in sorted(world.fabrics.by_cpi.items()):
        try:
            async with asyncio.timeout(FIND_S):
                seen[cpi] = await fabric.find_all()
        except (FabricFailure, TimeoutError) as failure:
            job.stages.warn(f"NSX-T {cpi or 'of the director'} was not looked at: {failure or 'it did not answer.'}")
    stacks = await world.store.stacks()
    return {f"{cpi}|{one.id}": one for cpi, objects in seen.items() for one in unrecorded_of(objects, stacks)}


def _by_stack(found: Iterable[tuple[str, SeenObject]]) -> Mapping[tuple[str, StackName], list[NetworkObject]]:
    """What was made together goes together. What cannot be removed by itself goes with what it lies in."""
    stacks: dict[tuple[str, StackName], list[NetworkObject]] = {}
    for key, seen in found:
        stacks.setdefault((key.partition("|")[0], seen.stack or StackName("")), []).extend(bare(seen))
    return stacks


async def _remove(cpi: str, name: str, objects: Sequence[NetworkObject], world: World, job: Job) -> bool:
    job.stages.event(STAGE, name, "started")
    try:
        async with asyncio.timeout(REMOVE_S):
            await world.fabrics.of(cpi).remove(objects)
    except (FabricFailure, TimeoutError) as failure:
        job.stages.event(STAGE, name, "failed")
        job.stages.warn(f"{name} stays: {failure or 'it was not gone in time.'}")
        return False
    job.stages.event(STAGE, name, "finished")
    return True
