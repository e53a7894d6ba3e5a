"""The fabric port's promises, kept alike by the adapter (against the NSX simulator's process) and the one in memory."""

import asyncio
from dataclasses import replace

import pytest

from director.model.fabric import (
    Attachment,
    Carving,
    Group,
    IpBlock,
    IpPool,
    LoadBalancer,
    Member,
    Monitor,
    NatRule,
    NetworkObject,
    ObjectState,
    PoolAddress,
    Ports,
    Ref,
    Router,
    Rule,
    SecurityPolicy,
    Segment,
    ServerPool,
    Stack,
    StaticRoute,
    VirtualServer,
)
from director.model.names import DeploymentName, ObjectId, StackName, VmName
from director.ports.fabric import FabricFailure, FabricWish, StackChange, Stale, Taken
from tests.contract.fabric_ground import Ground, MemoryGround, nsx_ground
from tests.support.nsxsim_fixtures import shared_nsx

__all__ = ["shared_nsx"]


@pytest.fixture(params=["memory", "nsxt"])
async def ground(request):
    if request.param == "memory":
        yield MemoryGround()
        return
    with nsx_ground(request.getfixturevalue("shared_nsx")) as made:
        yield made
        await made.fabric.close()


def ours(text: str) -> Ref:
    return Ref(to=text)


def theirs(text: str) -> Ref:
    return Ref(to=text, is_ours=False)


class Web:
    """A managed network's stack with everything, its ids those of one test."""

    def __init__(self, ground: Ground, label: str = "web") -> None:
        n, self.ground, self.label = ground.number, ground, label
        self.ip = f"{ground.pool_net}.{n + 20}"
        self.net = f"10.{n}.0"
        self.router = Router(
            id=self.id("router"),
            name=f"web-{n}",
            tier0=theirs(ground.tier0),
            edge_cluster=theirs(ground.edges),
            advertises=("nat", "lb_vip"),
        )
        self.segment = Segment(
            id=self.id("segment"),
            name=f"web-{n}",
            router=ours(self.router.id),
            transport_zone=theirs(ground.zone),
            gateway=f"{self.net}.1/24",
        )
        self.address = PoolAddress(id=self.id("address"), name="out", pool=theirs(ground.pool), ip=self.ip)
        self.snat = NatRule(
            id=self.id("snat"),
            name="out",
            router=ours(self.router.id),
            action="SNAT",
            source=f"{self.net}.0/24",
            translated=self.ip,
        )
        self.balancer = LoadBalancer(id=self.id("lb"), name="web", router=ours(self.router.id))
        self.monitor = Monitor(id=self.id("monitor"), name="web", type="http", path="/healthz", port=8080)
        self.pool = ServerPool(id=self.id("pool"), name="web", monitor=ours(self.monitor.id))
        self.server = VirtualServer(
            id=self.id("vs"),
            name="web",
            ip=self.ip,
            ports=("80",),
            pool=ours(self.pool.id),
            load_balancer=ours(self.balancer.id),
            persistence="source_ip",
        )

    def id(self, what: str) -> ObjectId:
        return ObjectId(f"{self.label}{self.ground.number}-{what}")

    @property
    def stack(self) -> Stack:
        return self.of(
            self.router,
            self.segment,
            self.address,
            self.snat,
            self.balancer,
            self.monitor,
            self.pool,
            self.server,
        )

    def of(self, *things: NetworkObject) -> Stack:
        name = StackName(f"network/{self.label}{self.ground.number}/0")
        return Stack(name=name, cpi="nsx", owner=DeploymentName("shop"), objects=things)


@pytest.fixture
def web(ground):
    return Web(ground)


async def looked(ground, *stacks, **wish):
    return await ground.fabric.look(FabricWish(stacks=stacks, **wish))


async def change_of(ground, stack, gone=()):
    """What a plan made from a look now would ask for."""
    seen = await looked(ground, stack)
    revisions = {each.id: each.revision for each in seen.objects}
    return StackChange(stack=stack, gone=tuple(gone), revisions=revisions)


