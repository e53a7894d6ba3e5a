"""What stacks hold, in which order, under which names; where instances have their places in them."""

from dataclasses import replace

from director.model.fabric import (
    NOT_ATTACHED,
    Group,
    NatRule,
    Ref,
    Router,
    SecurityPolicy,
    Segment,
    ServerPool,
    StackState,
    StaticRoute,
    Topology,
    VirtualServer,
)
from director.model.network_config import GroupWish, NetworkConfig, RouterBalancerWish, RouterWish
from director.model.network_wish import AddressWish, ManagedSubnet
from director.model.wanted import Address
from director.planning.fabric_stacks import attachment_of, segments_of
from tests.unit.planning.fabric_samples import (
    BALANCER,
    EDGES,
    NAMES,
    NAT,
    cloud,
    deployment,
    group,
    managed,
    nat_wish,
    of_kind,
    passed,
    recorded_of,
)

NSXT = {
    "ns_groups": ["theirs"],
    "groups": ["web"],
    "tags": [{"scope": "env", "tag": "prod"}],
    "lb": {"server_pools": [{"name": "web"}]},
    "vif_type": "PARENT",
}


def stack_of(asked, wanted=None, **rest):
    _, (stack,), problems = passed(wanted or deployment(), cloud(managed("web", asked, **rest)))
    assert not problems
    return stack


def attached(known, tree, ip="10.0.0.7", network="web", of=None):
    problems = []
    address = Address(network=network, ip=ip)
    return *attachment_of(known, of or group(), "z1", {"nsxt": tree}, (address,), "web-0", problems), problems


# Managed networks


def test_a_stack_holds_everything_in_the_order_of_need():
    kinds = [one.kind for one in stack_of(NAT).objects]
    assert kinds == [
        "carving",
        "address",
        "address",
        "router",
        "segment",
        "nat rule",
        "nat rule",
        "monitor",
        "server pool",
        "load balancer",
        "virtual server",
    ]


def test_nothing_is_referred_to_before_it_is_there():
    stack = stack_of(replace(NAT, routes=(("10.9.0.0/16", ("10.0.0.2",)),), dnat=(nat_wish(),)))
    for place, one in enumerate(stack.objects):
        before = {earlier.id for earlier in stack.objects[:place]}
        refs = [getattr(one, name) for name in ("router", "pool", "load_balancer", "monitor") if hasattr(one, name)]
        assert not [ref for ref in refs if isinstance(ref, Ref) and ref.is_ours and ref.to not in before]


def test_exceptions_come_before_dnat_and_dnat_before_hiding():
    rules = of_kind(stack_of(replace(NAT, balancer=None, dnat=(nat_wish(ports="22"),))), NatRule)
    by_action = {rule.action: rule for rule in rules}
    assert by_action["NO_SNAT"].priority < by_action["DNAT"].priority < by_action["SNAT"].priority
    assert (by_action["NO_SNAT"].source, by_action["NO_SNAT"].destination) == ("10.0.0.0/26", "10.0.0.0/8")
    assert (by_action["SNAT"].source, by_action["SNAT"].translated) == ("10.0.0.0/26", "1.1.1.1")
    assert (by_action["DNAT"].destination, by_action["DNAT"].translated) == ("1.1.1.2", "10.0.0.5")


def test_a_router_tells_the_world_what_its_topology_shows():
    (hidden,) = of_kind(stack_of(NAT), Router)
    routes = (("10.9.0.0/16", ("10.0.0.2",)),)
    (shown,) = of_kind(stack_of(replace(NAT, topology=Topology.ROUTED, routes=routes)), Router)
    assert (hidden.advertises, shown.advertises) == (("lb_vip", "nat"), ("connected", "lb_vip", "static"))
    assert hidden.tier0 == Ref(to="t0", is_ours=False)
    assert hidden.edge_cluster == Ref(to="edges", is_ours=False)


def test_without_a_tier0_there_is_but_a_segment():
    asked = ManagedSubnet(transport_zone="vlans", vlans=("100",))
    (segment,) = stack_of(asked, range="10.5.0.0/24").objects
    assert (segment.router, segment.gateway, segment.vlans) == (None, None, ("100",))


