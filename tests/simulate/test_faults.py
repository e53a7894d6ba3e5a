"""One case for each fault of the table (performance-reliability.md 5.3) that a world on virtual time can show.

Every case is a world with a healthy deployment, the fault, and what must follow; the invariants hold in all of them.
``tests/simulate/test_fault_table.py`` lists which test stands for which fault.
"""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from director.home import only_one
from director.model.record import TaskState
from director.model.sighting import Power
from director.ports.failure import Failure
from director.ports.store import PutInstance, TaskQuery
from director.reconcile.drift import look_for_drift
from director.reconcile.requests import CleanUp, Deploy, Overrides, Repair
from tests.simulate.invariants import check_all
from tests.simulate.seeded import PEACE_S, run_world
from tests.simulate.trouble import CALM, Fate, Weather

MANIFEST = """
name: demo
releases: [{name: sample, version: "1"}]
stemcells: [{alias: default, os: local, version: "1"}]
update: {canaries: 0, max_in_flight: 10, canary_watch_time: 0-30000, update_watch_time: 0-30000}
instance_groups:
- {name: db, instances: 1, azs: [z1], stemcell: default, vm_type: small, persistent_disk_type: ten,
   networks: [{name: private}], jobs: [{name: plain, release: sample, properties: {port: 80}}]}
- {name: web, instances: WEBS, azs: [z1, z2], stemcell: default, vm_type: small,
   networks: [{name: private}], jobs: [{name: plain, release: sample, properties: {port: 80}}]}
"""


def manifest(webs=2):
    return MANIFEST.replace("WEBS", str(webs))


def lived(scenario, *, webs=2, seed=1, rests=True, text=None):
    """A deployment that runs, ``scenario``, then peace. What the scenario returns."""
    given = []

    async def whole(simulation):
        await simulation.begin(text or manifest(webs))
        await asyncio.sleep(60.0)
        given.append(await scenario(simulation))
        if rests and await simulation.come_to_rest():
            await check_all(simulation)

    outcome = run_world(seed, whole)
    assert not outcome.violations, "\n".join([*outcome.trace[-60:], *outcome.violations])
    return given[0]


def vm_of(simulation, label):
    tables = simulation.store._tables
    instance = next(one.id for one in tables.instances.values() if one.label == label)
    return max((vm for vm in tables.vms.values() if vm.instance == instance), key=lambda vm: vm.generation)


async def repairs(simulation):
    return await simulation.store.tasks(TaskQuery(types=(Repair.task_type,), limit=1000))


def creates(simulation):
    return [name for call, name in simulation.iron.calls if call == "create_vm"]


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("part", range(4))
def test_fault_1_killed_at_every_entry_of_the_journal_it_goes_on_by_itself(part, side):
    """A VM with a disk is lost; the director dies at each entry on the way to a new one."""
    reached = []

    def died_at(number):
        async def scenario(simulation):
            deaths = simulation.dies_before if side == "before" else simulation.dies_after
            deaths.add(simulation.entries + number)
            first = simulation.life.number
            simulation.cloud.lose_vm(vm_of(simulation, "db/0").name)
            await asyncio.sleep(300.0)
            reached.append(simulation.life.number > first)
            assert not await simulation.unwell() or not reached[-1]

        return scenario

    for number in range(1 + part, 100, 4):
        lived(died_at(number), seed=number)
        if not reached[-1]:
            break
    assert sum(reached) >= 4, "a repair has more entries than that"


CALLS = ("create_vm", "delete_vm", "attach_disk", "clear_enrolment", "find_vms", "find_vm", "place")


def _struck(call, fate, times=1):
    """The first ``times`` calls of that method after now end so."""

    def install(simulation):
        usual, left = simulation.fate_of, [times]

        def fate_of(asked):
            found = usual(asked)
            if asked == call and left[0]:
                left[0] -= 1
                return (fate, 61.0 + 300.0, 0.0) if fate is Fate.LATE else (fate, *found[1:])
            return found

        simulation.fate_of = fate_of

    return install


