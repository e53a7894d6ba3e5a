"""Rules of single kinds. Reference 5.7."""

import pytest

from tests.unit.nsxsim.conftest import EP


@pytest.mark.parametrize(
    ("body", "right"),
    [
        ({"action": "SNAT", "source_network": "10.0.0.0/24", "translated_network": "192.0.2.9"}, True),
        ({"action": "SNAT", "translated_network": "192.0.2.9"}, False),
        ({"action": "DNAT", "destination_network": "192.0.2.9", "translated_network": "10.0.0.4"}, True),
        ({"action": "DNAT", "destination_network": "192.0.2.9"}, False),
        ({"action": "DNAT", "destination_network": "192.0.2.9", "translated_network": "10.0.0.4,10.0.0.5"}, False),
        ({"action": "NO_SNAT", "source_network": "10.0.0.0/24"}, True),
        ({"action": "NO_SNAT", "source_network": "10.0.0.0/24", "translated_network": "192.0.2.9"}, False),
        ({"action": "NO_DNAT"}, False),
        ({"action": "REFLEXIVE", "source_network": "10.0.0.4", "translated_network": "192.0.2.9"}, True),
        ({"source_network": "10.0.0.0/24"}, False),
        ({"action": "SNAT", "source_network": "10.0.0.1-10.0.0.9", "translated_network": "192.0.2.9"}, False),
        (
            {"action": "SNAT", "source_network": "10.0.0.1", "translated_network": "192.0.2.9", "sequence_number": -1},
            False,
        ),
        (
            {
                "action": "DNAT",
                "destination_network": "1.2.3.4",
                "translated_network": "4.3.2.1",
                "translated_ports": "8",
            },
            False,
        ),
    ],
)
async def test_nat_rules_need_what_their_action_needs(world, body, right):
    path = f"{await world.gateway()}/nat/USER/nat-rules/r"
    if right:
        await world.patch(path, body)
        assert (await world.get(path))["firewall_match"] == "MATCH_INTERNAL_ADDRESS"
    else:
        assert (await world.refused("PATCH", path, body))[0] == 400


async def test_stateful_nat_needs_an_active_standby_tier0(world):
    await world.patch("/infra/tier-0s/aa", {"ha_mode": "ACTIVE_ACTIVE"})
    body = {"action": "SNAT", "source_network": "10.0.0.0/24", "translated_network": "192.0.2.9"}
    assert (await world.refused("PATCH", "/infra/tier-0s/aa/nat/USER/nat-rules/r", body))[0] == 400
    await world.patch("/infra/tier-0s/tier-0/nat/USER/nat-rules/r", body)


async def test_a_segment_gets_its_zone_network_and_overlay(world):
    await world.patch("/infra/segments/s", {"subnets": [{"gateway_address": "10.0.0.1/24"}]})
    body = await world.get("/infra/segments/s")
    assert body["transport_zone_path"] == f"{EP}/transport-zones/overlay-tz"
    assert body["subnets"][0]["network"] == "10.0.0.0/24"
    assert body["overlay_id"] > 65536
    assert body["type"] == "DISCONNECTED"


async def test_a_segments_zone_cannot_change(world):
    await world.patch("/infra/segments/s")
    body = {"transport_zone_path": f"{EP}/transport-zones/vlan-tz"}
    assert (await world.refused("PATCH", "/infra/segments/s", body))[:2] == (400, 500016)


@pytest.mark.parametrize("address", ["10.0.0.0/24", "10.0.0.255/24", "10.0.0.1", "10.0.0.300/24", ""])
async def test_a_gateway_address_is_a_host_of_its_network(world, address):
    assert (await world.refused("PATCH", "/infra/segments/s", {"subnets": [{"gateway_address": address}]}))[0] == 400


