"""Stacks of network configs: what outlives deployments."""

from dataclasses import replace

from director.manifest.load import load_networks
from director.model.fabric import (
    OUTLIVING,
    Group,
    IpBlock,
    NatRule,
    PoolAddress,
    Ref,
    Room,
    Router,
    SecurityPolicy,
    Segment,
    VirtualServer,
)
from director.planning.fabric_stacks import config_rooms_wanted, stacks_of_config
from tests.unit.manifest.fabric_samples import NETWORKS
from tests.unit.planning.fabric_samples import NAMES, of_kind, recorded_of, span

MORE = """\
networks:
  segments:
  - {name: more, router: shared, gateway: 10.41.0.1/24}
  - {name: theirs, router: {existing: shared}}
  nat_rules:
  - {name: again, router: shared, action: snat, source: 10.41.0.0/24, translated: {pool: floating}}
"""


def stacks(*texts, recorded=(), rooms=None, problems=None):
    configs = load_networks([(f"c{number}", text) for number, text in enumerate(texts)])
    found = [] if problems is None else problems
    made = stacks_of_config(configs, recorded, {"": rooms or {}}, NAMES, found)
    assert problems is not None or not found
    return made


def test_configs_become_one_stack_that_belongs_to_no_deployment():
    (stack,) = stacks(NETWORKS)
    assert (stack.name, stack.owner, stack.network) == ("config/default", OUTLIVING, None)
    assert [one.name for one in of_kind(stack, IpBlock)] == ["nodes"]
    (segment,), (router,) = of_kind(stack, Segment), of_kind(stack, Router)
    assert (segment.router, segment.gateway, router.advertises) == (
        Ref(to=router.id),
        "10.40.0.1/24",
        ("connected", "nat"),
    )


def test_addresses_of_a_pool_that_is_not_made_yet_come_from_what_is_written():
    (stack,) = stacks(NETWORKS)
    assert [one.ip for one in of_kind(stack, PoolAddress)] == ["192.168.1.10", "192.168.1.11"]
    out, into = of_kind(stack, NatRule)
    assert (out.action, out.translated, into.destination, into.router) == (
        "SNAT",
        "192.168.1.10",
        "1.2.3.4",
        Ref(to="t0", is_ours=False),
    )
    assert of_kind(stack, VirtualServer)[0].ip == "192.168.1.11"
    assert len(stack.claims) == 2


def test_what_is_recorded_stays_and_nobody_is_asked():
    made = stacks(NETWORKS)
    recorded = recorded_of(made, user=OUTLIVING)
    configs = load_networks([("c0", NETWORKS)])
    assert config_rooms_wanted(configs, recorded, NAMES) == {}
    assert stacks(NETWORKS, recorded=recorded) == made


def test_a_new_address_of_a_made_pool_is_asked_for_and_is_nobody_elses():
    recorded = recorded_of(stacks(NETWORKS), user=OUTLIVING)
    configs = load_networks([("c0", NETWORKS), ("c1", MORE)])
    (key,) = config_rooms_wanted(configs, recorded, NAMES)[""]
    assert key == f"pool:{NAMES.id('ip pool', 'c0', 'floating')}"
    room = Room(name="floating", ranges=(span("192.168.1.8/29"),), taken=(span("192.168.1.12/32"),))
    (stack,) = stacks(NETWORKS, MORE, recorded=recorded, rooms={key: room})
    assert [one.ip for one in of_kind(stack, PoolAddress)][2:] == ["192.168.1.13"]


def test_names_of_other_configs_are_found_and_existing_ones_are_not_ours():
    (stack,) = stacks(NETWORKS, MORE)
    *_, ours, theirs = of_kind(stack, Segment)
    assert ours.router == Ref(to=of_kind(stack, Router)[0].id)
    assert theirs.router == Ref(to="shared", is_ours=False)


def test_two_configs_of_one_pass_share_no_address():
    addresses = [one.ip for stack in stacks(NETWORKS, MORE) for one in of_kind(stack, PoolAddress)]
    assert len(addresses) == len(set(addresses)) == 3


def test_a_full_pool_is_told_and_its_config_makes_no_stack():
    problems = []
    text = NETWORKS.replace("[192.168.1.10-192.168.1.20]", "[192.168.1.10]")
    assert stacks(text, problems=problems) == ()
    assert [problem.code for problem in problems] == ["fabric.no-room"]


def test_rules_find_the_groups_declared():
    (stack,) = stacks(NETWORKS)
    admins, tagged = of_kind(stack, Group)
    (policy,) = of_kind(stack, SecurityPolicy)
    assert (policy.scope, policy.rules[0].sources) == ((Ref(to=tagged.id),), (Ref(to=admins.id),))
    assert policy.rules[0].destinations == (Ref(to=tagged.id), Ref(to="theirs", is_ours=False))


def test_a_pool_made_narrower_gives_addresses_outside_of_it_back():
    recorded = recorded_of(stacks(NETWORKS), user=OUTLIVING)
    text = NETWORKS.replace("192.168.1.10-192.168.1.20", "192.168.1.11-192.168.1.20")
    key = f"pool:{NAMES.id('ip pool', 'c0', 'floating')}"
    there = Room(name="floating", ranges=(span("192.168.1.8/29"),), taken=(span("192.168.1.10/31"),))
    (stack,) = stacks(text, recorded=recorded, rooms={key: there})
    assert sorted(one.ip for one in of_kind(stack, PoolAddress)) == ["192.168.1.11", "192.168.1.12"]


def test_another_cpis_names_are_not_found():
    main, more = load_networks([("c0", NETWORKS), ("c1", MORE)])
    made = stacks_of_config((main, replace(more, cpi="west", nat_rules=())), (), {}, NAMES, [])
    assert not any(segment.router.is_ours for segment in of_kind(made[1], Segment))
