"""Two deployments and one network, side by side, the director dying at every commit: nothing lost, nothing unrecorded.

The plans are those of ``planning/fabric.py``; what stacks are made of is given here.
"""

import asyncio
import random
from dataclasses import dataclass, replace

import pytest

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.fabric import MemoryFabric
from director.adapters.memory.fabric_world import FabricWorld
from director.adapters.memory.infrastructure import MemoryInfrastructure
from director.adapters.tasklog import FileTaskLog
from director.execution.fabrics import Fabrics
from director.execution.infrastructures import Infrastructures
from director.execution.journal import settle
from director.execution.perform import perform
from director.execution.report import Stages, WalkReport
from director.execution.walk import walk
from director.execution.world import World, start_run
from director.model.fabric import Member, Ref, Router, Segment, ServerPool, Stack, StackState
from director.model.outcome import End
from director.model.plan import Plan, PlannedStep, Unit
from director.model.record import DeploymentRecord, Record
from director.model.release import Catalog
from director.model.step import AnnounceInstance, WithdrawInstance
from director.planning.fabric import NOTHING_SEEN, departure_steps, ensure_steps, plan_stacks, stack_limit
from director.ports.fabric import FabricWish
from director.ports.failure import Conflict
from director.ports.store import DropDeployment, JoinStack, PutDeployment, TaskQuery
from tests.simulate.simulation import Killed, MortalStore

PASSES_MAX = 20
NAME = "network/web/0"
ROUTER = Router(id="t1", name="web", tier0=Ref(to="tier0", is_ours=False))
SEGMENT = Segment(id="seg", name="web", router=Ref(to="t1"), gateway="10.20.0.1/24")
POOL = ServerPool(id="pool", name="web")
SMALL = Stack(name=NAME, cpi="", owner="shop", objects=(ROUTER, SEGMENT, POOL), claims=("nodes|10.20.0.0/24",))
LEFT, RIGHT = (
    replace(SMALL, objects=(*SMALL.objects, replace(SEGMENT, id=f"seg-{side}"))) for side in ("left", "right")
)
WIDE = replace(
    SMALL,
    objects=(replace(ROUTER, advertises=("nat",)), POOL, replace(SEGMENT, id="seg-2")),
    claims=(*SMALL.claims, "floating|198.51.100.7"),
)


@dataclass(frozen=True)
class Wish:
    """What a deployment is to have; None: nothing any more."""

    deployment: str
    stack: Stack | None

    @property
    def member(self):
        return Member(pool=Ref(to="pool"), label=f"{self.deployment}-vm", ip="10.20.0.5", port=80)


class SlowFabric(MemoryFabric):
    def __init__(self, world, dice):
        super().__init__(world)
        self.dice = dice

    async def _dawdle(self):
        for _ in range(self.dice.randrange(5)):
            await asyncio.sleep(0)

    async def ensure(self, change):
        await self._dawdle()
        await super().ensure(change)
        await self._dawdle()

    async def remove(self, objects):
        await self._dawdle()
        await super().remove(objects)
        await self._dawdle()


class SlowStore(MortalStore):
    """Once its director is dead, nobody else of that director writes either."""

    dice = random.Random(0)
    is_dead = False

    async def commit(self, *changes):
        for _ in range(self.dice.randrange(3)):
            await asyncio.sleep(0)
        if self.is_dead:
            raise Killed
        try:
            await super().commit(*changes)
        except Killed:
            self.is_dead = True
            raise


class Site:
    """The network fabric and the record outlive every director."""

    def __init__(self, folder, seed):
        self.dice = random.Random(seed)
        self.fabric_world = FabricWorld()
        self.store = SlowStore()
        self.store.dice = self.dice
        self.folder = folder
        self.start()

    def start(self):
        """A new director: it has only what was recorded."""
        self.store.is_dead = False
        clock = SystemClock()
        self.world = World(
            store=self.store,
            infrastructures=Infrastructures(MemoryInfrastructure()),
            agents=MemoryAgents(clock),
            secrets=None,
            tasklog=FileTaskLog(self.folder),
            clock=clock,
            fabrics=Fabrics(SlowFabric(self.fabric_world, self.dice)),
        )

    async def all_of(self, wishes):
        """Tasks of one director, side by side, until all have come to what they wish for. Raises Killed."""
        self.start()
        await settle(self.world)
        running = [asyncio.create_task(self._attempt(number, wish)) for number, wish in enumerate(wishes, start=1)]
        try:
            await asyncio.gather(*running)
        except BaseExceptionGroup as group:
            if group.split(Killed)[1] is not None:
                raise
            raise Killed from None
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _attempt(self, task, wish):
        """What ``reconcile`` does: look, plan, adopt, walk, and again when somebody else was faster."""
        for _ in range(PASSES_MAX):
            try:
                if await self._pass(task, wish):
                    return
            except Conflict:
                await asyncio.sleep(0)
        raise AssertionError(f"{wish.deployment} never came to an end")

    async def _pass(self, task, wish):
        known = await self.store.deployment(wish.deployment) or DeploymentRecord(name=wish.deployment)
        plan = await self._plan(known, wish)
        await self.store.commit(
            PutDeployment(record=replace(known, serial=plan.parent + 1)),
            *(JoinStack(stack=stack, user=wish.deployment) for stack in plan.joins),
        )
        record = Record(deployment=known)
        run = start_run(
            task=task,
            plan_id="p",
            user="test",
            record=record,
            wanted={},
            contents={},
            values={},
            catalog=Catalog(),
            manifest=None,
        )
        outcomes = await walk(
            plan,
            lambda step: perform(step, run, self.world),
            clock=self.world.clock,
            listener=WalkReport(plan, Stages(task, self.world)),
            cancelled=asyncio.Event(),
        )
        failed = [outcome for outcome in outcomes.values() if outcome.end is End.FAILED]
        assert all(outcome.is_outdated for outcome in failed), [outcome.error for outcome in failed]
        if not failed and wish.stack is None:
            await self.store.commit(DropDeployment(name=wish.deployment))
        return not failed

    async def _plan(self, known, wish):
        recorded = {one.stack.name: one for one in await self.store.stacks()}
        wanted = () if wish.stack is None else (wish.stack,)
        former = tuple(one for record in recorded.values() for one in record.stack.objects)
        looked = FabricWish(stacks=wanted, recorded=former)
        seen = {"": await self.world.fabrics.of("").look(looked) if recorded or wanted else NOTHING_SEEN}
        stacks = plan_stacks(wish.deployment, wanted, recorded, seen)
        assert not stacks.problems
        return _whole_plan(wish, known, stacks)

    async def check_recorded(self):
        """At any moment: what is there is in the record, and what is READY is there."""
        recorded = await self.store.stacks()
        known = {one.id for record in recorded for one in record.stack.objects}
        assert set(self.fabric_world.objects) <= known, "unrecorded"
        ready = {one.id for record in recorded if record.state is StackState.READY for one in record.stack.objects}
        assert ready <= set(self.fabric_world.objects), "lost"

    async def check_end(self, wishes):
        await self.check_recorded()
        recorded = await self.store.stacks()
        known = {one.id for record in recorded for one in record.stack.objects}
        assert set(self.fabric_world.objects) == known
        users = tuple(sorted(wish.deployment for wish in wishes if wish.stack is not None))
        assert all(record.state is StackState.READY for record in recorded)
        assert [record.users for record in recorded] == [users] or (recorded, users) == ((), ())
        members = [member.label for member in self.fabric_world.members.get("pool", ())]
        assert sorted(members) == [wish.member.label for wish in wishes if wish.stack is not None]
        assert await self.store.open_intents() == ()
        assert await self.store.tasks(TaskQuery()) == ()

    async def clean_up(self):
        """What nobody uses any more (the last two left at the same moment)."""
        for record in await self.store.stacks():
            if not record.users:
                await self.all_of([Wish(deployment="cleaner", stack=record.stack)])
                await self.all_of([Wish(deployment="cleaner", stack=None)])