async def test_vlan_segments_need_ids_and_no_gateway(world):
    zone = {"transport_zone_path": f"{EP}/transport-zones/vlan-tz"}
    assert (await world.refused("PATCH", "/infra/segments/s", zone))[0] == 400
    assert (await world.refused("PATCH", "/infra/segments/s", {**zone, "vlan_ids": ["5000"]}))[0] == 400
    gateway = await world.gateway()
    linked = {**zone, "vlan_ids": ["5"], "connectivity_path": gateway}
    assert (await world.refused("PATCH", "/infra/segments/s", linked))[0] == 400
    await world.patch("/infra/segments/s", {**zone, "vlan_ids": ["5", "10-20"]})


async def test_networks_of_one_gateway_do_not_overlap(world):
    path = await world.gateway()
    other = await world.gateway("t2")
    body = {"connectivity_path": path, "subnets": [{"gateway_address": "10.0.0.1/24"}]}
    await world.patch("/infra/segments/a", body)
    inner = {**body, "subnets": [{"gateway_address": "10.0.0.129/25"}]}
    assert (await world.refused("PATCH", "/infra/segments/b", inner))[:2] == (400, 500105)
    await world.patch("/infra/segments/b", {**inner, "connectivity_path": other})
    await world.patch("/infra/segments/c", {**body, "subnets": [{"gateway_address": "10.0.1.1/24"}]})


async def test_a_pool_has_members_or_a_group(world):
    await world.patch("/infra/domains/default/groups/g")
    both = {
        "members": [{"ip_address": "10.0.0.4", "port": "80"}],
        "member_group": {"group_path": "/infra/domains/default/groups/g"},
    }
    assert (await world.refused("PATCH", "/infra/lb-pools/p", both))[0] == 400
    await world.patch("/infra/lb-pools/p", {"members": both["members"]})
    body = await world.get("/infra/lb-pools/p")
    assert body["members"][0]["weight"] == 1
    assert body["snat_translation"] == {"type": "LBSnatAutoMap"}
    assert (await world.refused("PATCH", "/infra/lb-pools/p", {"members": [{"port": "80"}]}))[:2] == (400, 255)
    weighty = {"members": [{"ip_address": "10.0.0.4", "weight": 300}]}
    assert (await world.refused("PATCH", "/infra/lb-pools/p", weighty))[:2] == (400, 255)


async def test_a_gateway_has_one_load_balancer(world):
    path = await world.gateway()
    await world.patch("/infra/lb-services/a", {"connectivity_path": path})
    assert (await world.refused("PATCH", "/infra/lb-services/b", {"connectivity_path": path}))[0] == 400
    await world.patch("/infra/lb-services/b")


async def test_an_address_and_port_is_served_once_per_service(world):
    path = await world.gateway()
    await world.patch("/infra/lb-services/a", {"connectivity_path": path})
    body = {
        "ip_address": "192.0.2.10",
        "ports": ["80"],
        "application_profile_path": "/infra/lb-app-profiles/default-tcp-lb-app-profile",
        "lb_service_path": "/infra/lb-services/a",
    }
    await world.patch("/infra/lb-virtual-servers/v", body)
    assert (await world.refused("PATCH", "/infra/lb-virtual-servers/w", body))[0] == 400
    await world.patch("/infra/lb-virtual-servers/w", {**body, "ports": ["81"]})
    assert (await world.refused("DELETE", "/infra/lb-services/a"))[:2] == (400, 500030)


_TAG = {
    "resource_type": "Condition",
    "member_type": "VirtualMachine",
    "key": "Tag",
    "operator": "EQUALS",
    "value": "a|b",
}
_OR = {"resource_type": "ConjunctionOperator", "conjunction_operator": "OR"}
_AND = {"resource_type": "ConjunctionOperator", "conjunction_operator": "AND"}
_IPS = {"resource_type": "IPAddressExpression", "ip_addresses": ["10.0.0.0/24", "10.1.0.1-10.1.0.9"]}


