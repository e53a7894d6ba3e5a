"""Steps on networks: what is recorded around each effect, and two deployments that share one network."""

import asyncio
import json
from dataclasses import replace

import pytest

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.fabric import MemoryFabric
from director.adapters.memory.infrastructure import Fault, FaultKind, MemoryInfrastructure
from director.adapters.memory.store import MemoryStore
from director.adapters.tasklog import FileTaskLog
from director.execution.fabrics import Fabrics
from director.execution.infrastructures import Infrastructures
from director.execution.perform import perform
from director.execution.report import Stages, WalkReport
from director.execution.walk import walk
from director.execution.world import World, start_run
from director.model.fabric import Attachment, Member, Ref, Router, Segment, ServerPool, Stack, StackState
from director.model.outcome import End
from director.model.plan import Plan, PlannedStep, Unit
from director.model.record import DeploymentRecord, InstanceRecord, Record, VmRecord, VmState
from director.model.release import Catalog
from director.model.step import (
    AnnounceInstance,
    AttachPorts,
    DetachPorts,
    EnsureStack,
    LeaveStack,
    RemoveStack,
    WithdrawInstance,
)
from director.ports.fabric import FabricFailure, FabricWish, StackChange, Stale
from director.ports.failure import Conflict, Retry
from director.ports.store import EventQuery, JoinStack
from tests.formats.samples import SHAPE

NAME = "network/web/0"
ROUTER = Router(id="t1", name="web", tier0=Ref(to="tier0", is_ours=False))
SEGMENT = Segment(id="seg", name="web", router=Ref(to="t1"), gateway="10.20.0.1/24")
POOL = ServerPool(id="pool", name="web")
STACK = Stack(name=NAME, cpi="", owner="shop", objects=(ROUTER, SEGMENT), claims=("nodes|10.20.0.0/24",))
WIDER = replace(STACK, objects=(ROUTER, SEGMENT, POOL), claims=(*STACK.claims, "floating|198.51.100.7"))
MEMBER = Member(pool=Ref(to="pool"), label="v-1", ip="10.20.0.5", port=8080)


class Waits:
    """Pauses between tries are counted, not waited for."""

    def __init__(self):
        self.clock = SystemClock()
        self.count = 0

    def now(self):
        return self.clock.now()

    def monotonic(self):
        return self.clock.monotonic()

    async def sleep(self, seconds):
        self.count += 1
        await asyncio.sleep(0)


class WatchedFabric(MemoryFabric):
    """Says, at each call, what was recorded when it began, and can be held there."""

    def __init__(self, store):
        super().__init__()
        self.store = store
        self.found = []
        self.holds = {}

    async def _see(self, call):
        state = next((one.state for one in await self.store.stacks()), None)
        self.found.append((call, state, [intent.effect for intent in await self.store.open_intents()]))
        if call in self.holds:
            begun, gate = self.holds[call]
            begun.set()
            await gate.wait()

    async def ensure(self, change):
        await self._see("ensure")
        await super().ensure(change)

    async def remove(self, objects):
        await self._see("remove")
        await super().remove(objects)

    def hold(self, call):
        self.holds[call] = asyncio.Event(), asyncio.Event()
        return self.holds[call]


