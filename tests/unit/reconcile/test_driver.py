"""The task queue: one at a time per deployment, others side by side, cancelling, and a handler that breaks."""

import asyncio

import pytest
import structlog

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.infrastructure import MemoryInfrastructure
from director.adapters.memory.store import MemoryStore
from director.adapters.tasklog import FileTaskLog
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.model.problem import Problem, Refused
from director.model.record import TaskState
from director.ports.failure import Failure, Retry, StoreFailure
from director.ports.store import PutTask
from director.reconcile.driver import Driver
from director.reconcile.requests import DeleteDeployment, ListInstances


class Checker:
    async def check(self, request):
        raise AssertionError(request)

    async def read(self, request):
        raise AssertionError(request)


@pytest.fixture
async def world(tmp_path):
    clock = SystemClock()
    return World(
        store=MemoryStore(),
        infrastructures=Infrastructures(MemoryInfrastructure()),
        agents=MemoryAgents(clock),
        secrets=None,
        tasklog=FileTaskLog(tmp_path),
        clock=clock,
    )


@pytest.fixture
async def drive(world):
    pulses = []

    def start(handler, **more):
        driver = Driver(world, {DeleteDeployment: handler, ListInstances: handler}, Checker(), tasks_at_once=8, **more)
        pulses.append(asyncio.create_task(driver.run()))
        return driver

    yield start
    for pulse in pulses:
        pulse.cancel()
    await asyncio.gather(*pulses, return_exceptions=True)


async def ended(world, task):
    async with asyncio.timeout(5):
        while not (found := await world.store.task(task.id)).state.is_final:
            await asyncio.sleep(0.001)
    return found


async def test_tasks_of_one_deployment_run_one_after_the_other_and_others_beside_them(world, drive):
    running, seen = [], []
    go = asyncio.Event()

    async def handler(request, job):
        running.append(request.deployment)
        seen.append(sorted(running))
        if request.deployment == "slow":
            await go.wait()
        running.remove(request.deployment)
        return ""

    driver = drive(handler)
    first = await driver.submit(DeleteDeployment(deployment="slow"), user="u")
    second = await driver.submit(DeleteDeployment(deployment="slow"), user="u")
    other = await driver.submit(DeleteDeployment(deployment="quick"), user="u")
    assert (await ended(world, other)).state is TaskState.DONE
    assert driver.is_locked("slow") == first.id
    assert (await world.store.task(second.id)).state is TaskState.QUEUED
    go.set()
    assert (await ended(world, second)).state is TaskState.DONE
    assert ["slow", "slow"] not in seen


async def test_reading_tasks_are_not_held_up_by_a_change(world, drive):
    go = asyncio.Event()

    async def handler(request, job):
        if isinstance(request, DeleteDeployment):
            await go.wait()
        return ""

    driver = drive(handler)
    change = await driver.submit(DeleteDeployment(deployment="d"), user="u")
    reading = await driver.submit(ListInstances(deployment="d"), user="u")
    assert (await ended(world, reading)).state is TaskState.DONE
    go.set()
    await ended(world, change)


async def test_a_queued_task_is_cancelled_at_once_and_never_runs(world, drive):
    ran, go = [], asyncio.Event()

    async def handler(request, job):
        ran.append(job.task.id)
        await go.wait()
        return ""

    driver = drive(handler)
    first = await driver.submit(DeleteDeployment(deployment="d"), user="u")
    waiting = await driver.submit(DeleteDeployment(deployment="d"), user="u")
    assert await driver.cancel(waiting.id)
    go.set()
    assert (await ended(world, first)).state is TaskState.DONE
    assert (await world.store.task(waiting.id)).state is TaskState.CANCELLED
    assert ran == [first.id]
    assert not await driver.cancel(waiting.id)


