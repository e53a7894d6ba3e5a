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
    expected = [
        vm for vm in record.vms if vm.state is VmState.CREATED and vm.name in vms and vms[vm.name].power is Power.ON
    ]
    now = world.clock.now()
    since_start = director_started + RECONNECT_S - world.clock.monotonic()
    since_boot = {vm.agent: min(BOOT_S, vm.created_at + BOOT_S - now) for vm in expected if vm.agent not in heard}
    left = {vm.agent: max(since_start, since_boot.get(vm.agent, 0.0)) for vm in expected}
    await asyncio.gather(*(_await_back(agent, left_s, world) for agent, left_s in left.items()))
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


async def _await_back(agent: AgentId, left_s: float, world: World) -> None:
    seen = world.agents.seen().get(agent)
    if left_s <= 0 or (seen and seen.is_connected):
        return
    try:
        await world.agents.await_connected(agent, left_s)
    except AgentSilent:
        return  # The plan says so, with what to do.
