"""A wait for an agent ends as soon as its VM is seen to be off or gone, and only then; whoever waits looks together."""

import asyncio
from dataclasses import replace

import pytest

from director.adapters.memory.agents import MemoryAgents, Reply
from director.adapters.memory.infrastructure import Hooks, MemoryInfrastructure
from director.execution.infrastructures import Infrastructures
from director.execution.looks import ANSWER_S
from director.execution.silence import AWAY_S, LOOK_S, unless_away, unless_lost
from director.execution.world import World, start_run
from director.model.record import DeploymentRecord, Record, TaskState
from director.model.release import Catalog
from director.ports.agents import FetchLogs, Script
from director.ports.failure import Failure, InfrastructureFailure
from director.ports.infrastructure import VmRequest
from director.reconcile.requests import Deploy
from tests.simulate.test_faults import lived, manifest, vm_of
from tests.simulate.virtual import VirtualClock, run
from tests.unit.api.samples import NAME, instance, vm

HOUR_S = 3600.0
NOTICED_S = 3.0
"""From the end of a stream to the end of the wait, in a calm world: a look is gathered for and takes a second."""


def changed(webs=2):
    return Deploy(deployment="demo", manifest=manifest(webs).replace("port: 80", "port: 81"))


def hang(simulation, request_type):
    """From now on requests of this kind take an hour; the event is set when one has begun."""
    usual, begun = simulation.reply_of, asyncio.Event()

    def reply_of(agent, request):
        found = usual(agent, request)
        if type(request).__name__ != request_type:
            return found
        begun.set()
        return replace(found, after_s=HOUR_S)

    simulation.reply_of = reply_of
    return begun


@pytest.mark.parametrize(("lose", "words"), [("die", "is switched off"), ("vanish", "is gone")])
@pytest.mark.parametrize("request_type", ["Start", "Apply"])
def test_a_deploy_that_waits_for_a_lost_vm_fails_at_once_and_the_watch_brings_it_back(lose, words, request_type):
    async def scenario(simulation):
        usual, begun = simulation.reply_of, hang(simulation, request_type)
        deploying = asyncio.ensure_future(simulation.ask(changed()))
        await begun.wait()
        began = simulation.loop.time()
        getattr(simulation.cloud, lose)(vm_of(simulation, "db/0").name)
        simulation.reply_of = usual
        task = await deploying
        assert task.state is TaskState.ERROR
        assert "db/0: Its VM" in task.result
        assert words in task.result
        assert simulation.loop.time() - began < NOTICED_S + 2.0  # the command looks every 2 s
        await asyncio.sleep(120.0)
        assert not await simulation.unwell()

    lived(scenario)


def test_a_vm_lost_while_it_boots_is_not_waited_for_until_the_deadline():
    async def scenario(simulation):
        deploying = asyncio.ensure_future(simulation.ask(changed(webs=3)))
        while len(simulation.iron.vms) < 4:
            await asyncio.sleep(0.05)
        began = simulation.loop.time()
        simulation.cloud.die(next(name for name in simulation.iron.vms if name.startswith("web-2-")))
        task = await deploying
        assert "web/2: Its VM" in task.result
        assert simulation.loop.time() - began < LOOK_S + NOTICED_S + 4.0
        await simulation.insist(changed(webs=3))

    lived(scenario)


# One wait, or many, without a director around them


class Calls(MemoryInfrastructure):
    """Counts its looks, each of which takes ``pace_s``; may be down, or hide VMs that it has."""

    looks, pace_s, is_down, hidden = 0, 0.2, False, frozenset()

    async def find_vms(self, deployment=None, **how):
        self.looks += 1
        await asyncio.sleep(self.pace_s)
        if self.is_down:
            raise InfrastructureFailure("nobody answers")
        shown = await super().find_vms(deployment, **how)
        return {name: vm for name, vm in shown.items() if name not in self.hidden}


class Fleet:
    """VMs whose agents work for an hour on whatever they are asked, and a task that waits for them."""

    def __init__(self, count):
        clock = self.clock = VirtualClock(asyncio.get_running_loop())
        self.agents = MemoryAgents(clock, script=lambda *_: Reply(after_s=HOUR_S))
        self.iron = Calls(hooks=Hooks(on_boot=self.agents.boot, on_end=self.agents.silence))
        self.world = World(
            store=None,
            infrastructures=Infrastructures(self.iron),
            agents=self.agents,
            secrets=None,
            tasklog=None,
            clock=clock,
        )
        self.vms = [replace(vm(instance(number)), name=f"vm-{number}", cid=f"vm-{number}") for number in range(count)]
        self.task = start_run(
            task=1,
            plan_id="p",
            user="u",
            record=Record(deployment=DeploymentRecord(name=NAME), vms=tuple(self.vms)),
            wanted={},
            contents={},
            values={},
            catalog=Catalog(),
            manifest=None,
        )

    async def up(self):
        for one in self.vms:
            enrolment = await self.agents.enrolment_for(one.agent, one.instance, NAME, 1)
            made = VmRequest(
                name=one.name, instance=one.instance, deployment=NAME, shape=one.shape, enrolment=enrolment
            )
            await self.iron.create_vm(made)
        return self

    async def waits(self, number):
        """For how many seconds a script of that VM was waited for, and what that failed with."""
        agent, began = self.vms[number].agent, self.clock.monotonic()
        asking = self.agents.ask(agent, Script(name="pre-start"), key="k", timeout_s=3 * HOUR_S)
        try:
            await unless_lost(asking, agent, self.task, self.world)
        except Failure as failure:
            return self.clock.monotonic() - began, str(failure)
        return self.clock.monotonic() - began, ""