async def put(ground, stack):
    await ground.fabric.ensure(StackChange(stack=stack))


async def test_what_was_never_made_is_not_seen(ground, web):
    sighting = await looked(ground, web.stack)
    assert sighting.objects == ()
    assert sighting.problems == ()


async def test_a_name_nobody_there_has_is_a_problem_of_its_own(ground, web):
    router = replace(web.router, tier0=theirs("nowhere"), edge_cluster=theirs("no-edges"))
    sighting = await looked(ground, web.of(router), pools=(theirs("no-pool"),), groups=("no-group",))
    told = " ".join(str(problem) for problem in sighting.problems)
    assert len(sighting.problems) == 4
    assert all(name in told for name in ("nowhere", "no-edges", "no-pool", "no-group"))


async def test_a_stack_with_an_unknown_name_is_refused_in_words(ground, web):
    with pytest.raises(FabricFailure, match="nowhere"):
        await put(ground, web.of(replace(web.router, tier0=theirs("nowhere"))))
    assert (await looked(ground, recorded=(web.router,))).objects == ()


async def test_a_made_stack_is_seen_as_wished_and_as_ours(ground, web):
    await put(ground, web.stack)
    sighting = await looked(ground, web.stack)
    assert {each.id for each in sighting.objects} == {each.id for each in web.stack.objects}
    assert [each.differences for each in sighting.objects] == [()] * len(web.stack.objects)
    assert {each.kind for each in sighting.objects} == {each.kind for each in web.stack.objects}
    assert {(each.owner, each.stack, each.state, each.is_foreign) for each in sighting.objects} == {
        ("shop", web.stack.name, ObjectState.REALISED, False)
    }


async def test_making_it_again_changes_nothing(ground, web):
    await put(ground, web.stack)
    before = await looked(ground, web.stack)
    await put(ground, web.stack)
    await ground.fabric.ensure(await change_of(ground, web.stack))
    assert await looked(ground, web.stack) == before


async def test_a_removed_stack_is_gone_and_may_be_removed_and_made_again(ground, web):
    await put(ground, web.stack)
    await ground.fabric.remove(web.stack.objects)
    await ground.fabric.remove(web.stack.objects)
    assert (await looked(ground, recorded=web.stack.objects)).objects == ()
    await put(ground, replace(web.stack, objects=tuple(each for each in web.stack.objects if each is not web.address)))


async def test_a_change_by_a_stranger_is_a_difference_and_is_mended(ground, web):
    await put(ground, web.stack)
    ground.change(web.segment)
    sighting = await looked(ground, web.stack)
    assert "10.250.0.1/24" in " ".join(sighting.of(web.segment.id).differences)
    await ground.fabric.ensure(await change_of(ground, web.stack))
    assert (await looked(ground, web.stack)).of(web.segment.id).differences == ()


async def test_a_change_after_the_look_makes_the_plan_stale_and_stays(ground, web):
    await put(ground, web.stack)
    wished = web.of(*web.stack.objects[:1], replace(web.segment, gateway=f"{web.net}.254/24"), *web.stack.objects[2:])
    change = await change_of(ground, wished)
    ground.change(web.segment)
    with pytest.raises(Stale, match=web.segment.id):
        await ground.fabric.ensure(change)
    assert "10.250.0.1/24" in " ".join((await looked(ground, wished)).of(web.segment.id).differences)


async def test_somebody_who_was_faster_to_the_same_wish_is_no_hindrance(ground, web):
    change = await change_of(ground, web.stack)
    await put(ground, web.stack)
    await ground.fabric.ensure(change)


async def test_what_was_removed_after_the_look_makes_the_plan_stale(ground, web):
    await put(ground, web.stack)
    change = await change_of(ground, web.stack)
    ground.drop(web.server)
    with pytest.raises(Stale, match=web.server.id):
        await ground.fabric.ensure(change)