class House:
    """One world; ``run`` gives a task of a deployment that has adopted a plan."""

    def __init__(self, folder):
        self.store = MemoryStore()
        self.fabric = WatchedFabric(self.store)
        self.clock = Waits()
        self.tasks = 0
        self.world = World(
            store=self.store,
            infrastructures=Infrastructures(MemoryInfrastructure()),
            agents=MemoryAgents(self.clock),
            secrets=None,
            tasklog=FileTaskLog(folder),
            clock=self.clock,
            fabrics=Fabrics(self.fabric),
        )

    def run(self, deployment="shop", **more):
        self.tasks += 1
        return start_run(
            task=self.tasks,
            plan_id="p",
            user="ann",
            record=Record(deployment=DeploymentRecord(name=deployment), **more),
            wanted={},
            contents={},
            values={},
            catalog=Catalog(),
            manifest=None,
        )

    async def join(self, deployment, stack=STACK):
        await self.store.commit(JoinStack(stack=stack, user=deployment))

    async def perform(self, step, run):
        return await perform(PlannedStep(key=f"k:{type(step).__name__}", step=step, subject=NAME), run, self.world)

    async def made_by(self, deployment, stack=STACK):
        """A whole deploy, as far as the stack goes."""
        await self.join(deployment, stack)
        await self.perform(await self.ensuring(stack), self.run(deployment))

    async def ensuring(self, stack=STACK, gone=()):
        """The step that a plan made now would have."""
        seen = await self.fabric.look(FabricWish(stacks=(stack,)))
        return EnsureStack(stack=stack, gone=gone, revisions={one.id: one.revision for one in seen.objects})

    async def recorded(self):
        return next(iter(await self.store.stacks()), None)

    @property
    def there(self):
        return sorted(self.fabric.world.objects)

    async def events(self):
        return [(e.action, e.object_type, e.object_name, e.error) for e in await self.store.events(EventQuery())][::-1]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def ids(record):
    return [one.id for one in record.stack.objects]


async def test_making_a_stack_records_it_as_changing_before_and_ready_after(house):
    await house.made_by("shop")
    assert house.fabric.found == [("ensure", StackState.CHANGING, ["ensure network"])]
    record = await house.recorded()
    assert (record.stack, record.state, record.users) == (STACK, StackState.READY, ("shop",))
    assert house.there == ["seg", "t1"]
    assert await house.store.open_intents() == ()
    assert await house.events() == [("ensure", "network", NAME, None)]


async def test_while_it_changes_a_stack_is_recorded_with_what_it_was_and_what_it_becomes(house):
    await house.made_by("shop", WIDER)
    taller = replace(SEGMENT, id="seg-2", name="tall")
    narrower = replace(STACK, objects=(replace(ROUTER, name="other"), taller))
    begun, gate = house.fabric.hold("ensure")
    task = asyncio.create_task(house.perform(await house.ensuring(narrower, (SEGMENT, POOL)), house.run()))
    await begun.wait()
    record = await house.recorded()
    assert record.state is StackState.CHANGING
    assert record.stack.objects == (ROUTER, SEGMENT, POOL, taller), "the router as it was made"
    assert record.stack.claims == WIDER.claims
    gate.set()
    await task
    assert (await house.recorded()).stack == narrower


async def test_a_stack_that_could_not_be_made_stays_changing_and_the_failure_is_told(house):
    house.fabric.faults.append(Fault(call="ensure", kind=FaultKind.FAIL, nth=None, retry=Retry.NEVER))
    with pytest.raises(FabricFailure):
        await house.made_by("shop")
    record = await house.recorded()
    assert (record.state, ids(record)) == (StackState.CHANGING, ["t1", "seg"])
    assert await house.store.open_intents() == ()
    ((*told, error),) = await house.events()
    assert told == ["ensure", "network", NAME]
    assert "failed" in error


@pytest.mark.parametrize(("retry", "tries"), [(Retry.NEVER, 1), (Retry.BOUNDED, 3), (Retry.SOON, 5)])
async def test_a_failure_of_the_fabric_is_repeated_as_often_as_it_allows(house, retry, tries):
    house.fabric.faults.append(Fault(call="ensure", kind=FaultKind.FAIL, nth=None, retry=retry))
    with pytest.raises(FabricFailure):
        await house.made_by("shop")
    assert len(house.fabric.found) == tries


async def test_what_somebody_changed_since_the_plan_is_never_tried_twice(house):
    await house.made_by("shop")
    step = await house.ensuring(replace(STACK, objects=(replace(ROUTER, name="new"), SEGMENT)))
    house.fabric.world.change("t1", name="theirs")
    house.fabric.found.clear()
    with pytest.raises(Stale):
        await house.perform(step, house.run())
    assert len(house.fabric.found) == 1
    assert house.clock.count == 0