async def test_a_running_task_hears_of_its_cancelling(world, drive):
    began = asyncio.Event()

    async def handler(request, job):
        began.set()
        await job.cancelled.wait()
        job.check()
        return ""

    driver = drive(handler)
    task = await driver.submit(DeleteDeployment(deployment="d"), user="u")
    await began.wait()
    assert await driver.cancel(task.id)
    assert (await ended(world, task)).state is TaskState.CANCELLED


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (Failure("the disk is full"), "the disk is full"),
        (ExceptionGroup("walk", [ExceptionGroup("", [Failure("the disk is full")]), Failure("b")]), "the disk is full"),
        (ExceptionGroup("w", [Failure("the disk is full"), KeyError("secret detail")]), "The director itself failed"),
        (Refused([Problem(code="c", summary="s", detail="No such thing.", fix="name another.")]), "No such thing."),
        (ValueError("secret detail"), "The director itself failed (ValueError)"),
    ],
)
async def test_a_failing_handler_ends_its_task_with_words_and_the_next_one_runs(world, drive, raised, said):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    async def handler(request, job):
        if request.deployment == "bad":
            raise raised
        return "fine"

    driver = drive(handler)
    bad = await ended(world, await driver.submit(DeleteDeployment(deployment="bad"), user="u"))
    good = await ended(world, await driver.submit(DeleteDeployment(deployment="good"), user="u"))
    structlog.reset_defaults()
    assert (bad.state, good.result) == (TaskState.ERROR, "fine")
    assert said in bad.result
    assert "secret detail" not in bad.result
    assert said.encode() in world.tasklog.read(bad.id, "event")


@pytest.mark.parametrize("resumes", [True, False])
async def test_a_new_director_goes_on_with_what_the_old_one_was_doing_unless_told_not_to(world, drive, resumes):
    hang = asyncio.Event()

    async def never(request, job):
        await hang.wait()
        return ""

    old = drive(never)
    running = await old.submit(DeleteDeployment(deployment="d"), user="u")
    queued = await old.submit(DeleteDeployment(deployment="d"), user="u")
    async with asyncio.timeout(5):
        while (await world.store.task(running.id)).state is not TaskState.PROCESSING:
            await asyncio.sleep(0.001)

    async def handler(request, job):
        return "fine"

    drive(handler, resumes=resumes)
    assert (await ended(world, queued)).result == "fine"
    stopped = await world.store.task(running.id)
    words = "goes on with this task" if resumes else "run the same command again"
    assert stopped.state is (TaskState.DONE if resumes else TaskState.ERROR)
    assert words.encode() in world.tasklog.read(running.id, "event")


async def test_a_disk_full_for_a_moment_delays_the_end_of_a_task_and_loses_neither_it_nor_the_director(world, drive):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    commit, left = world.store.commit, [2]

    async def full_for_a_while(*changes):
        ends = any(isinstance(c, PutTask) and c.record.state is TaskState.DONE for c in changes)
        if ends and left[0]:
            left[0] -= 1
            raise StoreFailure("the disk is full", retry=Retry.SOON)
        await commit(*changes)

    world.store.commit = full_for_a_while
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    world.clock.sleep = sleep

    async def handler(request, job):
        return "fine"

    driver = drive(handler)
    assert (await ended(world, await driver.submit(DeleteDeployment(deployment="d"), user="u"))).result == "fine"
    structlog.reset_defaults()
    assert pauses == [0.5, 1.0]


class Counted:
    """A meter and a tracer that keep what they are told."""

    def __init__(self):
        self.gauges, self.told = {}, []

    def count(self, name, by=1.0, **labels):
        self.told.append((name, labels))

    def observe(self, name, seconds, **labels): ...

    def gauge(self, name, read):
        self.gauges[name] = read

    def begin(self, task, name, facts):
        self.told.append(("begin", task, name))
        return "abc123"

    def span(self, *what): ...

    def end(self, task, error=""):
        self.told.append(("end", task, error))


async def test_tasks_are_counted_traced_and_the_queue_is_told(world, drive, monkeypatch):
    counted, go = Counted(), asyncio.Event()
    object.__setattr__(world, "meter", counted)
    object.__setattr__(world, "tracer", counted)

    async def handler(request, job):
        await go.wait()
        if request.deployment == "bad":
            raise Failure("It will not.")
        return ""

    driver = drive(handler)
    tasks = [await driver.submit(DeleteDeployment(deployment=name), user="u") for name in ("bad", "bad", "good")]
    await asyncio.sleep(0.01)
    lengths = {name: [value for _, value in read()] for name, read in counted.gauges.items()}
    assert lengths == {"tasks_waiting": [1.0], "tasks_running": [2.0]}
    go.set()
    for task in tasks:
        await ended(world, task)
    await asyncio.sleep(0)
    outcomes = sorted(labels["outcome"] for name, labels in (one for one in counted.told if one[0] == "tasks"))
    assert outcomes == ["done", "error", "error"]
    assert ("end", tasks[0].id, "It will not.") in counted.told
    assert ("end", tasks[2].id, "") in counted.told
    assert b"trace abc123" in world.tasklog.read(tasks[0].id, "debug")
