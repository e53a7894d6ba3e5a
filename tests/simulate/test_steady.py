"""A director that keeps a deployment as wanted, on a world in memory: what it applies, what it leaves pending."""

import asyncio
import shutil
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from director.adapters.memory.agents import Reply
from director.adapters.sources import FileSources
from director.adapters.store.encode import plan_from_tree, plan_to_tree
from director.model.deployment import Count
from director.model.health import Condition, Finding, HealthReport, Remedy, Verdict
from director.model.names import DeploymentName
from director.model.record import TaskState
from director.model.steady import Directory, Git, Mode, Policy, State, setting_of
from director.ports.agents import Start
from director.ports.sources import SourceFailure, Texts
from director.ports.store import DropConfig, EventQuery, PutInstance, TaskQuery
from director.reconcile.drift import look_for_drift
from director.reconcile.driver import Driver
from director.reconcile.handlers import Deployments
from director.reconcile.requests import DeleteDeployment, Deploy
from director.reconcile.steady import Steady
from tests.simulate.simulation import CLOUD, MANIFEST, Simulation

DEMO = DeploymentName("demo")
OTHER_PORT = MANIFEST.replace("port: 80", "port: 81")
WIDER = CLOUD.replace("{name: small, cloud_properties: {ram: 64}}", "{name: small, cloud_properties: {ram: 96}}")


class Clock:
    """The simulation's clock, whose days a test may skip."""

    def __init__(self, inner):
        self._inner, self.skipped_s = inner, 0.0

    def now(self):
        return self._inner.now() + self.skipped_s

    def monotonic(self):
        return self._inner.monotonic() + self.skipped_s

    async def sleep(self, seconds):
        await self._inner.sleep(min(seconds, 0.01))


@dataclass
class HeldTexts:
    """A source whose texts a test holds."""

    texts: Texts | Exception | None = None
    forgotten: list = field(default_factory=list)

    async def read(self, source, deployment):
        if isinstance(self.texts, Exception):
            raise self.texts
        return self.texts

    async def forget(self, deployment):
        self.forgotten.append(deployment)


@dataclass
class Bell:
    rung: list = field(default_factory=list)

    def ring(self, alert):
        self.rung.append(alert)


class Keeper:
    """One director that runs on; ``settled`` waits until it has nothing more to do."""

    def __init__(self, simulation, sources):
        self.store = simulation.store
        self.clock = simulation.world.clock
        self.health = None
        preparer = simulation._preparer()
        deployments = Deployments(preparer=preparer, world=simulation.world, encode=plan_to_tree, decode=plan_from_tree)
        table = {Deploy: deployments.deploy, DeleteDeployment: deployments.delete}
        self.driver = Driver(simulation.world, table, preparer, tasks_at_once=4)
        self.ended = asyncio.Event()
        self.driver.listen(self.ended.set)
        self.steady = Steady(
            world=simulation.world,
            tasks=self.driver,
            sources=sources,
            drift=partial(look_for_drift, simulation.world),
            health=lambda: self.health,
            chance=lambda: 0.5,
        )

    async def settled(self):
        """Rounds until one begins nothing more."""
        while True:
            self.ended.clear()
            await self.steady.round()
            if not await self.under_way():
                return self.standing()
            async with asyncio.timeout(20):
                await self.ended.wait()

    async def under_way(self):
        states = (TaskState.QUEUED, TaskState.PROCESSING, TaskState.CANCELLING)
        return await self.store.tasks(TaskQuery(states=states))

    def standing(self):
        found = self.steady.standings()
        return found[0] if found else None

    async def later(self, seconds=1000.0):
        """Time goes by, until everything is looked at again."""
        self.clock.skipped_s += seconds
        return await self.settled()

    async def tasks(self):
        """Those it began by itself, oldest first."""
        return sorted((t for t in await self.store.tasks(TaskQuery()) if t.user == "steady"), key=lambda t: t.id)