def _whole_plan(wish, known, stacks):
    steps, units = [], []
    for step, unit in ensure_steps(stacks):
        steps.append(step)
        units.append(unit)
    kind, verb = (WithdrawInstance, "withdraw") if wish.stack is None else (AnnounceInstance, "announce")
    place = kind(instance="i-1", cpi="", members=(wish.member,))
    made = tuple(step.key for step in steps)
    steps.append(PlannedStep(key=f"i:{verb}", step=place, subject="i", needs=made, unit="i"))
    units.append(Unit(name="i", stage="Updating", task="i"))
    for step, unit in departure_steps(stacks, (f"i:{verb}",)):
        steps.append(step)
        units.append(unit)
    return Plan(
        id="p",
        deployment=wish.deployment,
        parent=known.serial,
        steps=tuple(steps),
        units=tuple(units),
        limits=(stack_limit(),),
        joins=stacks.joins,
    )


SCENARIOS = {
    "both make it": ((), (Wish("blog", SMALL), Wish("shop", SMALL))),
    "one leaves, one comes": ((Wish("shop", SMALL),), (Wish("blog", SMALL), Wish("shop", None))),
    "one leaves, one changes it": (
        (Wish("blog", SMALL), Wish("shop", SMALL)),
        (Wish("blog", WIDE), Wish("shop", None)),
    ),
    "both leave": ((Wish("blog", SMALL), Wish("shop", SMALL)), (Wish("blog", None), Wish("shop", None))),
    "one comes, one changes it": ((Wish("shop", SMALL),), (Wish("blog", WIDE), Wish("shop", WIDE))),
    "they want different things of it": ((Wish("shop", SMALL),), (Wish("blog", LEFT), Wish("shop", RIGHT))),
    "they want different things of a new one": ((), (Wish("blog", LEFT), Wish("shop", WIDE))),
    "the last one leaves": ((Wish("shop", WIDE),), (Wish("shop", None),)),
}


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
@pytest.mark.parametrize("seed", range(4))
async def test_killed_at_every_commit_the_same_requests_end_well(tmp_path, scenario, seed):
    before, wishes = SCENARIOS[scenario]
    kills = 0
    for kill_at in range(1, 200):
        site = Site(tmp_path / str(kill_at), seed * 1000 + kill_at)
        for wish in before:
            await site.all_of([wish])
        site.store.dies_at = kill_at
        try:
            await site.all_of(wishes)
        except Killed:
            site.store.dies_at = 0
            await site.check_recorded()
            await site.all_of(wishes)
            kills += 1
        else:
            await site.check_end(wishes)
            break
        await site.check_end(wishes)
        await site.clean_up()
        if all(wish.stack is None for wish in wishes):
            assert (await site.store.stacks(), site.fabric_world.objects) == ((), {})
    assert kills > 5, "it was killed at every commit there is"


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_two_ask_for_in_whatever_order_it_comes_to_that(tmp_path, seed):
    site = Site(tmp_path, seed)
    for _ in range(12):
        wishes = [Wish(name, site.dice.choice([SMALL, WIDE, LEFT, RIGHT, None])) for name in ("blog", "shop")]
        site.store.dies_at = site.dice.choice([0, 0, site.dice.randrange(1, 20)])
        try:
            await site.all_of(wishes)
        except Killed:
            await site.check_recorded()
            site.store.dies_at = 0
            await site.all_of(wishes)
        site.store.dies_at = 0
        await site.check_end(wishes)
