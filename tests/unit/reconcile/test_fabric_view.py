"""What operators are shown of their networks: who is above whom, how it is, who is on it."""

from dataclasses import replace

import pytest

from director.adapters.memory.infrastructure import Fault, FaultKind
from director.model.deployment import Lifecycle
from director.model.fabric import NatRule, ObjectState, Segment, ServerPool, Stack, StackState
from director.model.names import DeploymentName, StackName
from director.model.sighting import JobState
from director.model.wanted import Want
from director.ports.store import PutInstance
from director.reconcile import fabric_look
from director.reconcile.fabric_report import Announced, Standing
from director.reconcile.fabric_view import show_networks
from tests.support.networks import (
    SHOP,
    config_stack,
    deploy,
    fabric_of,
    group_stack,
    id_of,
    instance,
    managed,
    member,
    new_world,
    ours,
    record,
    theirs,
)


@pytest.fixture
def world():
    return new_world()


async def look(world, deployment=None):
    (fabric,) = (await show_networks(world, deployment, True)).fabrics
    return fabric


async def web(world):
    """The guestbook's shape: a NAT'd network with a load balancer, two instances on it and in its pool."""
    await record(world, managed("web", "10.20.0.0/24", topology="nat", vip="198.51.100.20"))
    for index in range(2):
        ip = f"10.20.0.{index + 10}"
        one = member("web", f"shop-web-{index}", ip)
        await deploy(world, instance("web", index, ("web", ip), members=(one,)))
        fabric_of(world).members.setdefault(id_of("pool", "web"), []).append(one)


def states(fabric):
    routers = [*fabric.routers, *(r for outer in fabric.routers for r in outer.routers)]
    objects = [one for r in routers for one in (r.object, *r.nat, *r.routes, *(s.object for s in r.segments)) if one]
    balancers = [b for r in routers for b in r.balancers]
    objects += [one for b in balancers for one in (b.object, *(v.object for v in b.virtual_servers)) if one]
    objects += [s.object for s in fabric.segments]
    return {one.id: one.state for one in (*objects, *fabric.others)}


async def test_a_segment_stands_below_its_router_and_that_below_its_tier_0(world):
    await web(world)
    (tier0,) = (await look(world)).routers
    assert (tier0.kind, tier0.name, tier0.object) == ("tier-0", "tier0", None)
    (router,) = tier0.routers
    assert (router.kind, router.name) == ("router", "web")
    (segment,) = router.segments
    assert (segment.network, segment.range, segment.gateway) == ("web", "10.20.0.0/24", "10.20.0.1")
    assert [(i.label, i.ip, i.state) for i in segment.instances] == [
        ("web/0", "10.20.0.10", "running"),
        ("web/1", "10.20.0.11", "running"),
    ]
    assert [rule.about for rule in router.nat] == [
        "NO_SNAT 10.20.0.0/24 to 10.0.0.0/8",
        "SNAT 10.20.0.0/24 → 198.51.100.10",
    ]


async def test_a_virtual_server_leads_to_its_pool_and_that_to_its_members(world):
    await web(world)
    (balancer,) = (await look(world)).routers[0].routers[0].balancers
    assert [(s.ip, s.ports, s.pool.name) for s in balancer.virtual_servers] == [
        ("198.51.100.20", ("80",), "web"),
        ("198.51.100.20", ("443",), "web"),
    ]
    members = balancer.virtual_servers[0].pool.members
    assert [(m.instance, m.ip, m.port, m.state) for m in members] == [
        ("web/0", "10.20.0.10", 8080, Announced.ANNOUNCED),
        ("web/1", "10.20.0.11", 8080, Announced.ANNOUNCED),
    ]


async def test_a_member_that_is_not_there_and_one_that_is_not_ours_are_told_apart(world):
    await web(world)
    fabric_of(world).members[id_of("pool", "web")][0] = member("web", "a-strangers", "10.9.9.9")
    pool = (await look(world)).routers[0].routers[0].balancers[0].virtual_servers[0].pool
    assert [(m.instance, m.state) for m in pool.members] == [
        ("web/0", Announced.ABSENT),
        ("web/1", Announced.ANNOUNCED),
        ("vm-a-strangers", Announced.FOREIGN),
    ]


@pytest.mark.parametrize(
    "topology,tier0,expected,outside",
    [("nat", True, "nat", ("198.51.100.10",)), ("routed", True, "routed", ()), ("routed", False, "isolated", ())],
)
async def test_the_topology_is_what_the_rules_and_the_router_make_it(world, topology, tier0, expected, outside):
    stack = managed("web", "10.20.0.0/24", topology=topology)
    if not tier0:
        stack = replace(stack, objects=(replace(stack.objects[0], tier0=None), *stack.objects[1:]))
    await record(world, stack)
    fabric = await look(world)
    router = fabric.routers[0].routers[0] if tier0 else fabric.routers[0]
    assert (router.segments[0].topology, router.segments[0].outside) == (expected, outside)