async def test_what_another_stack_holds_is_not_asked_of_the_fabric(house):
    await house.made_by("shop")
    other = replace(STACK, name="network/other/0", claims=())
    await house.join("blog", other)
    house.fabric.found.clear()
    with pytest.raises(Conflict):
        await house.perform(EnsureStack(stack=replace(other, claims=STACK.claims)), house.run("blog"))
    assert house.fabric.found == []


async def test_objects_do_not_move_to_the_fabric_of_another_cpi(house):
    await house.made_by("shop")
    house.world.fabrics.name({"west": MemoryFabric(), "east": house.fabric}, {})
    with pytest.raises(FabricFailure, match="west"):
        await house.perform(EnsureStack(stack=replace(STACK, cpi="west")), house.run())
    assert (await house.recorded()).stack == STACK
    await house.perform(await house.ensuring(replace(STACK, cpi="east")), house.run())
    assert (await house.recorded()).stack.cpi == "east", "the same one by another name"


async def test_removing_takes_what_is_recorded_and_what_the_plan_knew_and_then_the_row(house):
    await house.made_by("shop", WIDER)
    await house.perform(RemoveStack(stack=STACK), house.run())
    assert house.fabric.found[-1] == ("remove", StackState.REMOVING, ["delete network"])
    assert (house.there, await house.recorded()) == ([], None)
    assert (await house.events())[-1] == ("delete", "network", NAME, None)


async def test_a_removal_that_failed_stays_recorded_and_is_taken_up_again(house):
    await house.made_by("shop")
    house.fabric.world.hangers["seg"] = ["their port"]
    with pytest.raises(FabricFailure, match="their port"):
        await house.perform(RemoveStack(stack=STACK), house.run())
    record = await house.recorded()
    assert (record.state, record.users) == (StackState.REMOVING, ("shop",))
    del house.fabric.world.hangers["seg"]
    await house.perform(RemoveStack(stack=STACK), house.run())
    assert (house.there, await house.recorded()) == ([], None)


async def test_a_removal_that_was_begun_can_be_turned_round(house):
    await house.made_by("shop")
    house.fabric.world.hangers["t1"] = ["their router"]
    with pytest.raises(FabricFailure):
        await house.perform(RemoveStack(stack=STACK), house.run())
    await house.perform(await house.ensuring(), house.run())
    assert (await house.recorded()).state is StackState.READY


async def test_removing_what_is_gone_already_is_no_error(house):
    assert await house.perform(RemoveStack(stack=STACK), house.run()) == {}


async def test_a_stack_that_another_deployment_uses_is_left_and_the_task_says_so(house):
    await house.made_by("shop")
    await house.join("blog")
    result = await house.perform(RemoveStack(stack=STACK), house.run("shop"))
    assert "blog" in result["kept"]
    record = await house.recorded()
    assert (record.state, record.users) == (StackState.READY, ("blog",))
    assert house.there == ["seg", "t1"]
    assert (await house.events())[-1] == ("leave", "network", NAME, None)


async def test_who_leaves_last_is_told_that_nobody_is_left(house):
    await house.made_by("shop")
    await house.join("blog")
    assert await house.perform(LeaveStack(stack=NAME), house.run("shop")) == {}
    result = await house.perform(LeaveStack(stack=NAME), house.run("blog"))
    assert "clean-up" in result["kept"]
    record = await house.recorded()
    assert (record.state, record.users, house.there) == (StackState.READY, (), ["seg", "t1"])


async def test_nobody_removes_what_another_task_is_making(house):
    """shop's plan was made before blog joined."""
    await house.made_by("shop")
    removing = RemoveStack(stack=STACK)
    await house.join("blog", WIDER)
    begun, gate = house.fabric.hold("ensure")
    making = asyncio.create_task(house.perform(await house.ensuring(WIDER), house.run("blog")))
    await begun.wait()
    leaving = asyncio.create_task(house.perform(removing, house.run("shop")))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(making, leaving)
    record = await house.recorded()
    assert (record.stack, record.state, record.users) == (WIDER, StackState.READY, ("blog",))
    assert house.there == ["pool", "seg", "t1"]
    assert "remove" not in [call for call, *_ in house.fabric.found]