@pytest.mark.parametrize("call", CALLS)
def test_fault_2_an_error_at_any_call_of_a_repair_is_got_over(call):
    async def scenario(simulation):
        _struck(call, Fate.FAIL)(simulation)
        simulation.cloud.lose_vm(vm_of(simulation, "db/0").name)
        await asyncio.sleep(300.0)
        assert not await simulation.unwell()

    lived(scenario)


@pytest.mark.parametrize("call", ["create_vm", "delete_vm", "attach_disk", "create_disk"])
def test_fault_3_a_lost_reply_doubles_nothing(call):
    async def scenario(simulation):
        _struck(call, Fate.LOSE_REPLY)(simulation)
        simulation.cloud.lose_vm(vm_of(simulation, "db/0").name)
        await asyncio.sleep(300.0)
        assert not await simulation.unwell()
        assert len(simulation.iron.vms) == 3
        assert len(simulation.iron.disks) == 1

    lived(scenario)


def test_fault_4_a_vm_that_comes_ten_minutes_late_is_no_second_one():
    async def scenario(simulation):
        _struck("create_vm", Fate.LATE)(simulation)
        simulation.cloud.lose_vm(vm_of(simulation, "web/1").name)
        await asyncio.sleep(900.0)
        assert not await simulation.unwell()
        alive = [vm.request.instance for vm in simulation.iron.vms.values() if vm.power is Power.ON]
        assert len(alive) == len(set(alive)) == 3

    lived(scenario)


def test_fault_4_a_vm_made_by_a_request_whose_token_was_replaced_is_not_waited_for_for_ever():
    """Asked for twice, made by the first request: its agent has a token that the second one ended."""

    async def scenario(simulation):
        usual, fates = simulation.fate_of, [(Fate.LATE, 65.0, 0.0), (Fate.DO, 30.0, 0.1)]
        simulation.fate_of = lambda call: fates.pop(0) if call == "create_vm" and fates else usual(call)
        await simulation.insist(Deploy(deployment="demo", manifest=manifest(3)), tries=6)

    lived(scenario)


STRAYS = ("stray-of-ours", "stray-of-theirs", "web-1-of-theirs")


def _strays(simulation):
    """VMs and disks like those of web/1 and db/0, of this director and, in a deployment of the same name, another's."""
    vm = simulation.iron.vms[vm_of(simulation, "web/1").name]
    disk = next(iter(simulation.iron.disks.values()))
    for name in STRAYS:
        instance = None if name.startswith("stray") else vm.request.instance
        enrolment = replace(vm.request.enrolment, agent=f"agent-of-{name}")
        request = replace(vm.request, name=name, instance=instance, enrolment=enrolment)
        owner = "another director" if name.endswith("theirs") else ""
        simulation.iron.vms[name] = replace(vm, request=request, has_enrolment=False, owner=owner)
        simulation.iron.disks[name] = replace(disk, request=replace(disk.request, name=name), vm=None, owner=owner)
    simulation.cloud.late.update(STRAYS)


def test_fault_5_a_stray_of_ours_is_shown_and_goes_after_its_grace_and_nothing_of_others_is_touched():
    async def scenario(simulation):
        alive = set(simulation.iron.vms)
        _strays(simulation)
        await asyncio.sleep(120.0)
        shown = {drift.subject for drift in (await look_for_drift(simulation.world)).drifts}
        assert shown == {"stray-of-ours"}
        for _ in range(2):
            assert set(simulation.iron.vms) == alive | set(STRAYS), "only clean-up may remove it, after its grace"
            await simulation.insist(CleanUp(remove_all=True))
            await asyncio.sleep(3700.0)
        theirs = {"stray-of-theirs", "web-1-of-theirs"}
        assert set(simulation.iron.vms) == alive | theirs
        assert theirs <= set(simulation.iron.disks)
        for name in STRAYS:
            simulation.iron.vms.pop(name, None)
            simulation.iron.disks.pop(name, None)

    lived(scenario)