async def test_a_rule_for_other_addresses_hides_nobody(world):
    stack = managed("web", "10.20.0.0/24")
    rule = NatRule(
        id=id_of("snat", "x"),
        name="x",
        router=ours(id_of("t1", "web")),
        action="SNAT",
        source="10.99.0.0/24,10.98.0.1",
        translated="198.51.100.1",
    )
    await record(world, replace(stack, objects=(*stack.objects, rule)))
    assert (await look(world)).routers[0].routers[0].segments[0].topology == "routed"


async def test_every_object_is_as_the_fabric_says(world):
    await web(world)
    there = fabric_of(world)
    there.drop(id_of("snat", "web"))
    there.fail(id_of("lb", "web"), "The edge cluster is full.")
    there.change(id_of("seg", "web"), gateway="10.20.0.254/24")
    there.objects[id_of("vs", "web")] = replace(there.objects[id_of("vs", "web")], state=ObjectState.IN_PROGRESS)
    there.objects[id_of("nosnat", "web")] = replace(there.objects[id_of("nosnat", "web")], owner=None)
    fabric = await look(world)
    assert {k: v.value for k, v in states(fabric).items() if v is not Standing.REALISED} == {
        id_of("snat", "web"): "missing",
        id_of("lb", "web"): "failed",
        id_of("vs", "web"): "in progress",
        id_of("seg", "web"): "changed by others",
        id_of("nosnat", "web"): "another's object",
    }
    balancer = fabric.routers[0].routers[0].balancers[0]
    assert (balancer.object.state, balancer.object.reason) == (Standing.FAILED, "The edge cluster is full.")
    segment = fabric.routers[0].routers[0].segments[0].object
    assert "gateway is" in segment.reason


@pytest.mark.parametrize(
    "state,expected", [(StackState.CHANGING, "being changed"), (StackState.REMOVING, "being removed")]
)
async def test_what_a_task_is_at_is_not_called_missing(world, state, expected):
    await record(world, managed("web", "10.20.0.0/24"), state=state, made=False)
    assert {one.value for one in states(await look(world)).values()} == {expected}


async def test_without_a_look_no_fabric_is_asked(world):
    await web(world)
    report = await show_networks(world, None, False)
    assert fabric_of(world).calls == []
    assert set(states(report.fabrics[0]).values()) == {Standing.RECORDED}
    pool = report.fabrics[0].routers[0].routers[0].balancers[0].virtual_servers[0].pool
    assert {m.state for m in pool.members} == {Announced.RECORDED}


async def test_a_look_is_two_calls_however_many_stacks_there_are(world):
    for number in range(5):
        await record(world, managed(f"n{number}", f"10.{number}.0.0/24"))
    await show_networks(world, None, True)
    assert [call for call, _ in fabric_of(world).calls] == ["look", "find_all"]


async def test_a_fabric_that_cannot_be_looked_at_is_shown_as_recorded_with_the_reason(world):
    await web(world)
    world.fabrics.of("").faults.append(Fault(call="look", kind=FaultKind.FAIL))
    fabric = await look(world)
    assert "look of network/web/0 failed" in fabric.unseen
    assert not fabric.is_looked_at
    assert set(states(fabric).values()) == {Standing.RECORDED}


async def test_a_fabric_that_does_not_answer_is_given_up(world, monkeypatch):
    monkeypatch.setattr(fabric_look, "LOOK_S", 0.01)
    world.fabrics.of("").faults.append(Fault(call="look", kind=FaultKind.DELAY, delay_s=30))
    assert (await look(world)).unseen == "It did not show its objects within 0.01 s."


async def test_a_fabric_that_is_configured_no_more_is_named(world):
    await record(world, replace(managed("web", "10.20.0.0/24"), cpi="far"), made=False)
    fabrics = (await show_networks(world, None, True)).fabrics
    assert [fabric.cpi for fabric in fabrics] == ["", "far"]
    assert 'CPI "far"' in fabrics[1].unseen


async def test_what_is_tagged_ours_but_in_no_stack_is_unrecorded(world):
    stack = managed("old", "10.9.0.0/24")
    await record(world, stack, made=True)
    fabric_of(world).objects[id_of("seg", "lost")] = replace(
        fabric_of(world).objects[id_of("seg", "old")],
        object=Segment(id=id_of("seg", "lost"), name="lost"),
        stack=StackName("network/lost/0"),
    )
    (lost,) = (await look(world)).unrecorded
    assert (lost.name, lost.kind, lost.state, lost.stack) == ("lost", "segment", Standing.UNRECORDED, "network/lost/0")


