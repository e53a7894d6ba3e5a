"""What holds the director's own repairs back, in whole worlds: its doubts in itself, data at risk, crash loops."""

import asyncio
from itertools import pairwise

import pytest

from director.model.health import Condition
from director.model.record import TaskState
from director.ports.store import PutSetting
from director.reconcile.doubt import Doubt
from director.reconcile.requests import DeleteDeployment, Deploy
from director.reconcile.watch import Rules, Watch
from tests.simulate.test_faults import lived, manifest, repairs, vm_of


def holds(simulation):
    """Codes by label."""
    return {v.finding.label: v.hold.code for v in simulation.watch.report().verdicts if v.hold}


def everybody(simulation):
    return [vm.request.enrolment.agent for vm in simulation.iron.vms.values()]


def cut(simulation, agents):
    for agent in agents:
        simulation.agents.cut(agent, "the director's network")


def mend(simulation, agents):
    for agent in agents:
        simulation.agents.mend(agent, "the director's network")


def repaired(simulation, tasks):
    """Labels, oldest task first."""
    labels = {one.id: one.label for one in simulation.store._tables.instances.values()}
    return [sorted(labels[key] for key, _ in task.options["remedies"]) for task in sorted(tasks, key=lambda t: t.id)]


# Everybody is silent, so it is me


@pytest.mark.parametrize("webs", [2, 3, 9])
def test_fault_9_a_director_that_alone_is_cut_off_repairs_nothing_and_says_why(webs):
    """Fewer than a meltdown needs, or more; the infrastructure shows every VM on."""

    async def scenario(simulation):
        agents = everybody(simulation)
        cut(simulation, agents)
        await asyncio.sleep(1000.0)
        assert not await repairs(simulation)
        assert set(holds(simulation).values()) == {"hold.doubt"}
        assert f"{webs + 1} of {webs + 1} agents fell silent" in simulation.watch.report().doubts[0]
        mend(simulation, agents)
        await asyncio.sleep(60.0)
        assert not await repairs(simulation)
        assert simulation.watch.report().doubts == ()

    lived(scenario, webs=webs)


def test_fault_9_a_director_whom_no_agent_finds_after_its_start_repairs_nothing():
    async def scenario(simulation):
        agents = everybody(simulation)
        cut(simulation, agents)
        simulation.kill()
        await asyncio.sleep(600.0)
        assert not await repairs(simulation)
        assert "none of 4 agents has been heard of" in simulation.watch.report().doubts[0]
        mend(simulation, agents)
        await asyncio.sleep(60.0)
        assert not await repairs(simulation)

    lived(scenario, webs=3)


def test_who_stays_silent_when_others_are_heard_again_counts_from_then():
    async def scenario(simulation):
        agents, lost = everybody(simulation), vm_of(simulation, "web/0").agent
        cut(simulation, agents)
        await asyncio.sleep(300.0)
        mend(simulation, [agent for agent in agents if agent != lost])
        await asyncio.sleep(45.0)
        assert not await repairs(simulation), "as after a start, and then as patient as usual"
        await asyncio.sleep(15.0)
        assert repaired(simulation, await repairs(simulation)) == [["web/0"]]

    lived(scenario, webs=3)


def test_what_is_proven_off_is_repaired_while_the_director_doubts_itself():
    async def scenario(simulation):
        agents = everybody(simulation)
        cut(simulation, agents)
        simulation.cloud.power_off(vm_of(simulation, "web/1").name)
        await asyncio.sleep(300.0)
        assert repaired(simulation, await repairs(simulation)) == [["web/1"]]
        assert set(holds(simulation).values()) == {"hold.doubt"}
        mend(simulation, agents)

    lived(scenario, webs=5)


def test_before_its_first_look_a_watch_says_that_it_knows_nothing():
    async def scenario(simulation):
        watch = Watch(simulation.world, simulation.driver, Doubt(simulation.clock), Rules())
        assert not watch.report().has_looked
        assert watch.report().doubts
        await watch.look()
        assert watch.report().has_looked
        assert dict(watch.report().counts) == {Condition.RUNNING: 3}

    lived(scenario)


# Data at risk


def databases(budget, count=3):
    text = manifest(1).replace("name: db, instances: 1", f"name: db, instances: {count}")
    return text.replace("max_in_flight: 10", f"max_in_flight: {budget}")


