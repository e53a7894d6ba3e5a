"""Tasks whose director stopped: gone on with where their plan holds, ended in words where not, and never for ever."""

import asyncio
import json
from dataclasses import replace

import pytest

from director.adapters.memory.agents import Reply
from director.adapters.memory.infrastructure import Fault, FaultKind
from director.model.record import TaskState
from director.ports.failure import Retry
from director.ports.infrastructure import Enrolment, VmRequest
from director.ports.store import DropDeployment, EventQuery, PutDeployment, PutTask, TaskQuery
from director.reconcile.requests import DeleteDeployment, Deploy, Overrides, RunErrand
from director.reconcile.take_up import GOES_ON, TIMES_MAX
from tests.simulate.simulation import MANIFEST, Killed, Simulation

ERRAND = """
- name: smoke
  instances: 1
  lifecycle: errand
  azs: [z1]
  stemcell: default
  vm_type: small
  networks: [{name: private}]
  jobs: [{name: check, release: sample}]
"""
DEPLOY = Deploy(deployment="demo", manifest=MANIFEST)
RECREATE = Deploy(deployment="demo", overrides=Overrides(recreate=True))
LARGER = Deploy(deployment="demo", manifest=MANIFEST.replace("vm_type: small", "vm_type: large"))


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    return made


async def killed(simulation, request, at):
    """A director that dies at this commit of the task."""
    simulation.store.dies_at = at
    with pytest.raises(Killed):
        await simulation.direct(request)
    simulation.agents.lose_director()
    simulation.store.dies_at = 0
    simulation.agents.find_director()


def said(simulation, task):
    return simulation.world.tasklog.read(task.id, "event").decode()


async def test_a_task_gone_on_with_says_so_in_its_log_and_in_the_audit_trail(simulation):
    await killed(simulation, DEPLOY, 30)
    task = await simulation.direct(None)
    assert task.state is TaskState.DONE
    assert said(simulation, task).count(GOES_ON) == 1
    events = await simulation.store.events(EventQuery(task=task.id, action="resume"))
    assert [(event.user, event.object_name) for event in events] == [("director", str(task.id))]
    assert len(await simulation.store.events(EventQuery(task=task.id, action="create", object_type="deployment"))) == 2


async def test_it_walks_the_plan_that_was_stored_and_begins_none_of_its_done_steps_again(simulation):
    await simulation.direct(DEPLOY)
    await killed(simulation, RECREATE, 40)
    [task] = await simulation.store.tasks(TaskQuery(states=(TaskState.PROCESSING,)))
    plan, done = await simulation.store.plan_of_task(task.id), len(simulation.agents.done)
    assert done
    ended = await simulation.direct(None)
    assert ended.state is TaskState.DONE, ended.result
    assert await simulation.store.plan_of_task(task.id) == plan
    created = [name for call, name in simulation.iron.calls if call == "create_vm"]
    assert len(created) == len(set(created))


async def test_a_task_that_was_being_cancelled_ends_as_cancelled(simulation):
    await killed(simulation, DEPLOY, 30)
    [task] = await simulation.store.tasks(TaskQuery(states=(TaskState.PROCESSING,)))
    await simulation.store.commit(PutTask(record=replace(task, state=TaskState.CANCELLING)))
    assert (await simulation.direct(None)).state is TaskState.CANCELLED
    assert (await simulation.direct(DEPLOY)).state is TaskState.DONE
    await simulation.check_invariants()


async def test_without_resuming_it_ends_with_an_error_and_the_same_request_ends_it_well(simulation):
    await killed(simulation, DEPLOY, 30)
    task = await simulation.direct(None, resumes=False)
    assert task.state is TaskState.ERROR
    assert "run the same command again" in task.result
    assert (await simulation.direct(DEPLOY)).state is TaskState.DONE
    await simulation.check_invariants()


@pytest.mark.parametrize(
    ("request_", "ends"), [(LARGER, TaskState.DONE), (RECREATE, TaskState.ERROR), (DEPLOY, TaskState.DONE)]
)
async def test_a_plan_that_does_not_hold_is_made_anew_only_where_nothing_can_happen_twice(simulation, request_, ends):
    await simulation.direct(DEPLOY)
    changed = Deploy(deployment="demo", manifest=MANIFEST.replace("port: 80", "port: 81"))
    await killed(simulation, changed if request_ is DEPLOY else request_, 12)
    record = await simulation.store.record("demo")
    moved = replace(record.deployment, serial=record.deployment.serial + 1)
    await simulation.store.commit(PutDeployment(record=moved))
    task = await simulation.direct(None)
    assert task.state is ends, task.result
    words = "does not hold any more" if ends is TaskState.DONE else "It cannot go on: another plan"
    assert words in said(simulation, task)
    if ends is TaskState.DONE:
        await simulation.check_invariants()


async def test_a_task_that_stops_its_director_again_and_again_without_coming_further_ends_with_an_error(simulation):
    await killed(simulation, DEPLOY, 3)
    for _ in range(TIMES_MAX):
        simulation.store.dies_at = 3  # after taking it up and beginning it
        with pytest.raises(Killed):
            await simulation.direct(None)
        simulation.agents.find_director()
    simulation.store.dies_at = 0
    task = await simulation.direct(None)
    assert task.state is TaskState.ERROR
    assert f"taken up again {TIMES_MAX} times" in task.result
    assert not [name for name in simulation.store._tables.settings if name.startswith(("walk:", "resumed:"))]


async def test_one_that_comes_a_little_further_each_time_is_gone_on_with(simulation):
    await killed(simulation, DEPLOY, 20)
    times = 0
    while times < 100:
        times += 1
        simulation.store.dies_at = 14
        try:
            task = await simulation.direct(None)
        except Killed:
            simulation.agents.lose_director()
            simulation.agents.find_director()
        else:
            break
    assert times > TIMES_MAX
    assert task.state is TaskState.DONE, task.result
    simulation.store.dies_at = 0
    await simulation.check_invariants()