async def test_a_deployment_is_shown_what_it_uses_and_nothing_of_others(world):
    await web(world)
    await record(world, managed("db", "10.30.0.0/24"), "other")
    await record(world, managed("both", "10.40.0.0/24"), "shop", "other")
    await deploy(
        world,
        instance("a", 0, ("both", "10.40.0.5")),
        instance("b", 0, ("both", "10.40.0.6"), ("lan", "10.1.1.1"), deployment="other"),
    )
    report = await show_networks(world, SHOP, True)
    routers = report.fabrics[0].routers[0].routers
    assert [router.name for router in routers] == ["both", "web"]
    assert [i.label for i in routers[0].segments[0].instances] == ["a/0"]
    assert report.plain == ()
    assert [r.name for r in (await look(world)).routers[0].routers] == ["both", "db", "web"]


async def test_a_config_whose_pool_its_instances_are_in_is_shown_to_a_deployment(world):
    pool = ServerPool(id=id_of("pool", "shared"), name="shared")
    stack = config_stack()
    await record(world, replace(stack, objects=(*stack.objects, pool)))
    await deploy(world, instance("web", 0, ("lan", "10.1.1.1"), members=(member("shared", "shop-web-0", "10.1.1.1"),)))
    (balancer,) = (await look(world, SHOP)).balancers
    assert (balancer.name, balancer.pools[0].name) == ("no load balancer", "shared")
    assert (await look(world, DeploymentName("other"))).balancers == ()


async def test_pools_of_others_that_instances_are_in_are_shown(world):
    one = replace(member("x", "shop-web-0", "10.1.1.1"), pool=theirs("old-pool"))
    await deploy(world, instance("web", 0, ("lan", "10.1.1.1"), members=(one,)))
    fabric_of(world).members["old-pool"] = [one]
    (balancer,) = (await look(world)).balancers
    assert balancer.name == "pools of others"
    assert [m.state for m in balancer.pools[0].members] == [Announced.ANNOUNCED]


async def test_what_outlives_deployments_stands_where_it_belongs_and_says_so(world):
    await record(world, config_stack())
    await record(world, group_stack())
    fabric = await look(world)
    (rule,) = fabric.routers[0].nat
    assert (fabric.routers[0].kind, rule.about) == ("router", "DNAT 198.51.100.5:22 → 10.1.0.5:22")
    assert rule.outlives_deployments
    assert [(one.kind, one.name, one.outlives_deployments) for one in fabric.others] == [
        ("group", "web", False),
        ("ip pool", "vips", True),
        ("security policy", "web", False),
    ]


async def test_a_router_that_others_call_tier_0_is_one_wherever_it_is_named(world):
    await record(world, config_stack())
    await record(world, managed("web", "10.20.0.0/24"))
    (tier0,) = (await look(world)).routers
    assert (tier0.kind, [r.name for r in tier0.routers], len(tier0.nat)) == ("tier-0", ["web"], 1)


async def test_plain_networks_have_their_instances_listed(world):
    await deploy(world, instance("web", 0, ("lan", "10.1.1.1")), state=JobState.FAILING)
    report = await show_networks(world, None, True)
    (plain,) = report.plain
    assert (plain.name, [(i.label, i.ip, i.state) for i in plain.instances]) == (
        "lan",
        [("web/0", "10.1.1.1", "failing")],
    )


async def test_a_vm_plugged_into_a_segment_by_its_name_is_on_it(world):
    segment = Segment(id=id_of("seg", "dmz"), name="dmz")
    await record(world, Stack(name=StackName("config/dmz"), cpi="", owner=config_stack().owner, objects=(segment,)))
    await deploy(world, instance("web", 0, ("lan", "10.1.1.1")), lan="dmz")
    report = await show_networks(world, None, True)
    (found,) = report.fabrics[0].segments
    assert ([i.label for i in found.instances], found.topology, report.plain) == (["web/0"], "isolated", ())


@pytest.mark.parametrize(
    "changed,state",
    [({}, "no VM"), ({"lifecycle": Lifecycle.ERRAND}, "errand at rest"), ({"want": Want.DETACHED}, "detached")],
)
async def test_an_instance_without_a_vm_says_why(world, changed, state):
    await web(world)
    gone = replace(instance("web", 2, ("web", "10.20.0.12")), **changed)
    await world.store.commit(PutInstance(record=gone))
    segment = (await look(world)).routers[0].routers[0].segments[0]
    assert segment.instances[2].state == state


@pytest.mark.parametrize("objects", [slice(1, 3), slice(2, 3)], ids=["carved", "its range only in the cloud config"])
async def test_instances_stand_on_a_segment_without_a_gateway(world, objects):
    stack = managed("web", "10.20.0.0/24")
    kept = [replace(o, router=None, gateway=None) if isinstance(o, Segment) else o for o in stack.objects[objects]]
    await record(world, replace(stack, objects=tuple(kept)))
    await deploy(world, instance("web", 0, ("web", "10.20.0.10")))
    (segment,) = (await look(world)).segments
    assert ([i.label for i in segment.instances], segment.topology) == (["web/0"], "isolated")
