"""Looks at the world once, for a plan: one bulk read of the infrastructure, and what the agents last said."""

import asyncio

from director.execution.world import World
from director.model.names import AgentId
from director.model.record import Record, VmState
from director.model.sighting import Power, Sighting
from director.ports.failure import AgentSilent

RECONNECT_S = 15.0
"""Agents come back with a jittered back-off of at most 10 s; until then their silence is the director's doing."""

BOOT_S = 60.0
"""A VM this young, left by a task that was cancelled or cut off, may still be booting: its silence says nothing yet."""


async def look(record: Record, world: World, *, director_started: float) -> Sighting:
    """A fresh sighting. It first waits for agents that may yet dial in: after the director's own start, or their VM's."""
    vms = await world.infrastructure.find_vms(record.deployment.name) if record.vms else {}
    expected = [
        vm for vm in record.vms if vm.state is VmState.CREATED and vm.name in vms and vms[vm.name].power is Power.ON
    ]
    left, now = director_started + RECONNECT_S - world.clock.monotonic(), world.clock.now()
    await asyncio.gather(*(_await_back(vm.agent, max(left, vm.created_at + BOOT_S - now), world) for vm in expected))
    return Sighting(at=world.clock.now(), vms=vms, agents=world.agents.seen())


async def _await_back(agent: AgentId, left: float, world: World) -> None:
    seen = world.agents.seen().get(agent)
    if left <= 0 or (seen and seen.is_connected):
        return
    try:
        await world.agents.await_connected(agent, left)
    except AgentSilent:
        return  # The plan says so, with what to do.