def test_display_names_are_those_written_else_made_from_the_network():
    written = stack_of(replace(NAT, segment="seg", router="rtr"))
    assert [o.name for o in written.objects if isinstance(o, Router | Segment)] == ["rtr", "seg"]
    made = stack_of(NAT)
    assert {o.name for o in made.objects if isinstance(o, Router | Segment)} == {"web-0a1b2c3d"}
    assert [one.name for one in of_kind(made, ServerPool)] == ["web-0a1b2c3d-web"]
    assert [o.id for o in written.objects] == [o.id for o in made.objects]


def test_two_subnets_are_two_stacks_with_names_and_ids_of_their_own():
    clouds = cloud(managed("web", NAT, NAT))
    _, stacks, _ = passed(deployment(), clouds)
    assert [stack.name for stack in stacks] == ["network/web/0", "network/web/1"]
    ids = [one.id for stack in stacks for one in stack.objects]
    assert len(ids) == len(set(ids))
    assert {of_kind(stack, Segment)[0].name for stack in stacks} == {"web-0a1b2c3d", "web.1-0a1b2c3d"}


def test_the_first_deployment_to_ask_stays_the_owner():
    clouds = cloud(managed("web", NAT))
    _, first, _ = passed(deployment(), clouds)
    _, second, _ = passed(deployment(name="other"), clouds, recorded_of(first))
    assert first == second
    assert second[0].owner == "shop"
    _, alone, _ = passed(deployment(name="other"), clouds)
    assert alone[0].owner == "other"


def test_virtual_servers_lead_to_the_pools_port_at_the_address_chosen():
    stack = stack_of(NAT)
    (server,), (pool,) = of_kind(stack, VirtualServer), of_kind(stack, ServerPool)
    assert (server.ip, server.ports, server.member_port, server.pool) == ("1.1.1.2", ("80",), "8080", Ref(to=pool.id))
    assert pool.monitor is not None
    assert pool.monitor.is_ours


def test_a_route_is_the_same_object_wherever_it_stands_in_the_list():
    one, other = ("10.8.0.0/16", ("10.0.0.2",)), ("10.9.0.0/16", ("10.0.0.3",))
    ids = {r.network: r.id for r in of_kind(stack_of(replace(NAT, routes=(one, other))), StaticRoute)}
    assert ids == {r.network: r.id for r in of_kind(stack_of(replace(NAT, routes=(other, one))), StaticRoute)}


# Groups


def test_groups_and_policies_of_a_deployment_are_one_stack():
    nsxt = {"groups": ["web"], "security_policy": {"rules": [{"name": "in", "from": ["web", "any", "10.0.0.0/8"]}]}}
    _, stacks, _ = passed(deployment(group("web", "elsewhere"), group("db", "elsewhere")), cloud(nsxt=nsxt))
    (stack,) = stacks
    (made,) = of_kind(stack, Group)
    policies = of_kind(stack, SecurityPolicy)
    assert (stack.name, stack.owner, stack.claims) == ("groups/shop", "shop", ())
    assert made.port_tag == ("director/group", made.id)
    assert len({policy.id for policy in policies}) == 2
    assert policies[0].rules[0].sources == (
        Ref(to=made.id),
        Ref(to="any", is_ours=False),
        Ref(to="10.0.0.0/8", is_ours=False),
    )
    assert policies[0].rules[0].destinations == policies[0].scope == (Ref(to=made.id),)


def test_rules_without_a_group_are_about_the_instances_of_their_group():
    nsxt = {"security_policy": {"rules": [{"name": "out", "to": "theirs", "services": ["tcp/443"]}]}}
    known, (stack,), _ = passed(deployment(group("web", "elsewhere")), cloud(nsxt=nsxt))
    (made,), (policy,) = of_kind(stack, Group), of_kind(stack, SecurityPolicy)
    (rule,) = policy.rules
    assert (rule.sources, rule.destinations) == ((Ref(to=made.id),), (Ref(to="theirs", is_ours=False),))
    attachment, _, _ = attached(known, nsxt)
    assert attachment.tags == (("director/group", made.id),)


def test_a_group_of_a_network_config_is_found_by_its_name():
    config = NetworkConfig(name="main", groups=(GroupWish(name="admins", addresses=("10.1.0.0/16",)),))
    nsxt = {"security_policy": {"rules": [{"name": "in", "from": ["admins", {"existing": "admins"}]}]}}
    _, (stack,), _ = passed(deployment(group("web", "elsewhere")), cloud(nsxt=nsxt), configs=(config,))
    ours, theirs = of_kind(stack, SecurityPolicy)[0].rules[0].sources
    assert ours == Ref(to=NAMES.id("group", "main", "admins"))
    assert theirs == Ref(to="admins", is_ours=False)


