"""What becomes of a wait for an agent that does not answer: whether its VM is still there to wait for. Repairs nothing.

Note: lost VMs. A closed stream proves nothing, and neither does one that never came, so the wait goes on while the
infrastructure shows the VM on, or cannot tell. It ends at once when the VM is off or gone: the task that waits holds
its deployment's lock, and only when it has ended may the VM be repaired.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

from director.execution.world import Run, World
from director.model.names import AgentId, VmName
from director.model.record import VmRecord
from director.model.sighting import Power, SeenVm
from director.planning.witness import is_blind
from director.ports.failure import AgentSilent, Failure, InfrastructureFailure

LOOK_S: Final = 10.0
"""Between two looks for one VM, and before the first for one whose agent has never come: it boots."""
AWAY_S: Final = 30.0
"""An agent is back within it when only it, the director or the network between them was started again."""
REST: Final = 10
"""A look that takes long is repeated after so many times what it took."""

T = TypeVar("T")


async def unless_lost(wait: Coroutine[Any, Any, T], agent: AgentId, run: Run, world: World) -> T:
    """What ``wait`` comes to. Raises Failure as soon as the agent is away and its VM is seen to be off or gone."""
    vm = _vm_of(agent, run)
    if vm is None:
        return await wait
    return await _unless(_until_lost(vm, run, world), wait)


async def unless_away(wait: Coroutine[Any, Any, T], agent: AgentId, label: str, world: World) -> T:
    """What ``wait`` comes to, which changes nothing. Raises Failure as soon as the agent is away for AWAY_S."""
    return await _unless(_until_away(agent, label, world), wait)


async def _unless(lost: Coroutine[Any, Any, str], wait: Coroutine[Any, Any, T]) -> T:
    waiting, losing = asyncio.ensure_future(wait), asyncio.ensure_future(lost)
    try:
        await asyncio.wait((waiting, losing), return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise Failure(losing.result())
        return waiting.result()
    finally:
        waiting.cancel()
        losing.cancel()
        await asyncio.gather(waiting, losing, return_exceptions=True)


async def why_silent(agent: AgentId, run: Run, world: World) -> str:
    """Sentences for the operator; "" when no VM of this run has that agent."""
    vm = _vm_of(agent, run)
    if vm is None:
        return ""
    try:
        seen = await world.infrastructures.of(vm.shape.cpi).find_vm(vm.name)
    except InfrastructureFailure as failure:
        return f'Its VM "{vm.name}" cannot be looked at either. {failure}'
    return _words(vm, seen)


def _vm_of(agent: AgentId, run: Run) -> VmRecord | None:
    return next((vm for vm in run.vms.values() if vm.agent == agent), None)


async def _until_away(agent: AgentId, label: str, world: World) -> str:
    while True:
        await world.agents.await_away(agent)
        try:
            await world.agents.await_connected(agent, AWAY_S)
        except AgentSilent:
            return f"The agent of {label} went away and did not come back: see `director health`."


async def _until_lost(vm: VmRecord, run: Run, world: World) -> str:
    """Returns, in words, when the agent is away and its VM is off or gone."""
    agents, clock = world.agents, world.clock
    if agents.seen_of(vm.agent) is None:
        await clock.sleep(LOOK_S)
    while True:
        await agents.await_away(vm.agent)
        with run.looks.doubting(vm):
            lost = await _until_known(vm, run, world)
        if lost:
            return f"{run.label_of(vm.instance)}: {lost}"


async def _until_known(vm: VmRecord, run: Run, world: World) -> str:
    """Looks until the VM is lost, then says how, or its agent is back: "". The first look is one that begins now, as
    the stream may just have closed; later ones are shared with whoever looked lately.
    """
    clock = world.clock
    since = clock.monotonic()
    while True:
        began = clock.monotonic()
        shown = await run.looks.shown(vm, since, world.infrastructures, clock)
        if _answers(vm.agent, world):
            return ""
        if shown is not None and (lost := _loss(vm, shown, run, world)):
            return lost
        await clock.sleep(max(LOOK_S, REST * (clock.monotonic() - began)))
        since = clock.monotonic() - LOOK_S / 2


def _loss(vm: VmRecord, shown: Mapping[VmName, SeenVm], run: Run, world: World) -> str:
    """Empty for one that is on, or of which nothing can be told: who does not show VMs that talk to us sees nothing."""
    seen = shown.get(vm.name)
    if seen is not None:
        return _words(vm, seen) if seen.power is Power.OFF else ""
    beside = [one.name for one in run.vms.values() if one.shape.cpi == vm.shape.cpi and _answers(one.agent, world)]
    return "" if is_blind(beside, shown) else _words(vm, None)


def _answers(agent: AgentId, world: World) -> bool:
    seen = world.agents.seen_of(agent)
    return seen is not None and seen.is_connected


def _words(vm: VmRecord, seen: SeenVm | None) -> str:
    if seen is None:
        return f'Its VM "{vm.name}" is gone: deploy again.'
    if seen.power is Power.OFF:
        return f'Its VM "{vm.name}" is switched off: see why, then deploy again.'
    where = f" on {seen.place}" if seen.place else ""
    guest = f"; {seen.guest}" if seen.guest else ""
    return (
        f'Its VM "{vm.name}" runs{where}{guest}. Look at its console: whether it booted, has the address of its '
        "manifest, and reaches the director's address for agents (`director doctor` tells which). Then deploy again: "
        "it is waited for once more, and made anew if its stemcell or VM type has changed."
    )