@asynccontextmanager
async def directing(simulation, sources=None):
    keeper = Keeper(simulation, sources or HeldTexts())
    pulse = asyncio.create_task(keeper.driver.run())
    await asyncio.sleep(0)
    try:
        yield keeper
    finally:
        pulse.cancel()
        await asyncio.gather(pulse, return_exceptions=True)


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    made.bell = Bell()
    made.world = replace(made.world, clock=Clock(made.world.clock), alerts=made.bell)
    await made.prepare()
    task = await made.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.DONE, task.result
    return made


def policy(mode=Mode.APPLY, **more):
    return Policy(deployment=DEMO, mode=mode, by="test", **more)


async def use_cloud(simulation, text):
    await simulation.store.add_config("cloud", "default", text, 1.0)


async def ram_of(simulation):
    return {vm.request.shape.cloud_properties["ram"] for vm in simulation.iron.vms.values()}


async def test_a_deployment_that_is_as_wanted_is_left_alone_for_ever(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
        assert (await keeper.settled()).state is State.STEADY
        done = len(simulation.agents.done)
        for _ in range(5):
            assert (await keeper.later()).state is State.STEADY
        assert await keeper.tasks() == []
        assert len(simulation.agents.done) == done


async def test_a_new_cloud_config_is_applied_and_then_it_rests(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
        await keeper.settled()
        await use_cloud(simulation, WIDER)
        standing = await keeper.settled()
        assert standing.state is State.STEADY
        assert await ram_of(simulation) == {96}
        (task,) = await keeper.tasks()
        assert (task.state, standing.task) == (TaskState.DONE, task.id)
        await simulation.check_invariants()
        await keeper.later()
        assert len(await keeper.tasks()) == 1


async def test_with_deployed_configs_a_new_one_changes_nothing(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy(uses_latest=False))
        await use_cloud(simulation, WIDER)
        assert (await keeper.settled()).state is State.STEADY
        assert await ram_of(simulation) == {64}


async def test_too_many_changes_are_pending_with_plan_and_reason(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy(changes_max=Count(percent=50)))
        await use_cloud(simulation, WIDER)
        standing = await keeper.settled()
        assert standing.state is State.PENDING
        assert standing.reasons == ("4 instances would change, at most 2 may (--max-changes)",)
        assert "recreate 4" in standing.summary
        assert "app/0" in standing.plan
        assert await keeper.tasks() == []
        assert [(a.code, a.is_over) for a in simulation.bell.rung] == [("steady.pending", False)]


async def test_what_a_person_deploys_ends_the_waiting_and_the_alert(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy(changes_max=Count(number=1)))
        await use_cloud(simulation, WIDER)
        await keeper.settled()
        await keeper.driver.submit(Deploy(deployment="demo", manifest=MANIFEST), user="admin")
        assert (await keeper.settled()).state is State.STEADY
        assert [a.is_over for a in simulation.bell.rung] == [False, True]


async def test_a_proposal_changes_nothing_however_often_it_is_looked_at(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy(Mode.PROPOSE))
        await use_cloud(simulation, WIDER)
        for _ in range(3):
            standing = await keeper.later()
            assert standing.state is State.PENDING
            assert "recreate 4" in standing.summary
        assert await ram_of(simulation) == {64}
        assert await keeper.tasks() == []


async def test_an_apply_that_fails_is_tried_once_more_and_then_is_pending_with_why(simulation):
    held = HeldTexts(Texts(revision="r1", file="demo.yml", manifest=OTHER_PORT))
    simulation.agents.script = lambda _a, _k, request: (
        Reply(error="no such port") if isinstance(request, Start) else Reply()
    )
    async with directing(simulation, held) as keeper:
        await keeper.steady.put(policy(source=Directory(path="/held")))
        first = await keeper.settled()
        assert first.state is State.PENDING
        assert "it failed and is tried again" in first.reasons[0]
        assert first.again_at is not None
        assert len(await keeper.tasks()) == 1
        second = await keeper.later(61)
        assert second.state is State.PENDING
        assert "failed 2 times" in second.reasons[0]
        assert "no such port" in second.reasons[0]
        for _ in range(5):
            await keeper.later()
        assert [task.state for task in await keeper.tasks()] == [TaskState.ERROR, TaskState.ERROR]
        simulation.agents.script = lambda _a, _k, _r: Reply()
        held.texts = replace(held.texts, revision="r2", manifest=MANIFEST)
        assert (await keeper.later()).state is State.STEADY, "another manifest is another wish"


async def test_a_restart_does_not_make_it_forget_what_failed(simulation):
    held = HeldTexts(Texts(revision="r1", file="demo.yml", manifest=OTHER_PORT))
    simulation.agents.script = lambda _a, _k, request: (
        Reply(error="no such port") if isinstance(request, Start) else Reply()
    )
    async with directing(simulation, held) as keeper:
        await keeper.steady.put(policy(source=Directory(path="/held")))
        await keeper.settled()
        await keeper.later(61)
    async with directing(simulation, held) as keeper:
        standing = await keeper.settled()
        assert standing.policy.source == Directory(path="/held")
        assert "failed 2 times" in standing.reasons[0]
        assert len(await keeper.tasks()) == 2
        await keeper.steady.put(policy(source=Directory(path="/held")))
        await keeper.settled()
        assert len(await keeper.tasks()) == 3, "switched on anew it tries anew"


async def test_what_changed_behind_its_back_is_found_by_looking_and_put_right(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
        await keeper.settled()
        victim = min(simulation.iron.vms)
        await simulation.world.infrastructures.of("").delete_vm(victim)
        assert (await keeper.settled()).state is State.STEADY, "nobody has looked yet"
        assert (await keeper.later()).state is State.STEADY
        assert len(await keeper.tasks()) == 1
        assert len(simulation.iron.vms) == 4
        await simulation.check_invariants()


async def test_what_the_watch_finds_lost_is_left_to_it(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
        await keeper.settled()
        record = await simulation.store.record("demo")
        instance = next(i for i in record.instances if i.group == "app")
        (vm,) = record.vms_of(instance.id)
        await simulation.world.infrastructures.of("").delete_vm(vm.name)
        finding = Finding(
            deployment=DEMO, instance=instance.id, label=instance.label, group="app", az="z1", vm=vm.name,
            condition=Condition.MISSING, since=0.0,
        )  # fmt: skip
        keeper.health = HealthReport(at=0.0, wall=0.0, verdicts=(Verdict(finding=finding, remedy=Remedy.RECREATE),))
        standing = await keeper.later()
        assert standing.state is State.PENDING
        assert "healed first" in standing.reasons[0]
        assert await keeper.tasks() == []


async def test_a_director_that_doubts_itself_waits(simulation):
    async with directing(simulation) as keeper:
        keeper.health = HealthReport(at=0.0, wall=0.0, doubts=("a stall 3 s ago",))
        await keeper.steady.put(policy())
        await use_cloud(simulation, WIDER)
        assert "a stall 3 s ago" in (await keeper.settled()).reasons[0]
        keeper.health = HealthReport(at=0.0, wall=0.0)
        assert (await keeper.settled()).state is State.STEADY
        assert await ram_of(simulation) == {96}


async def test_deletions_need_leave(simulation):
    held = HeldTexts(Texts(revision="r1", file="demo.yml", manifest=MANIFEST.replace("instances: 3", "instances: 2")))
    async with directing(simulation, held) as keeper:
        await keeper.steady.put(policy(source=Directory(path="/held")))
        standing = await keeper.settled()
        assert standing.state is State.PENDING
        assert "would go for good" in standing.reasons[0]
        await keeper.steady.put(policy(source=Directory(path="/held"), allows_deletes=True))
        assert (await keeper.settled()).state is State.STEADY
        assert len(simulation.iron.vms) == 3


async def test_limits_hold_when_the_world_changes_between_decision_and_deploy(simulation):
    await use_cloud(simulation, WIDER)
    request = Deploy(deployment="demo", manifest=MANIFEST, changes_max=1, keeps_all=True)
    task = await simulation.direct(request)
    assert task.state is TaskState.ERROR
    assert "4 instances would change, at most 1 may" in task.result
    assert await ram_of(simulation) == {64}


async def test_a_source_that_cannot_be_read_or_used_changes_nothing(simulation):
    held = HeldTexts(SourceFailure("It is away."))
    async with directing(simulation, held) as keeper:
        await keeper.steady.put(policy(source=Directory(path="/held")))
        standing = await keeper.settled()
        assert standing.reasons == ("its source cannot be read: It is away.",)
        held.texts = Texts(revision="r", file="demo.yml", manifest="name: demo\ninstance_groups: [{name: x}]\n")
        standing = await keeper.later()
        assert standing.state is State.PENDING
        assert any("demo.yml" in reason for reason in standing.reasons)
        held.texts = Texts(revision="r", file="demo.yml", manifest="name: other\n" + MANIFEST.partition("\n")[2])
        assert "named" in (await keeper.later()).reasons[0]
        ops = (("demo.ops/1.yml", "- {type: remove, path: /nothing}\n"),)
        held.texts = Texts(revision="r", file="demo.yml", manifest=MANIFEST, ops=ops)
        assert "its source holds mistakes" in (await keeper.later()).reasons[0]
        assert await keeper.tasks() == []
        held.texts = Texts(revision="r", file="demo.yml", manifest=MANIFEST)
        assert (await keeper.later()).state is State.STEADY


async def test_ops_and_configs_of_a_source_count(simulation):
    ops = "- {type: replace, path: /instance_groups/name=app/jobs/name=app/properties/port, value: 82}\n"
    texts = Texts(
        revision="r1", file="demo.yml", manifest=MANIFEST, ops=(("demo.ops/1.yml", ops),), configs={"cloud": WIDER}
    )
    async with directing(simulation, HeldTexts(texts)) as keeper:
        await keeper.steady.put(policy(source=Directory(path="/held")))
        assert (await keeper.settled()).state is State.STEADY
        assert await ram_of(simulation) == {96}
        assert "port: 82" in (await simulation.store.deployment("demo")).manifest
        events = await simulation.store.events(EventQuery(object_type="cloud-config"))
        assert [(event.user, event.action) for event in events] == [("steady", "update")]


async def test_a_config_uploaded_by_somebody_since_is_told_of_and_not_fought_with(simulation):
    texts = Texts(revision="r1", file="demo.yml", manifest=MANIFEST, configs={"cloud": WIDER})
    async with directing(simulation, HeldTexts(texts)) as keeper:
        await keeper.steady.put(policy(source=Directory(path="/held")))
        await keeper.settled()
        await use_cloud(simulation, CLOUD)
        for _ in range(3):
            standing = await keeper.later()
            assert "uploaded another one since" in standing.notes[0]
        assert await ram_of(simulation) == {64}


async def test_a_proposal_uploads_no_config(simulation):
    texts = Texts(revision="r1", file="demo.yml", manifest=MANIFEST, configs={"cloud": WIDER})
    async with directing(simulation, HeldTexts(texts)) as keeper:
        await keeper.steady.put(policy(Mode.PROPOSE, source=Directory(path="/held")))
        standing = await keeper.settled()
        assert "another cloud config" in standing.notes[0]
        assert (await simulation.store.configs("cloud"))[0].content == CLOUD


async def test_a_deleted_deployment_is_not_kept_and_its_successor_neither(simulation):
    held = HeldTexts()
    async with directing(simulation, held) as keeper:
        await keeper.steady.put(policy())
        await keeper.settled()
        await keeper.driver.submit(DeleteDeployment(deployment="demo"), user="admin")
        await keeper.settled()
        assert keeper.standing() is None
        assert held.forgotten == [DEMO]
        assert not await simulation.store.setting(setting_of(DEMO))


async def test_a_deletion_forgets_the_policy_even_when_nobody_keeps_it_then(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
    task = await simulation.direct(DeleteDeployment(deployment="demo"))
    assert task.state is TaskState.DONE, task.result
    assert not await simulation.store.setting(setting_of(DEMO))


async def test_switched_off_it_leaves_the_deployment_alone(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
        await keeper.steady.drop(DEMO, user="test")
        await use_cloud(simulation, WIDER)
        assert await keeper.settled() is None
        assert await ram_of(simulation) == {64}
    async with directing(simulation) as keeper:
        assert await keeper.settled() is None
        events = await simulation.store.events(EventQuery(user="test", object_type="deployment"))
        assert [event.action for event in events][:2] == ["unwatch", "watch"]


async def test_while_a_task_is_at_it_nothing_is_begun(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
        await use_cloud(simulation, WIDER)
        task = await keeper.driver.submit(Deploy(deployment="demo", manifest=MANIFEST), user="admin")
        await keeper.steady.round()
        assert keeper.standing().reasons == (f"task {task.id} (create deployment) is at it",)
        await keeper.settled()
        assert await keeper.tasks() == [], "the task has done it all"


async def test_a_planner_that_breaks_takes_nobody_with_it(simulation):
    async with directing(simulation) as keeper:

        async def breaks(request):
            raise AssertionError("the planner broke its own rules")

        keeper.driver.check = breaks
        await keeper.steady.put(policy())
        standing = await keeper.settled()
        assert standing.reasons == ("the director itself failed (AssertionError); its log has the details",)


async def test_an_instance_released_from_being_ignored_is_caught_up_with(simulation):
    async with directing(simulation) as keeper:
        record = await simulation.store.record("demo")
        ignored = replace(next(i for i in record.instances if i.group == "app"), is_ignored=True)
        await simulation.store.commit(PutInstance(record=ignored))
        await keeper.steady.put(policy())
        await use_cloud(simulation, WIDER)
        standing = await keeper.settled()
        assert standing.state is State.PENDING
        assert "ignored" in standing.reasons[0]
        assert await ram_of(simulation) == {64, 96}
        now = next(i for i in (await simulation.store.record("demo")).instances if i.id == ignored.id)
        await simulation.store.commit(PutInstance(record=replace(now, is_ignored=False)))
        assert (await keeper.settled()).state is State.STEADY
        assert await ram_of(simulation) == {96}


async def test_without_any_cloud_config_it_says_what_is_missing(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
        await simulation.store.commit(DropConfig(type="cloud", name="default"))
        assert "no cloud config" in (await keeper.settled()).reasons[0]


async def test_the_loop_goes_round_when_poked(simulation):
    async with directing(simulation) as keeper:
        await keeper.steady.put(policy())
        running = asyncio.create_task(keeper.steady.run())
        try:
            async with asyncio.timeout(20):
                while keeper.standing().state is not State.STEADY:
                    await asyncio.sleep(0.01)
                await use_cloud(simulation, WIDER)
                keeper.steady.poke()
                while not (keeper.standing().task and keeper.standing().state is State.STEADY):
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert await ram_of(simulation) == {96}


def git(repository, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@example")
    subprocess.run(["git", *who, *words], cwd=repository, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git program on this machine")
async def test_what_is_committed_to_a_branch_is_what_runs(simulation, tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    (repository / "demo.yml").write_text(MANIFEST)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "as deployed")
    async with directing(simulation, FileSources(tmp_path / "room")) as keeper:
        await keeper.steady.put(policy(source=Git(url=str(repository))))
        first = await keeper.settled()
        assert (first.state, first.reasons) == (State.STEADY, ())
        (repository / "demo.yml").write_text(OTHER_PORT)
        git(repository, "commit", "-q", "-a", "-m", "another port")
        second = await keeper.later()
        assert second.state is State.STEADY
        assert second.revision != first.revision
        assert (await simulation.store.deployment("demo")).manifest == OTHER_PORT
        assert len(await keeper.tasks()) == 1