def of_fleet(scenario, count=1):
    async def main():
        await scenario(await Fleet(count).up())

    run(main())


def test_while_the_agent_answers_nobody_is_asked():
    async def scenario(fleet):
        assert await fleet.waits(0) == (HOUR_S, "")
        assert fleet.iron.looks == 0

    of_fleet(scenario)


def test_an_agent_that_is_away_is_waited_for_while_its_vm_is_on_and_looked_for_every_ten_seconds():
    async def scenario(fleet):
        fleet.agents.silence(fleet.vms[0].agent)
        waiting = asyncio.ensure_future(fleet.waits(0))
        await asyncio.sleep(600.0)
        assert not waiting.done()
        assert 50 <= fleet.iron.looks <= 60
        fleet.agents.wake(fleet.vms[0].agent)
        assert (await waiting)[1] == ""
        assert fleet.iron.looks <= 61

    of_fleet(scenario)


@pytest.mark.parametrize("lost", ["power_off", "lose_vm"])
def test_fifty_vms_lost_within_a_second_cost_a_look_or_two(lost):
    async def scenario(fleet):
        waiting = [asyncio.ensure_future(fleet.waits(number)) for number in range(50)]
        await asyncio.sleep(100.0)
        for number in range(50):
            getattr(fleet.iron, lost)(fleet.vms[number].name)
            await asyncio.sleep(0.02)
        ends = await asyncio.gather(*waiting)
        assert max(took_s for took_s, _ in ends) < 100.0 + 1.0 + NOTICED_S
        assert all(words for _, words in ends)
        assert fleet.iron.looks <= 3

    of_fleet(scenario, count=60)


def test_an_infrastructure_that_cannot_be_asked_ends_no_wait():
    async def scenario(fleet):
        fleet.iron.is_down = True
        fleet.iron.lose_vm(fleet.vms[0].name)
        waiting = asyncio.ensure_future(fleet.waits(0))
        await asyncio.sleep(300.0)
        assert not waiting.done()
        fleet.iron.is_down = False
        took_s, words = await waiting
        assert "is gone" in words
        assert took_s < 300.0 + LOOK_S + NOTICED_S

    of_fleet(scenario)


def test_one_that_hides_vms_whose_agents_answer_is_not_believed_and_rested_when_it_is_slow():
    async def scenario(fleet):
        fleet.iron.hidden = frozenset(one.name for one in fleet.vms)
        fleet.iron.pace_s = ANSWER_S + 1.0  # given up before it answers
        fleet.agents.silence(fleet.vms[0].agent)
        waiting = asyncio.ensure_future(fleet.waits(0))
        await asyncio.sleep(2000.0)
        assert fleet.iron.looks <= 2000.0 / (10 * ANSWER_S)
        fleet.iron.pace_s = 1.0
        await asyncio.sleep(300.0)
        assert not waiting.done()
        fleet.iron.hidden = frozenset({fleet.vms[0].name})
        assert "is gone" in (await waiting)[1]

    of_fleet(scenario, count=3)


def test_what_only_reads_is_not_waited_for_once_the_agent_stays_away():
    async def scenario(fleet):
        agent, began = fleet.vms[0].agent, fleet.clock.monotonic()
        asking = fleet.agents.ask(agent, FetchLogs(kinds=("job",)), key="k", timeout_s=3 * HOUR_S)
        fetching = asyncio.ensure_future(unless_away(asking, agent, "web/0", fleet.world))
        await asyncio.sleep(5.0)
        fleet.agents.silence(agent)
        await asyncio.sleep(AWAY_S - 1.0)
        fleet.agents.wake(agent)
        await asyncio.sleep(60.0)
        assert not fetching.done()
        fleet.agents.silence(agent)
        with pytest.raises(Failure, match="The agent of web/0 went away and did not come back"):
            await fetching
        assert fleet.clock.monotonic() - began == pytest.approx(5.0 + AWAY_S - 1.0 + 60.0 + AWAY_S)

    of_fleet(scenario)
