"""Whom a look waits for: agents that may yet dial in, and nobody else."""

import asyncio
from dataclasses import replace

import pytest

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.model.record import AgentRecord, Applied, DeploymentRecord, Record
from director.model.sighting import Power, SeenVm
from director.reconcile.look import BOOT_S, RECONNECT_S, look
from tests.unit.api.samples import NAME, instance, vm

WEB = instance(0)


class OneVm:
    async def find_vms(self, deployment, *, doubted):
        made = vm(WEB)
        return {made.name: SeenVm(name=made.name, cid=made.cid, power=Power.ON)}


class Agents(MemoryAgents):
    """Knows whom it was waited for."""

    def __init__(self, clock):
        super().__init__(clock)
        self.awaited = []

    async def await_connected(self, agent, timeout_s):
        self.awaited.append(agent)
        await super().await_connected(agent, timeout_s)


class Enrolments:
    """As much of a store as a look reads; one that has nothing knows nothing."""

    def __init__(self):
        self.records = {}

    async def agent(self, id):
        return self.records.get(id)


@pytest.fixture
async def world():
    clock = SystemClock()
    return World(
        store=Enrolments(),
        infrastructures=Infrastructures(OneVm()),
        agents=Agents(clock),
        secrets=None,
        tasklog=None,
        clock=clock,
    )


def record(world, *, age_s, applied):
    made = replace(vm(WEB), created_at=world.clock.now() - age_s)
    web = replace(WEB, applied=applied)
    return Record(deployment=DeploymentRecord(name=NAME), instances=(web,), vms=(made,))


def invited(world, *, key_hash=None):
    """Its agent was given a token, and has enrolled with the key of that hash."""
    agent = vm(WEB).agent
    known = AgentRecord(id=agent, instance=WEB.id, deployment=NAME, generation=1, key_hash=key_hash)
    world.store.records[agent] = known


async def boots(world):
    enrolment = await world.agents.enrolment_for(vm(WEB).agent, WEB.id, NAME, 1)
    world.agents.boot(enrolment)


async def is_seen(world, *, age_s, director_age_s=1000.0, applied=WEB.applied):
    started = world.clock.monotonic() - director_age_s
    async with asyncio.timeout(5):
        sighting = await look(record(world, age_s=age_s, applied=applied), world, director_started=started)
    seen = sighting.agents.get(vm(WEB).agent)
    return seen is not None and seen.is_connected


async def test_an_agent_whose_vm_was_just_made_is_waited_for(world):
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(is_seen(world, age_s=1))
        await asyncio.sleep(0)
        group.create_task(boots(world))
    assert looking.result()


async def test_an_agent_is_waited_for_after_the_directors_start(world):
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(is_seen(world, age_s=BOOT_S * 10, director_age_s=RECONNECT_S / 2))
        await asyncio.sleep(0)
        group.create_task(boots(world))
    assert looking.result()


async def test_an_old_vm_that_never_spoke_is_not_waited_for(world):
    assert not await is_seen(world, age_s=BOOT_S + 1)
    assert not world.agents.awaited


async def test_an_agent_that_spoke_and_fell_silent_is_not_waited_for(world):
    await boots(world)
    world.agents.silence(vm(WEB).agent)
    assert not await is_seen(world, age_s=1)
    assert not world.agents.awaited


async def test_after_the_directors_start_only_agents_that_had_enrolled_are_waited_for(world):
    invited(world)
    assert not await is_seen(world, age_s=BOOT_S + 1, director_age_s=1, applied=Applied())
    assert not world.agents.awaited
    invited(world, key_hash="k")
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(is_seen(world, age_s=BOOT_S + 1, director_age_s=1, applied=Applied()))
        await asyncio.sleep(0.05)
        assert not looking.done()
        group.create_task(boots(world))
    assert looking.result()


async def test_a_half_made_vm_is_the_plans_to_wait_for_and_one_that_replaces_another_is_not(world):
    invited(world)
    assert not await is_seen(world, age_s=1, director_age_s=1, applied=None)
    assert not world.agents.awaited
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(is_seen(world, age_s=1, director_age_s=1, applied=Applied()))
        await asyncio.sleep(0.05)
        assert not looking.done()
        group.create_task(boots(world))
    assert looking.result()