async def test_what_came_after_the_look_and_is_not_as_wished_makes_the_plan_stale(ground, web):
    change = await change_of(ground, web.of(web.router, replace(web.segment, gateway=f"{web.net}.254/24")))
    await put(ground, web.of(web.router, web.segment))
    with pytest.raises(Stale, match=web.segment.id):
        await ground.fabric.ensure(change)


async def test_what_strangers_write_beside_our_wishes_is_kept(ground, web):
    await put(ground, web.stack)
    moved = replace(web.segment, gateway=f"{web.net}.254/24")
    wished = web.of(web.router, moved, *web.stack.objects[2:])
    change = await change_of(ground, wished)
    ground.touch(web.segment)
    await ground.fabric.ensure(change)
    assert ground.is_touched(web.segment)
    assert (await looked(ground, wished)).of(moved.id).differences == ()


async def test_a_lost_reply_leaves_it_as_wished_after_the_next_try(ground, web):
    ground.lose_reply("ensure")
    try:
        await put(ground, web.stack)
    except FabricFailure:
        await put(ground, web.stack)
    assert {each.differences for each in (await looked(ground, web.stack)).objects} == {()}


async def test_a_lost_reply_of_a_removal_leaves_nothing_after_the_next_try(ground, web):
    await put(ground, web.stack)
    ground.lose_reply("remove")
    try:
        await ground.fabric.remove(web.stack.objects)
    except FabricFailure:
        await ground.fabric.remove(web.stack.objects)
    assert (await looked(ground, recorded=web.stack.objects)).objects == ()


async def test_from_nat_to_routed_keeps_router_and_segment(ground, web):
    await put(ground, web.stack)
    routed = replace(web.router, edge_cluster=None, advertises=("connected",))
    gone = (web.address, web.snat, web.balancer, web.monitor, web.pool, web.server)
    stack = web.of(routed, web.segment)
    await ground.fabric.ensure(await change_of(ground, stack, gone))
    sighting = await looked(ground, stack, recorded=gone)
    assert {each.id: each.differences for each in sighting.objects} == {routed.id: (), web.segment.id: ()}


async def test_a_field_no_longer_wished_for_is_taken_away(ground, web):
    await put(ground, web.stack)
    bare = replace(web.server, persistence=None, pool=None)
    loose = replace(web.pool, monitor=None)
    stack = web.of(*web.stack.objects[:5], loose, bare)
    await ground.fabric.ensure(await change_of(ground, stack, (web.monitor,)))
    sighting = await looked(ground, stack, recorded=(web.monitor,))
    assert {each.differences for each in sighting.objects} == {()}
    assert sighting.of(web.monitor.id) is None


async def test_another_type_of_monitor_takes_the_place_of_the_first(ground, web):
    await put(ground, web.stack)
    plain = replace(web.monitor, type="tcp", path="/")
    stack = web.of(*web.stack.objects[:5], plain, *web.stack.objects[6:])
    await ground.fabric.ensure(await change_of(ground, stack))
    assert {each.differences for each in (await looked(ground, stack)).objects} == {()}


async def test_somebody_elses_object_of_our_id_is_told_apart_and_left_alone(ground, web):
    group = Group(id=web.id("group"), name="ours", addresses=("192.0.2.1",))
    ground.put_foreign(replace(group, name="theirs"))
    stack = web.of(group)
    assert (await looked(ground, stack)).of(group.id).is_foreign
    with pytest.raises(FabricFailure, match=group.id):
        await put(ground, stack)
    with pytest.raises(FabricFailure, match=group.id):
        await ground.fabric.remove((group,))
    assert (await looked(ground, stack)).of(group.id).name == "theirs"


async def test_what_others_hang_on_our_router_keeps_it_and_is_named(ground, web):
    stack = web.of(web.router, web.segment)
    await put(ground, stack)
    name = ground.hang(web.router.id)
    with pytest.raises(FabricFailure, match=name):
        await ground.fabric.remove(stack.objects)
    assert (await looked(ground, stack)).of(web.router.id) is not None