@pytest.mark.parametrize(
    ("expression", "right"),
    [
        ([], True),
        ([_TAG], True),
        ([_TAG, _OR, _IPS], True),
        ([_TAG, _AND, _TAG], True),
        ([_TAG, _AND, _IPS], False),
        ([_TAG, _OR], False),
        ([_OR], False),
        ([_TAG, _TAG, _TAG], False),
        ([_TAG, _OR] * 5 + [_TAG], False),
        ([{**_TAG, "operator": "LIKE"}], False),
        ([{**_IPS, "ip_addresses": ["10.0.0.1", "fd00::1"]}], False),
        ([{**_IPS, "ip_addresses": ["nowhere"]}], False),
        ([{"resource_type": "Unheard"}], False),
    ],
)
async def test_group_expressions_alternate(world, expression, right):
    path = "/infra/domains/default/groups/g"
    if right:
        await world.patch(path, {"expression": expression})
    else:
        assert (await world.refused("PATCH", path, {"expression": expression}))[0] == 400


async def test_a_policys_rules_stand_in_it_and_are_objects_too(world):
    path = "/infra/domains/default/security-policies/p"
    rules = [{"id": name, "action": "ALLOW", "sequence_number": n} for n, name in enumerate(("a", "b"))]
    made = await world.put(path, {"rules": rules})
    assert [each["id"] for each in made["rules"]] == ["a", "b"]
    assert made["tcp_strict"] is True
    assert (await world.get(f"{path}/rules/a"))["rule_id"] >= 1000
    await world.patch(path, {"rules": [{"id": "c", "action": "DROP", "sequence_number": 5}]})
    assert [each["id"] for each in (await world.get(path))["rules"]] == ["a", "b", "c"]
    body = await world.get(path)
    after = await world.put(path, {**body, "rules": body["rules"][1:]})
    assert [each["id"] for each in after["rules"]] == ["b", "c"]
    assert after["_revision"] == body["_revision"] + 1
    await world.delete(path)
    world.clock.advance(1)
    assert (await world.refused("GET", f"{path}/rules/b"))[0] == 404


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "JUMP_TO_APPLICATION"},
        {"action": "ALLOW", "source_groups": ["ANY", "10.0.0.1"]},
        {"action": "ALLOW", "services": ["/infra/services/none"]},
        {"action": "ALLOW", "tag": "x" * 33},
        {"source_groups": ["ANY"]},
    ],
)
async def test_a_bad_rule_fails_its_whole_policy(world, rule):
    path = "/infra/domains/default/security-policies/p"
    assert (await world.refused("PUT", path, {"rules": [{"id": "r", **rule}]}))[0] == 400
    assert (await world.refused("GET", path))[0] == 404


async def test_a_rule_is_moved_among_its_kin(world):
    path = "/infra/domains/default/security-policies/p"
    rules = [{"id": name, "action": "ALLOW", "sequence_number": n} for n, name in enumerate("abc")]
    await world.put(path, {"rules": rules})
    body = await world.get(f"{path}/rules/c")
    reply = await world.ask(
        "POST", f"{path}/rules/c", body, action="revise", operation="insert_before", anchor_path=f"{path}/rules/b"
    )
    assert reply.status_code == 200, reply.text
    assert [each["id"] for each in (await world.get(path))["rules"]] == ["a", "c", "b"]


async def test_a_services_ports_are_counted_with_ranges_as_two(world):
    entry = {"id": "e", "resource_type": "L4PortSetServiceEntry", "l4_protocol": "TCP"}
    many = [f"{n}-{n + 1}" for n in range(100, 116, 2)]
    body = {"service_entries": [{**entry, "destination_ports": many}]}
    assert (await world.refused("PATCH", "/infra/services/s", body))[0] == 400
    await world.patch("/infra/services/s", {"service_entries": [{**entry, "destination_ports": many[:7]}]})
    assert (await world.get("/infra/services/s/service-entries/e"))["l4_protocol"] == "TCP"