async def test_nobody_joins_during_a_removal_and_who_comes_after_it_finds_nothing(house):
    await house.made_by("shop")
    begun, gate = house.fabric.hold("remove")
    leaving = asyncio.create_task(house.perform(RemoveStack(stack=STACK), house.run("shop")))
    await begun.wait()
    with pytest.raises(Conflict):
        await house.join("blog")
    gate.set()
    await leaving
    await house.made_by("blog")
    record = await house.recorded()
    assert (record.state, record.users, house.there) == (StackState.READY, ("blog",), ["seg", "t1"])


async def test_a_removal_that_finds_no_row_leaves_the_row_of_who_joins_meanwhile(house):
    await house.made_by("shop")
    leftover = dict(house.fabric.world.objects)
    await house.perform(RemoveStack(stack=STACK), house.run("shop"))
    house.fabric.world.objects.update(leftover)
    begun, gate = house.fabric.hold("remove")
    leaving = asyncio.create_task(house.perform(RemoveStack(stack=STACK), house.run("shop")))
    await begun.wait()
    await house.join("blog")
    making = asyncio.create_task(house.perform(await house.ensuring(), house.run("blog")))
    await asyncio.sleep(0)
    gate.set()
    ended = await asyncio.gather(leaving, making, return_exceptions=True)
    assert ended[0] == {}
    assert isinstance(ended[1], Stale), "what blog had looked at was removed: it is to look again"
    assert (await house.recorded()).users == ("blog",)
    await house.perform(await house.ensuring(), house.run("blog"))
    assert house.there == ["seg", "t1"]


async def test_two_who_make_the_same_stack_at_once_make_it_once(house):
    await house.join("shop")
    await house.join("blog")
    steps = [await house.ensuring(), await house.ensuring()]
    await asyncio.gather(*(house.perform(s, house.run(d)) for s, d in zip(steps, ("shop", "blog"), strict=True)))
    record = await house.recorded()
    assert (record.state, record.users) == (StackState.READY, ("blog", "shop"))
    assert {made.revision for made in house.fabric.world.objects.values()} == {0}, "the second wrote nothing"


async def test_of_two_who_wish_for_different_things_the_second_plans_again_from_what_the_first_made(house):
    await house.join("shop")
    await house.join("blog")
    others = replace(STACK, objects=(replace(ROUTER, name="blogs"), SEGMENT))
    first, second = await house.ensuring(), await house.ensuring(others)
    begun, gate = house.fabric.hold("ensure")
    making = asyncio.create_task(house.perform(first, house.run("shop")))
    await begun.wait()
    waiting = asyncio.create_task(house.perform(second, house.run("blog")))
    await asyncio.sleep(0)
    assert len(house.fabric.found) == 1, "one at a time"
    gate.set()
    await making
    with pytest.raises(Stale):
        await waiting
    record = await house.recorded()
    assert (record.state, record.stack.objects) == (StackState.CHANGING, STACK.objects)
    await house.perform(await house.ensuring(others), house.run("blog"))
    assert (await house.recorded()).stack == others


async def test_different_stacks_do_not_wait_for_each_other(house):
    other = replace(STACK, name="network/z/0", claims=(), objects=(replace(ROUTER, id="t2"),))
    await house.join("shop")
    await house.join("blog", other)
    begun, gate = house.fabric.hold("ensure")
    making = asyncio.create_task(house.perform(await house.ensuring(), house.run("shop")))
    await begun.wait()
    house.fabric.holds.clear()
    await house.perform(await house.ensuring(other), house.run("blog"))
    gate.set()
    await making
    assert house.there == ["seg", "t1", "t2"]


# Ports and pools


def _instance():
    return InstanceRecord(id="i-1", deployment="shop", group="web", index=0)


def _vm(cid="cid-1"):
    return VmRecord(
        name="v-1",
        instance="i-1",
        deployment="shop",
        agent="a-1",
        generation=1,
        shape=SHAPE,
        state=VmState.CREATED,
        created_at=1.0,
        cid=cid,
    )