async def test_what_cannot_be_realised_is_told_with_the_reason(ground, web):
    stack = web.of(web.router, web.segment)
    await put(ground, stack)
    ground.fail(web.segment)
    with pytest.raises(FabricFailure, match="out of edges"):
        await put(ground, stack)


async def test_an_immutable_field_that_would_have_to_change_is_a_problem(ground, web):
    carving = Carving(
        id=web.id("carving"), name="web", block=theirs(ground.block), cidr=f"{ground.block_net}.{ground.number}.0/24"
    )
    await put(ground, web.of(carving))
    other = replace(carving, cidr=f"{ground.block_net}.{ground.number + 128}.0/24")
    told = [str(problem) for problem in (await looked(ground, web.of(other))).problems]
    assert told
    assert all(carving.name in text for text in told)


async def test_a_rule_that_would_have_to_move_to_another_router_is_a_problem(ground, web):
    await put(ground, web.of(web.router, web.address, web.snat))
    moved = replace(web.snat, router=theirs(ground.tier0))
    sighting = await looked(ground, web.of(web.router, web.address, moved), recorded=(web.snat,))
    assert any(web.snat.name in str(problem) for problem in sighting.problems)


async def test_rooms_tell_what_is_held_by_us_and_by_others(ground, web):
    taken = f"{ground.pool_net}.{ground.number + 100}"
    carving = Carving(
        id=web.id("carving"),
        name="web",
        block=theirs(ground.block),
        cidr=f"{ground.block_net}.{ground.number}.0/24",
    )
    ground.take(taken)
    await put(ground, web.of(web.address, carving))
    asked = (f"block:{ground.block}", f"pool:{ground.pool}", "block:nowhere")
    rooms, problems = await ground.fabric.rooms(asked)
    assert len(problems) == 1
    assert set(rooms) == set(asked[:2])
    first = int.from_bytes(bytes(map(int, f"{ground.block_net}.{ground.number}.0".split("."))), "big")
    assert (first, first + 255) in rooms[asked[0]].taken
    held = {start & 0xFF for start, _ in rooms[asked[1]].taken}
    assert {ground.number + 100, ground.number + 20} <= held
    assert all(start <= end for room in rooms.values() for start, end in room.ranges)


async def test_a_carving_that_overlaps_another_is_refused_and_leaves_the_other(ground, web):
    net = f"{ground.block_net}.{ground.number}.0"
    mine = Carving(id=web.id("one"), name="one", block=theirs(ground.block), cidr=f"{net}/24")
    other = Carving(id=web.id("two"), name="two", block=theirs(ground.block), cidr=f"{net}/25")
    await put(ground, web.of(mine))
    with pytest.raises(Taken):
        await put(ground, replace(web.of(other), name=StackName("network/other/0")))
    sighting = await looked(ground, recorded=(mine, other))
    assert [each.id for each in sighting.objects] == [mine.id]


async def test_an_address_somebody_has_already_is_refused_and_given_back(ground, web):
    ground.take(web.ip)
    with pytest.raises(Taken) as refused:
        await put(ground, web.of(web.address))
    assert refused.value.thing == web.address
    assert (await looked(ground, recorded=(web.address,))).of(web.address.id) is None


async def test_blocks_and_pools_of_ours_serve_like_others(ground, web):
    block = IpBlock(id=web.id("block"), name=f"block-{ground.number}", cidr=f"100.{ground.number}.0.0/16")
    pool = IpPool(
        id=web.id("pool"),
        name=f"pool-{ground.number}",
        cidr=f"203.{ground.number}.113.0/24",
        ranges=((f"203.{ground.number}.113.10", f"203.{ground.number}.113.20"),),
        gateway=f"203.{ground.number}.113.1",
    )
    carving = Carving(id=web.id("carving"), name="web", block=ours(block.id), cidr=f"100.{ground.number}.7.0/24")
    address = PoolAddress(id=web.id("own-address"), name="web", pool=ours(pool.id), ip=f"203.{ground.number}.113.15")
    await put(ground, web.of(block, pool, carving, address))
    rooms, problems = await ground.fabric.rooms((f"block:{block.name}", f"pool:{pool.name}"))
    assert problems == () or not list(problems)
    assert [len(room.taken) for _, room in sorted(rooms.items())] == [1, 1]
    assert sum(end - start + 1 for start, end in rooms[f"pool:{pool.name}"].ranges) == 11
    assert {each.differences for each in (await looked(ground, web.of(block, pool, carving, address))).objects} == {()}
    await ground.fabric.remove((address, carving, pool, block))