def test_fault_6_a_partitioned_vm_is_gone_before_its_disk_goes_to_another_and_its_agent_stays_out():
    async def scenario(simulation):
        old = vm_of(simulation, "db/0")
        begun = len(simulation.iron.calls)
        simulation.agents.cut(old.agent, "the network")
        await asyncio.sleep(19.0)
        assert not await repairs(simulation), "thirty seconds have not passed"
        await asyncio.sleep(120.0)
        calls = [call for call, _ in simulation.iron.calls[begun:]]
        assert calls.index("delete_vm") < calls.index("create_vm") < calls.index("attach_disk")
        simulation.agents.mend(old.agent, "the network")
        await asyncio.sleep(60.0)
        assert not simulation.agents.answers(old.agent), "it was given up"
        assert vm_of(simulation, "db/0").generation == old.generation + 1

    lived(scenario)


@pytest.mark.parametrize("down_s", [1.0, 5.0, 15.0, 19.0])
def test_fault_7_an_agent_that_flaps_is_left_alone(down_s):
    async def scenario(simulation):
        agent = vm_of(simulation, "web/0").agent
        events = len(simulation.store._tables.events)
        for _ in range(20):
            simulation.agents.cut(agent, "the network")
            await asyncio.sleep(down_s)
            simulation.agents.mend(agent, "the network")
            await asyncio.sleep(7.0)
        assert not await repairs(simulation)
        assert len(simulation.store._tables.events) == events

    lived(scenario)


@pytest.mark.parametrize("percent", [20, 50, 100])
def test_fault_8_what_is_lost_all_at_once_is_held_and_then_healed_by_itself(percent):
    webs = 29

    async def scenario(simulation):
        before = len(creates(simulation))
        names = sorted(simulation.iron.vms)
        for name in names[: len(names) * percent // 100]:
            simulation.cloud.power_off(name)
        await asyncio.sleep(300.0)
        assert len(creates(simulation)) == before, "a meltdown lets nothing be made"
        holds = {verdict.hold.code for verdict in simulation.watch.report().verdicts if verdict.hold}
        assert holds == {"hold.meltdown"}
        await asyncio.sleep(PEACE_S / 4)
        assert not await simulation.unwell()

    lived(scenario, webs=webs)


def test_fault_8_a_few_are_healed_at_once():
    async def scenario(simulation):
        for label in ("web/0", "web/3"):
            simulation.cloud.power_off(vm_of(simulation, label).name)
        await asyncio.sleep(60.0)
        assert not await simulation.unwell()

    lived(scenario, webs=29)


@pytest.mark.parametrize("seconds", [10.0, 60.0, 600.0])
def test_fault_9_a_director_that_stood_still_blames_itself(seconds):
    async def scenario(simulation):
        simulation.stall(seconds)
        await asyncio.sleep(120.0)
        assert not await repairs(simulation)

    lived(scenario, webs=9)


def test_fault_9_a_director_cut_off_from_all_repairs_nothing():
    async def scenario(simulation):
        simulation.weather = replace(CALM, is_down=True)
        agents = [vm.request.enrolment.agent for vm in simulation.iron.vms.values()]
        for agent in agents:
            simulation.agents.cut(agent, "the director's network")
        await asyncio.sleep(600.0)
        simulation.weather = CALM
        for agent in agents:
            simulation.agents.mend(agent, "the director's network")
        await asyncio.sleep(120.0)
        assert not await repairs(simulation)

    lived(scenario, webs=9)


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 86400.0 * 365])
def test_fault_11_a_clock_that_jumps_kills_nobody(jump_s):
    async def scenario(simulation):
        simulation.clock.jump(jump_s)
        await asyncio.sleep(120.0)
        assert not await repairs(simulation)

    lived(scenario, webs=9)


