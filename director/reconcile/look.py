"""Looks at the world once, for a plan: one bulk read of the infrastructure, and what the agents last said."""

import asyncio
from collections.abc import Mapping

from director.execution.world import World
from director.model.names import AgentId, VmName
from director.model.record import Record, VmRecord, VmState
from director.model.sighting import Power, SeenAgent, SeenVm, Sighting
from director.ports.failure import AgentSilent

RECONNECT_S = 15.0
"""Agents come back with a jittered back-off of at most 10 s; until then their silence is the director's doing."""

BOOT_S = 60.0
"""A VM this young, left by a task that was cancelled or cut off, may still be booting: its silence says nothing yet."""


async def look(record: Record, world: World, *, director_started: float) -> Sighting:
    """A fresh sighting. First it waits for agents that may yet dial in: after the director's start, or their VM's."""
    heard = world.agents.seen()
    vms = await _vms_of(record, {vm.name for vm in record.vms if not _is_heard(vm, heard)}, world)
    fresh = {instance.id for instance in record.instances if instance.applied is None}
    since_start = director_started + RECONNECT_S - world.clock.monotonic()
    waits = (
        _await_back(vm, since_start, world, is_fresh=vm.instance in fresh)
        for vm in record.vms
        if vm.state is VmState.CREATED and vm.name in vms and vms[vm.name].power is Power.ON
        if not _is_heard(vm, heard)
    )
    await asyncio.gather(*waits)
    return Sighting(at=world.clock.now(), vms=vms, agents=world.agents.seen())


def _is_heard(vm: VmRecord, heard: Mapping[AgentId, SeenAgent]) -> bool:
    seen = heard.get(vm.agent)
    return seen is not None and seen.is_connected


async def _vms_of(record: Record, doubted: set[VmName], world: World) -> Mapping[VmName, SeenVm]:
    """One bulk read of each infrastructure that has VMs of this deployment, side by side."""
    cpis = sorted({vm.shape.cpi for vm in record.vms})
    reads = (world.infrastructures.of(cpi).find_vms(record.deployment.name, doubted=doubted) for cpi in cpis)
    found: dict[VmName, SeenVm] = {}
    for vms in await asyncio.gather(*reads):
        found |= vms
    return found


async def _await_back(vm: VmRecord, since_start_s: float, world: World, *, is_fresh: bool) -> None:
    """For as long as its silence may be that of its boot, or come of the former director's end.

    One that has never enrolled had no stream which that could have cut. Where nothing was ever applied besides, it is
    taken for half made, and the plan waits for it, if anybody does.
    """
    is_unheard = vm.agent not in world.agents.seen()
    boots_s = min(BOOT_S, vm.created_at + BOOT_S - world.clock.now()) if is_unheard else 0.0
    if max(boots_s, since_start_s) <= 0:
        return
    known = await world.store.agent(vm.agent)
    has_enrolled = known is None or known.key_hash is not None
    left_s = max(boots_s, since_start_s) if has_enrolled else boots_s
    if left_s <= 0 or (is_fresh and not has_enrolled):
        return
    try:
        await world.agents.await_connected(vm.agent, left_s)
    except AgentSilent:
        return  # The plan says so, with what to do.