ATTACH = AttachPorts(instance="i-1", vm="v-1", cpi="", attachment=Attachment(groups=("existing",)), segments=("seg",))
DETACH = DetachPorts(instance="i-1", vm="v-1", cpi="", groups=("existing",))


async def test_the_ports_of_a_vm_are_attached_and_detached(house):
    await house.perform(ATTACH, house.run(instances=(_instance(),), vms=(_vm(),)))
    assert house.fabric.world.ports["v-1"].groups == ("existing",)
    await house.perform(DETACH, house.run(instances=(_instance(),)))
    assert house.fabric.world.ports == {}
    assert await house.events() == [("attach", "ports", "v-1", None), ("detach", "ports", "v-1", None)]
    found = await house.store.events(EventQuery(instance="web/0"))
    assert len(found) == 2, "found by the instance too"


async def test_ports_of_a_vm_that_was_never_made_are_not_waited_for(house):
    with pytest.raises(FabricFailure, match="v-1"):
        await house.perform(ATTACH, house.run(vms=(_vm(cid=None),)))
    assert house.fabric.world.calls == []


async def test_an_instance_joins_its_pools_and_leaves_them(house):
    await house.made_by("shop", WIDER)
    run = house.run(instances=(_instance(),))
    await house.perform(AnnounceInstance(instance="i-1", cpi="", members=(MEMBER,)), run)
    assert house.fabric.world.members["pool"] == [MEMBER]
    await house.perform(WithdrawInstance(instance="i-1", cpi="", members=(MEMBER,)), run)
    assert house.fabric.world.members["pool"] == []
    assert (await house.events())[1:] == [
        ("announce", "instance", "web/0", None),
        ("withdraw", "instance", "web/0", None),
    ]


async def test_a_cpi_without_a_fabric_is_told_in_words_and_leaves_no_intent(house):
    with pytest.raises(FabricFailure, match="west"):
        await house.perform(AnnounceInstance(instance="i-1", cpi="west", members=(MEMBER,)), house.run())
    assert await house.store.open_intents() == ()


async def test_what_stays_is_a_warning_in_the_event_log_of_its_stage(house):
    await house.made_by("shop")
    await house.join("blog")
    step = PlannedStep(key="n:remove", step=RemoveStack(stack=STACK), subject=NAME, unit="networks")
    unit = Unit(name="networks", stage="Deleting networks", task=NAME)
    plan = Plan(id="p", deployment="shop", parent=0, steps=(step,), units=(unit,))
    run = house.run()
    report = WalkReport(plan, Stages(run.task, house.world))
    ended = await walk(
        plan,
        lambda planned: perform(planned, run, house.world),
        clock=house.clock,
        listener=report,
        cancelled=asyncio.Event(),
    )
    assert ended["n:remove"].end is End.DONE
    lines = [json.loads(line) for line in house.world.tasklog.read(run.task, "event").splitlines()]
    assert [line.get("state", line.get("type")) for line in lines] == ["started", "in_progress", "warning", "finished"]
    assert {line["stage"] for line in lines if "stage" in line} == {"Deleting networks"}
    assert lines[1]["data"] == {"status": "deleting network"}
    assert "blog" in lines[2]["message"]


async def test_a_stack_of_a_director_that_died_while_making_it_is_removed_whole(house):
    await house.join("shop", WIDER)
    begun, _ = house.fabric.hold("ensure")
    task = asyncio.create_task(house.perform(await house.ensuring(WIDER), house.run()))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    house.fabric.holds.clear()
    await MemoryFabric.ensure(house.fabric, StackChange(stack=WIDER))
    await house.perform(RemoveStack(stack=STACK), house.run())
    assert (house.there, await house.recorded()) == ([], None)


async def test_what_another_task_added_since_the_plan_is_not_left_there_unrecorded(house):
    await house.made_by("shop")
    step = await house.ensuring()
    await house.made_by("blog", WIDER)
    with pytest.raises(Stale, match="server pool web"):
        await house.perform(step, house.run())
    assert (await house.recorded()).stack == WIDER
    await house.perform(await house.ensuring(gone=(POOL,)), house.run())
    assert (house.there, (await house.recorded()).stack) == (["seg", "t1"], STACK)