def test_fault_11_a_clock_put_back_makes_no_vm_young_again():
    """Its agent is not heard of by the new director; by the wall clock its VM has not been created yet."""

    async def scenario(simulation):
        await asyncio.sleep(600.0)
        simulation.kill()
        simulation.clock.jump(-3600.0)
        simulation.agents.cut(vm_of(simulation, "web/0").agent, "the network")
        await asyncio.sleep(300.0)
        assert not await simulation.unwell()

    lived(scenario)


@pytest.mark.parametrize(
    "jump_s",
    [
        3600.0,
        -3600.0,
    ],
)
def test_fault_11_a_clock_that_jumps_delays_no_repair(jump_s):
    """The second loss comes while the pause after the first is being counted."""

    async def scenario(simulation):
        for _ in range(2):
            simulation.cloud.lose_vm(vm_of(simulation, "web/0").name)
            await asyncio.sleep(40.0)
            assert not await simulation.unwell()
            simulation.clock.jump(jump_s)

    lived(scenario)


def test_fault_12_all_agents_come_back_at_once_and_nobody_is_taken_for_dead():
    async def scenario(simulation):
        for _ in range(3):
            simulation.kill()
            await asyncio.sleep(60.0)
        assert not await repairs(simulation)
        assert not await simulation.unwell()

    lived(scenario, webs=99)


def test_fault_13_a_record_locked_for_a_minute_loses_nothing():
    async def scenario(simulation):
        request = Deploy(deployment="demo", overrides=Overrides(state="recreate", target="web"))
        command = asyncio.ensure_future(simulation.insist(request))
        await asyncio.sleep(5.0)
        simulation.store_trouble = "The database is locked."
        await asyncio.sleep(60.0)
        simulation.store_trouble = ""
        assert (await command).state is TaskState.DONE

    lived(scenario)


def test_fault_14_a_full_disk_stops_new_work_and_it_goes_on_when_there_is_space():
    async def scenario(simulation):
        simulation.store_trouble = "The disk of the database is full."
        simulation.cloud.lose_vm(vm_of(simulation, "web/0").name)
        calls = len(simulation.iron.calls)
        await asyncio.sleep(300.0)
        assert not {call for call, _ in simulation.iron.calls[calls:]} & {"create_vm", "delete_vm"}
        simulation.store_trouble = ""
        await asyncio.sleep(120.0)
        assert not await simulation.unwell()

    lived(scenario)


def test_fault_18_a_call_that_hangs_holds_nobody_else_up():
    async def scenario(simulation):
        _struck("create_vm", Fate.LATE)(simulation)
        for label in ("web/0", "web/1", "web/2"):
            simulation.cloud.lose_vm(vm_of(simulation, label).name)
        await asyncio.sleep(50.0)
        assert len(await simulation.unwell()) == 1, "two of three have not waited for the third"

    lived(scenario, webs=9)


def test_fault_19_without_room_nothing_more_is_taken_away_and_it_goes_on_later():
    async def scenario(simulation):
        simulation.weather = Weather()
        usual = simulation.fate_of
        simulation.fate_of = lambda call: (Fate.FAIL, 1.0, 0.0) if call == "create_vm" else usual(call)
        changed = manifest(5).replace("port: 80", "port: 81").replace("max_in_flight: 10", "max_in_flight: 1")
        task = await simulation.ask(Deploy(deployment="demo", manifest=changed.replace("small", "large")))
        assert task.state is TaskState.ERROR
        simulation.fate_of = usual
        lost = 6 - sum(vm.power is Power.ON for vm in simulation.iron.vms.values())
        assert lost <= 2, "no more than one of each group that is updated at a time"
        task = await simulation.insist(Deploy(deployment="demo", manifest=changed.replace("small", "large")))
        assert task.state is TaskState.DONE

    lived(scenario, webs=5)