async def test_groups_and_rules_follow_the_wish(ground, web):
    group = Group(id=web.id("group"), name="web", port_tag=("director/group", f"web-{ground.number}"))
    rules = (
        Rule(name="allow-web", sources=(theirs("any"),), destinations=(ours(group.id),), services=("tcp/8080",)),
        Rule(name="allow-ssh", sources=(theirs("192.0.2.0/24"),), services=("tcp/22", "icmp")),
        Rule(name="drop", action="DROP", destinations=(ours(group.id),)),
    )
    policy = SecurityPolicy(id=web.id("policy"), name="web", rules=rules, scope=(ours(group.id),))
    await put(ground, web.of(group, policy))
    assert {each.differences for each in (await looked(ground, web.of(group, policy))).objects} == {()}
    fewer = replace(policy, rules=(rules[2], replace(rules[0], services=("tcp/8080-8081",))))
    stack = web.of(group, fewer)
    assert (await looked(ground, stack)).of(policy.id).differences
    await ground.fabric.ensure(await change_of(ground, stack))
    assert {each.differences for each in (await looked(ground, stack)).objects} == {()}
    await ground.fabric.remove(stack.objects)
    assert (await looked(ground, recorded=stack.objects)).objects == ()


async def test_routes_and_rules_on_a_strangers_router_come_and_go_alone(ground, web):
    nat = NatRule(
        id=web.id("dnat"),
        name="ssh",
        router=theirs(ground.tier0),
        action="DNAT",
        destination=web.ip,
        translated="10.0.0.5",
        ports="22",
        translated_ports="22",
    )
    route = StaticRoute(
        id=web.id("route"), name="lab", router=theirs(ground.tier0), network="192.0.2.0/25", next_hops=("192.0.2.9",)
    )
    stack = web.of(nat, route)
    await put(ground, stack)
    sighting = await looked(ground, stack)
    assert {each.id: each.differences for each in sighting.objects} == {nat.id: (), route.id: ()}
    assert all(each.parent is not None for each in sighting.objects)
    await ground.fabric.remove(stack.objects)
    assert (await looked(ground, recorded=stack.objects)).objects == ()


async def test_everything_of_ours_is_found_with_its_owner(ground, web):
    await put(ground, web.stack)
    for _ in range(50):
        found = {each.id: each for each in await ground.fabric.find_all()}
        if len(found) == len(web.stack.objects):
            break
        await asyncio.sleep(0.1)
    assert set(found) == {each.id for each in web.stack.objects}
    assert {(each.owner, each.stack) for each in found.values()} == {("shop", web.stack.name)}
    assert {each.id: each.kind for each in found.values()} == {each.id: each.kind for each in web.stack.objects}


def member(pool: Ref, number: int, label: str = "") -> Member:
    return Member(pool=pool, label=label or f"web-{number}", ip=f"10.0.0.{number}", port=8080)


async def test_many_instances_at_once_all_become_members_beside_strangers(ground):
    pool = theirs(ground.server_pool)
    ground.add_member(pool, "theirs", "10.0.9.9", 80)
    await asyncio.gather(*(ground.fabric.announce((member(pool, n),)) for n in range(1, 21)))
    await ground.fabric.announce((member(pool, 1),))
    mine = {(f"web-{n}", f"10.0.0.{n}", 8080) for n in range(1, 21)}
    assert ground.members(pool) == mine | {("theirs", "10.0.9.9", 80)}
    seen = await looked(ground, pools=(pool,))
    assert {(each.label, each.ip, each.port) for each in seen.members} == ground.members(pool)
    assert {each.pool for each in seen.members} == {ground.server_pool}
    await asyncio.gather(*(ground.fabric.withdraw((member(pool, n),)) for n in range(1, 21)))
    await ground.fabric.withdraw((member(pool, 1),))
    assert ground.members(pool) == {("theirs", "10.0.9.9", 80)}