def test_each_fabric_has_groups_of_its_own_and_a_cpi_without_one_has_none():
    clouds = cloud(nsxt={"groups": ["web"]}, cpis=("east", "west"))
    wanted = deployment(group("web", "elsewhere", azs=("z1", "z2")))
    _, both, _ = passed(wanted, clouds, cpis=("east", "west"))
    assert [(stack.name, stack.cpi) for stack in both] == [("groups/shop/east", "east"), ("groups/shop/west", "west")]
    assert both[0].objects[0].id != both[1].objects[0].id
    _, one, _ = passed(wanted, clouds, cpis=("west",))
    assert [stack.cpi for stack in one] == ["west"]


# Places of instances


def test_an_instance_joins_its_networks_pool_and_its_groups():
    known, (groups, network), _ = passed(deployment(), cloud(managed("web", NAT), nsxt=NSXT))
    attachment, members, problems = attached(known, NSXT)
    (pool,), (made,) = of_kind(network, ServerPool), of_kind(groups, Group)
    assert not problems
    assert attachment.pools == ((Ref(to=pool.id), 8080),)
    assert (attachment.groups, attachment.vif_type) == (("theirs",), "PARENT")
    assert attachment.tags == (("director/group", made.id), ("env", "prod"))
    (member,) = members
    assert (member.pool, member.ip, member.port, member.label) == (Ref(to=pool.id), "10.0.0.7", 8080, "web-0")


def test_an_entrys_own_port_goes_before_the_pools():
    known, _, _ = passed(deployment(), cloud(managed("web", NAT)))
    _, (member,), _ = attached(known, {"lb": {"server_pools": [{"name": "web", "port": 9090}]}})
    assert member.port == 9090


def test_of_two_subnets_the_one_with_the_address_has_the_pool():
    known, stacks, _ = passed(deployment(), cloud(managed("web", NAT, NAT)))
    _, (member,), _ = attached(known, NSXT, ip="10.0.0.70")
    assert member.pool.to == of_kind(stacks[1], ServerPool)[0].id
    assert segments_of(known, (Address(network="web", ip="10.0.0.70"),)) == (of_kind(stacks[1], Segment)[0].id,)


def test_a_pool_is_looked_for_in_network_configs_and_then_among_others():
    config = NetworkConfig(
        name="main",
        routers=(RouterWish(name="r"),),
        balancers=(RouterBalancerWish(name="lb", router=Ref(to="r"), balancer=BALANCER),),
    )
    wanted = deployment(group("web", "elsewhere"))
    known, _, _ = passed(wanted, cloud(), configs=(config,))
    _, (ours,), _ = attached(known, NSXT, network="elsewhere", of=wanted.groups[0])
    assert (ours.pool, ours.port) == (Ref(to=NAMES.id("server pool", "main", "lb", "web")), 8080)
    known, _, _ = passed(wanted, cloud())
    _, (theirs,), _ = attached(known, NSXT, network="elsewhere", of=wanted.groups[0])
    assert (theirs.pool, theirs.port) == (Ref(to="web", is_ours=False), None)


def test_a_pool_without_an_address_is_refused():
    known, _, _ = passed(deployment(), cloud())
    _, members, problems = attached(known, NSXT, ip=None, network="elsewhere")
    assert members == ()
    assert [problem.code for problem in problems] == ["fabric.pool-without-address"]


def test_nothing_asked_is_nothing_attached():
    known, stacks, _ = passed(deployment(), cloud(managed("web", replace(NAT, balancer=None))))
    assert attached(known, {})[:2] == (NOT_ATTACHED, ())
    assert [stack.name for stack in stacks] == ["network/web/0"]


def test_a_half_made_stack_is_chosen_anew_like_a_new_one():
    clouds = cloud(managed("web", NAT))
    _, (stack,), _ = passed(deployment(), clouds)
    joined = recorded_of([replace(stack, objects=())], state=StackState.CHANGING)
    _, again, problems = passed(deployment(), clouds, joined)
    assert (again, problems) == ((stack,), [])


def test_a_fixed_address_is_taken_as_it_is_written():
    asked = ManagedSubnet(**EDGES, topology=Topology.NAT, snat=AddressWish(ip="9.9.9.9"))
    stack = stack_of(asked, range="10.5.0.0/24")
    (rule,) = of_kind(stack, NatRule)
    assert (rule.translated, stack.claims) == ("9.9.9.9", ())