def test_fault_10_a_second_director_of_one_record_does_not_begin(tmp_path):
    with only_one(tmp_path), pytest.raises(Failure), only_one(tmp_path):
        raise AssertionError("two directors hold one record")
    with only_one(tmp_path):
        pass


HOLDER = """
import os, pathlib, signal, sys
from director.home import only_one
with only_one(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_fault_10_a_second_director_is_refused_also_while_the_first_stands_still_and_not_after_its_death(tmp_path):
    """The lock is the process's, not a time's: no pause of the first lets a second begin, and its end always does."""
    first = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "held\n"
        os.waitpid(first.pid, os.WUNTRACED)
        second = subprocess.run(
            [sys.executable, "-m", "director.main"],
            env={**os.environ, "DIRECTOR_STATE_DIR": str(tmp_path), "DIRECTOR_API_PORT": "0"},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (second.returncode, second.stderr.strip()) == (1, f"Another director runs on {tmp_path}.")
        assert [path.name for path in tmp_path.iterdir()] == ["lock"], "it has not even opened the record"
    finally:
        first.kill()
        first.communicate()
    with only_one(tmp_path):
        pass


def test_fault_15_with_a_record_of_yesterday_nothing_that_runs_is_destroyed():
    """The record is put back to before a VM was recreated: what runs now is newer than anything it knows."""

    async def scenario(simulation):
        yesterday = simulation.store._now
        for target in ("db/0", "web"):
            await simulation.insist(Deploy(deployment="demo", overrides=Overrides(state="recreate", target=target)))
        today, alive = simulation.store._now, set(simulation.iron.vms)
        simulation.kill()
        simulation.store._now = yesterday
        await asyncio.sleep(300.0)
        task = await simulation.ask(Deploy(deployment="demo", manifest=manifest()))
        assert task.state is TaskState.ERROR
        assert "restored from a backup" in task.result
        assert set(simulation.iron.vms) == alive
        simulation.kill()
        simulation.store._now = today
        await asyncio.sleep(60.0)

    lived(scenario)


def test_a_deploy_that_broke_off_stops_no_repair_of_others():
    async def scenario(simulation):
        simulation.weather = Weather(agent_error=1.0)
        changed = manifest(3).replace("port: 80", "port: 81").replace("max_in_flight: 10", "max_in_flight: 1")
        task = await simulation.ask(Deploy(deployment="demo", manifest=changed))
        assert task.state is TaskState.ERROR
        simulation.weather = CALM
        simulation.cloud.lose_vm(vm_of(simulation, "web/0").name)
        await asyncio.sleep(120.0)
        unwell = await simulation.unwell()
        await simulation.insist(Deploy(deployment="demo", manifest=changed))
        assert "web/0" not in unwell

    lived(scenario)


async def _stop_and_silence(simulation):
    await simulation.insist(Deploy(deployment="demo", overrides=Overrides(state="stopped", target="web/0")))
    simulation.agents.cut(vm_of(simulation, "web/0").agent, "the network")


async def _ignore_and_switch_off(simulation):
    vm = vm_of(simulation, "web/0")
    known = simulation.store._tables.instances[vm.instance]
    await simulation.store.commit(PutInstance(record=replace(known, is_ignored=True)))
    simulation.cloud.power_off(vm.name)


async def _nothing(_simulation):
    pass


@pytest.mark.parametrize(
    "given",
    [
        _nothing,
        _ignore_and_switch_off,
        _stop_and_silence,
    ],
)
def test_a_watch_with_nothing_to_do_looks_seldom(given):
    async def scenario(simulation):
        await given(simulation)
        await asyncio.sleep(60.0)
        looks, usual = [], simulation.watch.look

        async def look():
            looks.append(simulation.loop.time())
            return await usual()

        simulation.watch.look = look
        await asyncio.sleep(600.0)
        return len(looks)

    assert lived(scenario, rests=False) <= 130
