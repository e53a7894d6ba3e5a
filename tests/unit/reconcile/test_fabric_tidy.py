"""What ``director clean-up`` takes of networks: only what nobody needs, and the unrecorded only after an hour."""

from dataclasses import dataclass, field, replace

import pytest

from director.adapters.memory.fabric_world import Made
from director.adapters.memory.infrastructure import Fault, FaultKind
from director.model.fabric import Monitor, NatRule, ObjectState, PoolAddress, SeenObject, Segment, StackState
from director.model.names import DeploymentName, ObjectId
from director.planning.fabric_bare import bare
from director.ports.store import DropStack, JoinStack, LeaveStack
from director.reconcile.fabric_tidy import GRACE_S, Tidied, tidy_networks
from tests.support.networks import SHOP, fabric_of, id_of, managed, new_world, record, theirs

WEB = managed("web", "10.20.0.0/24", topology="nat", vip="198.51.100.20")


@dataclass
class FakeClock:
    at: float = 1000.0

    def now(self):
        return self.at


@dataclass
class FakeJob:
    events: list = field(default_factory=list)
    warnings: list = field(default_factory=list)

    @property
    def stages(self):
        return self

    def event(self, stage, task, state):
        self.events.append((task, state))

    def warn(self, message):
        self.warnings.append(message)

    def check(self):
        pass


@pytest.fixture
def world():
    return replace(new_world(), clock=FakeClock())


@pytest.fixture
def job():
    return FakeJob()


async def left(world, stack=WEB):
    """As two deployments leave it that go at the same moment."""
    await record(world, stack)
    await world.store.commit(LeaveStack(name=stack.name, user=SHOP))


async def lost(world, stack=WEB):
    """In the fabric, but in no record any more."""
    await record(world, stack)
    await world.store.commit(DropStack(name=stack.name))


async def test_a_stack_without_users_goes_with_its_row(world, job):
    await left(world)
    await record(world, managed("back", "10.30.0.0/24"))
    assert await tidy_networks(world, job, takes_unrecorded=False) == Tidied(stacks=1)
    assert [one.stack.name for one in await world.store.stacks()] == ["network/back/0"]
    assert set(fabric_of(world).objects) == {o.id for o in managed("back", "10.30.0.0/24").objects}
    assert job.events == [("network/web/0", "started"), ("network/web/0", "finished")]


async def test_a_stack_somebody_uses_stays(world, job):
    await record(world, WEB)
    assert await tidy_networks(world, job, takes_unrecorded=True) == Tidied()
    assert len(fabric_of(world).objects) == len(WEB.objects)


async def test_a_stack_that_does_not_go_can_be_used_again(world, job):
    await left(world)
    fabric_of(world).hangers[id_of("t1", "web")] = ["a stranger's segment"]
    assert await tidy_networks(world, job, takes_unrecorded=False) == Tidied()
    (row,) = await world.store.stacks()
    assert row.state is StackState.CHANGING
    assert "a stranger's segment still needs it" in job.warnings[0]
    await world.store.commit(JoinStack(stack=WEB, user=DeploymentName("other")))


async def test_a_stack_left_half_removed_is_finished(world, job):
    await left(world)
    world.fabrics.of("").faults.append(Fault(call="remove", kind=FaultKind.LOSE_REPLY, nth=1))
    assert (await tidy_networks(world, job, takes_unrecorded=False)).stacks == 0
    assert (await tidy_networks(world, job, takes_unrecorded=False)).stacks == 1
    assert await world.store.stacks() == ()


async def test_what_is_unrecorded_goes_when_it_is_found_again_an_hour_later(world, job):
    await lost(world)
    count = len(WEB.objects)
    assert await tidy_networks(world, job, takes_unrecorded=True) == Tidied(waiting=count)
    world.clock.at += GRACE_S - 1
    assert await tidy_networks(world, job, takes_unrecorded=True) == Tidied(waiting=count)
    assert len(fabric_of(world).objects) == count
    world.clock.at += 1
    assert await tidy_networks(world, job, takes_unrecorded=True) == Tidied(objects=count)
    assert fabric_of(world).objects == {}


async def test_what_was_recorded_in_the_meantime_begins_anew(world, job):
    await lost(world)
    await tidy_networks(world, job, takes_unrecorded=True)
    await record(world, WEB)
    world.clock.at += GRACE_S
    assert await tidy_networks(world, job, takes_unrecorded=True) == Tidied()
    await world.store.commit(DropStack(name=WEB.name))
    assert (await tidy_networks(world, job, takes_unrecorded=True)).waiting == len(WEB.objects)


async def test_without_all_nothing_unrecorded_is_even_looked_for(world, job):
    await lost(world)
    assert await tidy_networks(world, job, takes_unrecorded=False) == Tidied()
    assert fabric_of(world).calls == []


async def test_what_others_made_is_never_taken(world, job):
    mine = Made(object=Segment(id=ObjectId("x"), name="x"), owner=None)
    fabric_of(world).objects[ObjectId("x")] = mine
    fabric_of(world).objects[ObjectId("y")] = replace(mine, owner=SHOP, state=ObjectState.LEAVING)
    for _ in range(2):
        assert await tidy_networks(world, job, takes_unrecorded=True) == Tidied()
        world.clock.at += GRACE_S


async def test_a_fabric_that_does_not_answer_is_told_and_the_rest_is_done(world, job):
    await left(world)
    world.fabrics.of("").faults.append(Fault(call="find_all", kind=FaultKind.FAIL))
    assert (await tidy_networks(world, job, takes_unrecorded=True)).stacks == 1
    assert "NSX-T of the director was not looked at" in job.warnings[0]


@pytest.mark.parametrize("one", WEB.objects, ids=lambda o: o.id)
def test_everything_ours_can_be_removed_by_what_is_seen_of_it(one):
    parent = getattr(one, "router", None) if isinstance(one, NatRule) else getattr(one, "pool", None)
    seen = SeenObject(id=one.id, kind=one.kind, name=one.name, parent=parent)
    assert {(type(found), found.id) for found in bare(seen)} == {(type(one), one.id)}
    assert not isinstance(one, Monitor) or one.type in {found.type for found in bare(seen)}


@pytest.mark.parametrize("kind", [NatRule.kind, PoolAddress.kind, "something new"])
def test_what_cannot_be_found_by_its_id_alone_is_left_to_its_parent(kind):
    assert bare(SeenObject(id=ObjectId("x"), kind=kind, name="x")) == ()


def test_a_rule_on_a_router_of_others_is_removed_from_there():
    (found,) = bare(SeenObject(id=ObjectId("x"), kind=NatRule.kind, name="x", parent=theirs("tier0")))
    assert isinstance(found, NatRule)
    assert found.router == theirs("tier0")


def test_the_words_tell_only_what_there_was():
    assert Tidied().words == ""
    assert Tidied(stacks=1, objects=2).words == ", 1 network stack(s), 2 network object(s)"
    assert "3 unrecorded" in Tidied(waiting=3).words