async def test_a_withdrawal_never_takes_anothers_place_at_the_same_address(ground):
    pool = theirs(ground.server_pool)
    ground.add_member(pool, "successor", "10.0.0.3", 8080)
    await ground.fabric.withdraw((member(pool, 3),))
    assert ground.members(pool) == {("successor", "10.0.0.3", 8080)}


async def test_an_instance_with_a_new_address_is_a_member_once(ground):
    pool = theirs(ground.server_pool)
    await ground.fabric.announce((member(pool, 1, "web"),))
    await ground.fabric.announce((member(pool, 2, "web"),))
    assert ground.members(pool) == {("web", "10.0.0.2", 8080)}


async def test_a_lost_reply_makes_no_member_twice(ground):
    pool = theirs(ground.server_pool)
    ground.lose_reply("announce")
    try:
        await ground.fabric.announce((member(pool, 1),))
    except FabricFailure:
        await ground.fabric.announce((member(pool, 1),))
    assert ground.members(pool) == {("web-1", "10.0.0.1", 8080)}


async def test_who_leaves_a_pool_that_is_gone_has_left(ground, web):
    await ground.fabric.withdraw((member(ours(web.id("no-pool")), 1), member(theirs("nowhere"), 1)))


async def test_nobody_joins_a_pool_that_is_not_there(ground, web):
    with pytest.raises(FabricFailure, match="nowhere"):
        await ground.fabric.announce((member(theirs("nowhere"), 1),))


async def test_members_stay_when_their_pool_changes(ground, web):
    stack = web.of(web.monitor, web.pool)
    await put(ground, stack)
    await ground.fabric.announce((member(ours(web.pool.id), 1),))
    changed = web.of(web.monitor, replace(web.pool, algorithm="LEAST_CONNECTION"))
    await ground.fabric.ensure(await change_of(ground, changed))
    assert ground.members(ours(web.pool.id)) == {("web-1", "10.0.0.1", 8080)}


async def test_ports_are_tagged_and_grouped_and_go_with_their_vm(ground, web):
    stack = web.of(web.router, web.segment)
    await put(ground, stack)
    vm = VmName(f"web-{ground.number}-1")
    await ground.vm(vm, web.segment.id)
    wish = Attachment(tags=(("env", "prod"), ("director/group", "web")), groups=(ground.group,))
    ports = Ports(vm=vm, cid=vm, attachment=wish, segments=(web.segment.id,))
    await ground.fabric.attach(ports)
    await ground.fabric.attach(ports)
    assert ground.port_tags(vm, web.segment.id) == {("env", "prod"), ("director/group", "web")}
    assert ground.is_in_group(vm)
    with pytest.raises(FabricFailure, match=vm):
        await ground.fabric.remove(stack.objects)
    await ground.vm_gone(vm)
    await ground.fabric.detach(vm, vm, (ground.group,))
    await ground.fabric.detach(vm, None, (ground.group,))
    assert not ground.is_in_group(vm)
    await ground.fabric.remove(stack.objects)


async def test_a_vm_is_not_put_into_a_group_nobody_has(ground, web):
    vm = VmName(f"web-{ground.number}-1")
    ports = Ports(vm=vm, cid=vm, attachment=Attachment(groups=("no-group",)))
    with pytest.raises(FabricFailure, match="no-group"):
        await ground.fabric.attach(ports)


async def test_a_diagnosis_says_what_is_well(ground):
    findings = await ground.fabric.diagnose()
    assert findings
    assert all(finding.is_well for finding in findings)