async def test_an_errand_cut_off_at_any_commit_runs_once_and_its_result_is_told(tmp_path):
    cut = 0
    for kill_at in range(1, 200):
        simulation = Simulation(tmp_path / str(kill_at))
        await simulation.prepare()
        await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST + ERRAND.lstrip("\n")))
        simulation.agents.done.clear()
        simulation.store.dies_at = kill_at
        try:
            task = await simulation.direct(RunErrand(deployment="demo", errand="check"))
        except Killed:
            simulation.agents.lose_director()
            simulation.agents.find_director()
            if len(await simulation.store.tasks(TaskQuery())) < 2:
                continue
            simulation.store.dies_at = 0
            task = await simulation.direct(None)
            cut += 1
        else:
            break
        finally:
            simulation.store.dies_at = 0
        assert task.state is TaskState.DONE, (kill_at, task.result)
        assert len([key for _, key in simulation.agents.done if key.endswith(":run-errand")]) == 1
        lines = simulation.world.tasklog.read(task.id, "result").decode().splitlines()
        assert {json.loads(line)["exit_code"] for line in lines} == {0}
        assert not [name for name in simulation.iron.vms if name.startswith("smoke-")]
    assert cut > 10


async def test_a_script_that_failed_is_not_run_again_by_the_next_director(tmp_path):
    """Between the agent's answer and the end of the task the director dies at any commit."""
    reached = 0
    for kill_at in range(20, 200):
        simulation = Simulation(tmp_path / str(kill_at))
        await simulation.prepare()
        simulation.agents.script = _pre_start_fails
        simulation.store.dies_at = kill_at
        try:
            task = await simulation.direct(DEPLOY)
        except Killed:
            reached += any(key.endswith(":pre-start") for _, key in simulation.agents.done)
            simulation.agents.lose_director()
            simulation.store.dies_at = 0
            simulation.agents.find_director()
            task = await simulation.direct(None)
        else:
            break
        assert task.state is TaskState.ERROR
        assert "the migration failed" in task.result
        asked = [key for _, key in simulation.agents.done]
        assert len(asked) == len(set(asked)), "an agent did the same step twice"
    assert reached


def _pre_start_fails(_agent, key, _request):
    return Reply(error="the migration failed" if key.endswith(":pre-start") else "")


async def test_when_all_is_recorded_no_agent_keeps_an_answer(simulation):
    assert (await simulation.direct(DEPLOY)).state is TaskState.DONE
    simulation.agents.script = lambda _agent, key, _request: Reply(error="no" if key.endswith("db/0:start") else "")
    assert (await simulation.direct(LARGER)).state is TaskState.ERROR
    assert simulation.agents.done
    assert {key for agent in simulation.agents._agents.values() for key in agent.results} == set()


async def test_a_deletion_cut_off_after_its_last_step_is_done(simulation):
    """Its plan went with the deployment, so only the record's emptiness tells."""
    await simulation.direct(DEPLOY)
    forgotten = asyncio.Event()
    commit = simulation.store.commit

    async def dies_after_forgetting(*changes):
        await commit(*changes)
        if any(isinstance(change, DropDeployment) for change in changes):
            forgotten.set()
            raise Killed

    simulation.store.commit = dies_after_forgetting
    with pytest.raises(Killed):
        await simulation.direct(DeleteDeployment(deployment="demo"))
    simulation.store.commit = commit
    assert forgotten.is_set()
    simulation.agents.find_director()
    assert (await simulation.direct(None)).state is TaskState.DONE


async def test_a_vm_that_comes_long_after_its_creation_timed_out_and_was_given_up_is_removed(simulation):
    infrastructure = simulation.world.infrastructures.of("")
    lost = Fault(call="create_vm", kind=FaultKind.FAIL, nth=None, retry=Retry.NEVER)
    infrastructure.faults.append(lost)
    assert (await simulation.direct(DEPLOY)).state is TaskState.ERROR
    infrastructure.faults.clear()
    unanswered = {vm.name: vm for vm in await simulation.store.vms()}
    assert len(unanswered) == 4
    simulation.store.dies_at = 0
    assert (await simulation.direct(DeleteDeployment(deployment="demo"))).state is TaskState.DONE
    assert {one.target for one in await simulation.store.open_intents()} >= set(unanswered)
    for vm in unanswered.values():
        enrolment = Enrolment(agent=vm.agent, token="late", ca_certificate="", enrol_targets=(), agent_targets=())
        await infrastructure.create_vm(
            VmRequest(name=vm.name, instance=vm.instance, deployment="demo", shape=vm.shape, enrolment=enrolment)
        )
    other = Deploy(deployment="demo", manifest=MANIFEST)
    task = await simulation.direct(other)
    assert task.state is TaskState.DONE, task.result
    async with asyncio.timeout(10):
        while set(simulation.iron.vms) & set(unanswered):
            await simulation.direct(other)
    await simulation.check_invariants()
    assert not {one.target for one in await simulation.store.open_intents()} & set(unanswered)


async def test_a_record_put_back_to_an_earlier_day_is_not_acted_on(simulation):
    await simulation.direct(DEPLOY)
    backup = simulation.store._now
    await simulation.direct(RECREATE)
    newer = set(simulation.iron.vms)
    simulation.store._now = backup
    for request in (DEPLOY, DeleteDeployment(deployment="demo")):
        task = await simulation.direct(request)
        assert task.state is TaskState.ERROR
        assert "Was its record restored from a backup?" in task.result
    assert set(simulation.iron.vms) == newer
