"""Looks at every fabric and compares it with the recorded stacks. Reads only."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from director.execution.world import World
from director.model.fabric import Ref, ServerPool, StackRecord, StackState
from director.model.names import DeploymentName
from director.model.record import InstanceRecord
from director.planning.drift import Drift
from director.planning.fabric_drift import LookedFabric, find_network_drift
from director.ports.fabric import FabricFailure
from director.reconcile.fabric_look import SeenFabric, look_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabrics:
    """What each fabric showed; and (cpi, why) of those that showed nothing."""

    looked: tuple[LookedFabric, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()


async def look_at_fabrics(
    world: World, stacks: Sequence[StackRecord], instances: Sequence[InstanceRecord] = ()
) -> Fabrics:
    """Side by side; every one that is configured, and every one that something is recorded in."""
    cpis = sorted({*world.fabrics.by_cpi, *(record.stack.cpi for record in stacks)})
    used = [member for instance in instances for member in instance.members]
    answers = await asyncio.gather(
        *(_look(world, cpi, stacks, {member.pool for member in used if member.cpi == cpi}) for cpi in cpis)
    )
    told = list(zip(cpis, answers, strict=True))
    return Fabrics(
        looked=tuple(
            LookedFabric(cpi=cpi, sighting=one.sighting, found=one.found)
            for cpi, one in told
            if isinstance(one, SeenFabric)
        ),
        unseen=tuple((cpi, one) for cpi, one in told if isinstance(one, str)),
    )


def network_drift(
    fabrics: Fabrics,
    before: Sequence[StackRecord],
    after: Sequence[StackRecord],
    instances: Sequence[InstanceRecord],
    busy: Collection[str],
    deployment: DeploymentName | None,
) -> tuple[Drift, ...]:
    """Stacks that came, went or changed between two reads of the record, or that a task is at, are not judged."""
    old, new = {r.stack.name: r for r in before}, {r.stack.name: r for r in after}
    moved = {name for name in {*old, *new} if old.get(name) != new.get(name) or name in busy}
    unready = {name for name, record in new.items() if record.state is not StackState.READY}
    return find_network_drift(after, instances, fabrics.looked, frozenset(moved | unready), deployment)


async def _look(world: World, cpi: str, stacks: Sequence[StackRecord], used: Collection[Ref]) -> SeenFabric | str:
    own = [record for record in stacks if record.stack.cpi == cpi]
    pools = sorted(
        (Ref(to=one.id) for record in own for one in record.stack.objects if isinstance(one, ServerPool)),
        key=lambda ref: ref.to,
    )
    try:
        fabric = world.fabrics.of(cpi)
    except FabricFailure as failure:
        return str(failure)
    return await look_at(fabric, own, [pool for pool in pools if pool in used])