@pytest.mark.parametrize(("budget", "batches"), [("1", 3), ("2", 2), ("70%", 2), ("3", 1)])
def test_what_is_lost_of_a_group_with_disks_is_repaired_up_to_its_max_in_flight_at_a_time(budget, batches):
    async def scenario(simulation):
        for number in range(3):
            simulation.cloud.power_off(vm_of(simulation, f"db/{number}").name)
        await asyncio.sleep(600.0)
        assert not await simulation.unwell()
        assert len(await repairs(simulation)) == batches

    lived(scenario, text=databases(budget))


def test_one_that_is_lost_while_another_of_its_group_is_repaired_waits_for_the_group():
    async def scenario(simulation):
        told = set()
        simulation.cloud.power_off(vm_of(simulation, "db/0").name)
        while not simulation.watch.report().repairing:
            await asyncio.sleep(0.01)
        simulation.cloud.power_off(vm_of(simulation, "db/1").name)
        while len(await repairs(simulation)) < 2:
            await asyncio.sleep(0.01)
            told |= {code for label, code in holds(simulation).items() if label == "db/1"}
        assert told == {"hold.quorum"}

    lived(scenario, text=databases(1))


@pytest.mark.parametrize("budget", ["1", "3"])
def test_one_that_serves_is_rebooted_only_when_the_others_of_its_group_are_back(budget):
    async def scenario(simulation):
        simulation.fate_of = lambda call, usual=simulation.fate_of: (
            (usual(call)[0], 100.0, 0.1) if call == "reboot_vm" else usual(call)
        )
        simulation.agents.unmount(vm_of(simulation, "db/1").agent)
        await asyncio.sleep(15.0)
        simulation.cloud.power_off(vm_of(simulation, "db/0").name)
        await asyncio.sleep(50.0)
        assert repaired(simulation, await repairs(simulation)) == [["db/0"]]
        await asyncio.sleep(400.0)
        assert repaired(simulation, await repairs(simulation))[:2] == [["db/0"], ["db/1"]]
        assert not await simulation.unwell()

    lived(scenario, text=databases(budget))


# Crash loops


def test_a_job_that_works_for_a_while_after_each_restart_is_never_given_up_but_ever_more_seldom_helped():
    async def scenario(simulation):
        agent, times, seen = vm_of(simulation, "web/0").agent, [], set()
        while len(times) < 7:
            simulation.agents.fail(agent, for_good=False)
            while not (await simulation.unwell() == [] and len(await repairs(simulation)) > len(times)):
                await asyncio.sleep(1.0)
                seen |= {holds(simulation).get("web/0")}
            times.append(simulation.loop.time())
            await asyncio.sleep(70.0)
        remedies = {remedy for task in await repairs(simulation) for _, remedy in task.options["remedies"]}
        assert remedies == {"restart its jobs"}
        assert "hold.crash-loop" in seen
        assert "hold.given-up" not in seen
        pauses = [after - before for before, after in pairwise(times)]
        assert pauses[1:] == sorted(pauses[1:])
        assert 300.0 < pauses[2] < 400.0
        assert 2400.0 < pauses[5] < 2500.0

    lived(scenario)


def test_a_job_that_never_works_is_restarted_twice_recreated_once_and_given_up():
    async def scenario(simulation):
        for _ in range(60):
            if simulation.agents.answers(vm_of(simulation, "web/0").agent):
                simulation.agents.fail(vm_of(simulation, "web/0").agent, for_good=True)
            await asyncio.sleep(20.0)
        tasks = sorted(await repairs(simulation), key=lambda task: task.id)
        remedies = [remedy for task in tasks for _, remedy in task.options["remedies"]]
        assert remedies == ["restart its jobs", "restart its jobs", "recreate its VM"]
        assert holds(simulation)["web/0"] == "hold.given-up"

    lived(scenario)


# What is remembered


def test_what_was_remembered_of_a_deployment_goes_with_it_also_from_the_memory_of_the_watch():
    async def scenario(simulation):
        simulation.cloud.power_off(vm_of(simulation, "web/0").name)
        await asyncio.sleep(60.0)
        await simulation.store.commit(PutSetting(name="problems:demo", value={"last": 3, "open": []}))
        assert "repairs:demo" in simulation.store._tables.settings
        await simulation.insist(DeleteDeployment(deployment="demo"))
        await asyncio.sleep(30.0)
        assert not {"repairs:demo", "problems:demo"} & simulation.store._tables.settings.keys()
        task = await simulation.insist(Deploy(deployment="demo", manifest=manifest(2)))
        assert task.state is TaskState.DONE
        assert not await simulation.store.setting("repairs:demo")
        assert len(await repairs(simulation)) == 1

    lived(scenario)
