"""Ranges and addresses of managed networks: sticky, first free, never twice."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from director.model.fabric import Carving, PoolAddress, Room, Segment, StackState, Topology
from director.model.network_config import BlockWish, IpPoolWish, NetworkConfig
from director.model.network_wish import AddressWish
from director.planning.fabric_names import Namer
from director.planning.fabric_ranges import managed_clouds, rooms_wanted, uses_of
from director.planning.fabric_rooms import merged
from director.planning.fabric_stacks import stacks_of_config
from tests.unit.planning.fabric_samples import (
    EDGES,
    NAMES,
    NAT,
    ManagedSubnet,
    block,
    cloud,
    deployment,
    group,
    managed,
    nat_wish,
    of_kind,
    passed,
    recorded_of,
    span,
)

PLAIN = ManagedSubnet(**EDGES, block="nodes", prefix=26)


def ranges(known):
    return {choice.use.stack: choice.range for choice in known.choices}


# Which subnets are in use


def test_only_subnets_in_the_zones_of_a_group_or_of_compilation_are_used():
    networks = (managed("web", PLAIN, PLAIN, azs=("z1",)), managed("idle", PLAIN), managed("far", PLAIN, azs=("z2",)))
    used = uses_of(deployment(group("web", "web", "far")), cloud(*networks, compiles_on="web"), [])
    assert [use.stack for use in used] == ["network/web/0", "network/web/1"]
    compiling = uses_of(deployment(group("web", "elsewhere")), cloud(managed("web", PLAIN), compiles_on="web"), [])
    assert [use.stack for use in compiling] == ["network/web/0"]


def test_a_network_that_is_not_managed_is_none_of_our_business():
    known, stacks, problems = passed(deployment(group("web", "elsewhere")), cloud())
    assert (known.choices, stacks, problems) == ((), (), [])


def test_a_subnet_in_the_zones_of_two_cpis_is_refused():
    problems = []
    uses_of(deployment(), cloud(managed("web", PLAIN, azs=("z1", "z2")), cpis=("east", "west")), problems)
    assert [problem.code for problem in problems] == ["fabric.several-cpis"]


# Choosing


def test_the_first_free_place_of_a_block_is_carved_at_its_own_size():
    known, stacks, problems = passed(deployment(), cloud(managed("web", PLAIN)), blocks={
        "block:nodes": block("10.0.0.0/16", "10.0.0.0/27", "10.0.0.128/25"),
    })  # fmt: skip
    assert not problems
    assert ranges(known) == {"network/web/0": "10.0.0.64/26"}
    assert known.choices[0].gateway == "10.0.0.65"
    assert stacks[0].claims == ("nodes|10.0.0.64/26",)


def test_two_networks_of_one_pass_share_neither_range_nor_address():
    clouds = cloud(managed("web", NAT), managed("db", NAT))
    known, stacks, _ = passed(deployment(group("web", "web", "db")), clouds)
    assert ranges(known) == {"network/db/0": "10.0.0.0/26", "network/web/0": "10.0.0.64/26"}
    ips = [one.ip for stack in stacks for one in of_kind(stack, PoolAddress)]
    assert sorted(ips) == ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]


def test_what_another_deployments_stack_claims_is_taken_before_it_is_made():
    _, (other,), _ = passed(deployment(group("db", "db")), cloud(managed("db", PLAIN)))
    joined = recorded_of([replace(other, objects=())], state=StackState.CHANGING)
    known, _, _ = passed(deployment(), cloud(managed("web", PLAIN)), joined)
    assert ranges(known) == {"network/web/0": "10.0.0.64/26"}


def test_what_is_recorded_stays_and_nobody_is_asked():
    clouds = cloud(managed("web", NAT))
    known, stacks, _ = passed(deployment(), clouds, blocks={"block:nodes": block("10.0.0.0/16", "10.0.0.0/24")})
    recorded = recorded_of(stacks)
    assert rooms_wanted(uses_of(deployment(), clouds, []), recorded, (), NAMES) == {}
    again, same, _ = passed(deployment(), clouds, recorded)
    assert (ranges(again), same) == (ranges(known), stacks)


def test_a_range_of_another_length_or_block_is_carved_anew():
    _, stacks, _ = passed(deployment(), cloud(managed("web", PLAIN)))
    wider = cloud(managed("web", replace(PLAIN, prefix=24)))
    known, _, _ = passed(
        deployment(), wider, recorded_of(stacks), blocks={"block:nodes": block("10.0.0.0/16", "10.0.0.0/26")}
    )
    assert ranges(known) == {"network/web/0": "10.0.1.0/24"}
    moved = cloud(managed("web", replace(PLAIN, block="others")))
    known, _, _ = passed(deployment(), moved, recorded_of(stacks), blocks={"block:others": block("10.9.0.0/16")})
    assert ranges(known) == {"network/web/0": "10.9.0.0/26"}


def test_nat_to_routed_keeps_range_and_segment_and_gives_the_address_back():
    nat = managed("web", replace(NAT, balancer=None))
    routed = managed("web", replace(NAT, balancer=None, topology=Topology.ROUTED))
    before, hidden, _ = passed(deployment(), cloud(nat))
    after, shown, _ = passed(deployment(), cloud(routed), recorded_of(hidden))
    assert ranges(before) == ranges(after)
    assert of_kind(hidden[0], Segment) == of_kind(shown[0], Segment)
    assert of_kind(hidden[0], Carving) == of_kind(shown[0], Carving)
    assert of_kind(hidden[0], PoolAddress)
    assert not of_kind(shown[0], PoolAddress)
    again, _, _ = passed(deployment(), cloud(nat), recorded_of(shown))
    assert ranges(again) == ranges(before)


def test_a_written_range_needs_no_room_and_has_the_first_address_for_a_gateway():
    clouds = cloud(managed("web", replace(PLAIN, block=None), range="10.5.0.0/24"))
    known, (stack,), _ = passed(deployment(), clouds, blocks={"block:nodes": None})
    assert (known.choices[0].range, known.choices[0].gateway, stack.claims) == ("10.5.0.0/24", "10.5.0.1", ())


def test_a_full_block_and_a_full_pool_say_how_full_they_are():
    clouds = cloud(managed("web", NAT))
    full = {
        "block:nodes": block("10.0.0.0/24", "10.0.0.0/25", "10.0.0.192/27", "10.0.0.128/27"),
        "pool:floating": Room(name="floating", ranges=(span("1.1.1.1/32"),), taken=(span("1.1.1.1/32"),)),
    }
    known, stacks, problems = passed(deployment(), clouds, blocks=full)
    assert (known.choices, stacks) == ((), ())
    assert {problem.code for problem in problems} == {"fabric.no-room"}
    details = " ".join(problem.detail for problem in problems)
    assert 'IP block "nodes" has no free /26' in details
    assert "192 of its 256" in details
    assert 'IP pool "floating" has no free address' in details
    assert "1 of its 1" in details


# Blocks and pools of network configs

OURS = NetworkConfig(
    name="main",
    blocks=(BlockWish(name="nodes", cidr="10.7.0.0/16"),),
    pools=(IpPoolWish(name="floating", cidr="1.2.0.0/24", ranges=(("1.2.0.5", "1.2.0.9"),)),),
)


def test_a_block_of_ours_is_asked_for_by_its_id_and_refused_until_it_is_made():
    clouds, wanted = cloud(managed("web", PLAIN)), deployment()
    _, _, problems = passed(wanted, clouds, configs=(OURS,))
    assert [problem.code for problem in problems] == ["fabric.not-applied"]
    made = recorded_of(stacks_of_config((OURS,), (), {}, NAMES, []), user="(networks)")
    (id_,) = [one.id for one in made[0].stack.objects if one.kind == "ip block"]
    asked = rooms_wanted(uses_of(wanted, clouds, []), made, (OURS,), NAMES)
    assert asked == {"": (f"block:{id_}",)}
    known, stacks, problems = passed(
        wanted, clouds, made, configs=(OURS,), blocks={f"block:{id_}": block("10.7.0.0/16")}
    )
    assert not problems
    assert ranges(known) == {"network/web/0": "10.7.0.0/26"}
    assert of_kind(stacks[0], Carving)[0].block.is_ours
    narrower = replace(OURS, blocks=(BlockWish(name="nodes", cidr="10.7.8.0/24"),))
    asked = rooms_wanted(uses_of(wanted, clouds, []), (*made, *recorded_of(stacks)), (narrower,), NAMES)
    assert asked == {"": (f"block:{id_}",)}


# The clouds


def test_the_clouds_get_ranges_of_what_is_used_and_nothing_else_changes():
    clouds = cloud(managed("web", PLAIN), managed("idle", PLAIN))
    known, _, _ = passed(deployment(), clouds)
    web, idle, elsewhere = managed_clouds(clouds, known.choices, NAMES).networks
    (subnet,) = web.subnets
    assert (subnet.range, subnet.gateway) == ("10.0.0.0/26", "10.0.0.1")
    assert subnet.cloud_properties == {"name": "web-0a1b2c3d", "managed": True}
    assert (idle, elsewhere) == (clouds.networks[1], clouds.networks[2])


def test_a_dnat_that_leads_out_of_the_range_chosen_is_refused():
    clouds = cloud(managed("web", replace(PLAIN, dnat=(nat_wish(to="10.0.9.5"),))))
    _, _, problems = passed(deployment(), clouds)
    assert [problem.code for problem in problems] == ["fabric.dnat-outside"]


# Names


@pytest.mark.parametrize("name", ["web", "Ünsichtbar / …", "x" * 300, "...", ""])
def test_an_id_is_stable_valid_in_a_path_and_short(name):
    id_ = NAMES.id("segment", name, "0")
    assert id_ == NAMES.id("segment", name, "0")
    assert len(id_) <= 80
    assert all(c.isascii() and (c.isalnum() or c in "_-") for c in id_)
    others = {NAMES.id("router", name, "0"), NAMES.id("segment", name, "1"), Namer(director="b").id("segment", name)}
    assert id_ not in others
    assert len(others) == 3


# Whatever is asked, in whatever order

DEPLOYMENTS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(22, 29), st.booleans(), st.sampled_from(["nodes", "others"])),
    min_size=1,
    max_size=14,
)
ROOMS = {"nodes": "10.0.0.0/20", "others": "10.0.32.0/21"}


@settings(deadline=None, max_examples=150)
@given(DEPLOYMENTS)
def test_carvings_never_overlap_stay_where_they_are_and_are_the_same_again(asked):
    """Each deployment has a network of its own name, and asks for it again with whatever it then wants."""
    recorded = {}
    for name, prefix, is_nat, of in asked:
        wish = replace(
            NAT, balancer=None, block=of, prefix=prefix, topology=Topology.NAT if is_nat else Topology.ROUTED
        )
        wish = replace(wish, snat=AddressWish(pool="many"))
        clouds, wanted = cloud(managed(name, wish)), deployment(group("g", name), name=f"on-{name}")
        made = [one for record in recorded.values() for one in record.stack.objects]
        rooms = {
            f"block:{known}": Room(
                name=known,
                ranges=(span(cidr),),
                taken=tuple(merged(span(o.cidr) for o in made if isinstance(o, Carving) and o.block.to == known)),
            )
            for known, cidr in ROOMS.items()
        }
        rooms["pool:many"] = Room(name="many", ranges=(span("1.1.0.0/24"),), taken=())
        known, stacks, problems = passed(wanted, clouds, tuple(recorded.values()), blocks=rooms)
        same, stacks_again, _ = passed(wanted, clouds, tuple(reversed(recorded.values())), blocks=rooms)
        assert (known.choices, stacks) == (same.choices, stacks_again)
        if problems:
            assert {problem.code for problem in problems} == {"fabric.no-room"}
            continue
        (stack,) = stacks
        before = recorded.get(stack.name)
        carved = of_kind(stack, Carving)[0]
        former = of_kind(before.stack, Carving)[0] if before else None
        if former and former.block == carved.block and ip_network(former.cidr).prefixlen == prefix:
            assert former == carved
        recorded[stack.name] = recorded_of(stacks)[0]
        every = [ip_network(o.cidr) for r in recorded.values() for o in of_kind(r.stack, Carving)]
        assert not [(a, b) for i, a in enumerate(every) for b in every[i + 1 :] if a.overlaps(b)]
        claims = [claim for r in recorded.values() for claim in r.stack.claims]
        assert len(claims) == len(set(claims))
