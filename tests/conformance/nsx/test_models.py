"""``tests/support/nsxmodels.py`` finds what it promises to find, and nothing in good bodies."""

from typing import Any

import pytest

from tests.support.nsxmodels import enum_of, fields_of, knows, problems_of, read_only_of

GOOD: dict[str, dict[str, Any]] = {
    "Tier1": {"tier0_path": "/infra/tier-0s/t", "route_advertisement_types": ["TIER1_NAT"], "_revision": 3},
    "Segment": {"subnets": [{"gateway_address": "10.0.0.1/24"}], "vlan_ids": ["0-4094"]},
    "PolicyNatRule": {"action": "NO_SNAT", "source_network": "10.0.0.0/8"},
    "IpAddressPoolBlockSubnet": {
        "resource_type": "IpAddressPoolBlockSubnet", "ip_block_path": "/infra/ip-blocks/b", "size": 16,
    },
    "LBPool": {"snat_translation": {"type": "LBSnatIpPool", "ip_addresses": [{"ip_address": "192.0.2.1"}]}},
    "Group": {"expression": [{"resource_type": "IPAddressExpression", "ip_addresses": ["10.0.0.1"]}]},
    "Infra": {
        "resource_type": "Infra",
        "children": [
            {"resource_type": "ChildTier1", "Tier1": {"id": "t", "resource_type": "Tier1", "children": [
                {"resource_type": "ChildLocaleServices", "LocaleServices": {"id": "l"}}]}},
            {"resource_type": "ChildResourceReference", "id": "default", "target_type": "Domain", "children": [
                {"resource_type": "ChildGroup", "marked_for_delete": True, "Group": {"id": "g"}}]},
            {"resource_type": "ChildLBMonitorProfile", "LBMonitorProfile": {
                "id": "m", "resource_type": "LBTcpMonitorProfile", "interval": 5}},
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("model", GOOD)
def test_a_good_body_has_no_problems(model: str) -> None:
    assert problems_of(model, GOOD[model]) == []
    assert problems_of(model, GOOD[model], written=True) == []


@pytest.mark.parametrize(
    "model, body, problem",
    [
        ("Tier1", {"colour": "red"}, "colour: Tier1 has no such field"),
        ("Tier1", {"tier0_path": 7}, "tier0_path: 7 is not of string type"),
        ("Tier1", {"arp_limit": "7000"}, "arp_limit: '7000' is not of integer type"),
        ("Tier1", {"arp_limit": True}, "arp_limit: True is not of integer type"),
        ("Tier1", {"disable_firewall": "no"}, "disable_firewall: 'no' is not of boolean type"),
        ("Tier1", {"arp_limit": 1}, "arp_limit: 1 is below 5000"),
        ("Tier1", {"arp_limit": 50001}, "arp_limit: 50001 is above 50000"),
        ("Tier1", {"display_name": "x" * 256}, "display_name: 256 characters are more than 255"),
        ("Tier1", {"tags": "a"}, "tags: 'a' is not a list"),
        ("Tier1", {"tags": [{"scope": "a", "name": "b"}]}, "tags[0].name: Tag has no such field"),
        ("Tier1", {"resource_type": "Tier0"}, "resource_type: 'Tier0' is not 'Tier1'"),
        ("Tier1", {"failover_mode": "NEVER"}, "failover_mode: 'NEVER' is none of NON_PREEMPTIVE, PREEMPTIVE"),
        ("Tier1", [], ".: [] is not an object (Tier1)"),
        ("PolicyNatRule", {"action": "DNAT", "translated_network": "10.0.0.1"},
         "destination_network: PolicyNatRule needs it"),
        ("IpAddressPoolBlockSubnet", {"ip_block_path": "/infra/ip-blocks/b"},
         "size|subnet_size: IpAddressPoolBlockSubnet needs it"),
        ("StaticRoutes", {"network": "10.0.0.0/8", "next_hops": []}, "next_hops: StaticRoutes needs it"),
        ("Group", {"expression": [{"ip_addresses": ["10.0.0.1"]}]},
         "expression[0].resource_type: None is not a kind of Expression"),
        ("LBPool", {"snat_translation": {"type": "LBSnatIpPool"}},
         "snat_translation.ip_addresses: LBSnatIpPool needs it"),
        ("LBPool", {"snat_translation": {"type": "LBSnatAutoMap", "ip_addresses": []}},
         "snat_translation.ip_addresses: LBSnatAutoMap has no such field"),
        ("Infra", {"children": [{"resource_type": "Tier1"}]},
         "children[0].resource_type: 'Tier1' is not a kind of ChildPolicyConfigResource"),
        ("Infra", {"children": [{"resource_type": "ChildTier1"}]}, "children[0].Tier1: ChildTier1 needs it"),
        ("Infra", {"children": [{"resource_type": "ChildTier1", "Tier1": {}}]},
         "children[0].Tier1.id: ChildTier1 needs it"),
        ("Infra", {"children": [{"resource_type": "ChildTier1", "Tier1": {"id": "t", "x": 1}}]},
         "children[0].Tier1.x: Tier1 has no such field"),
        ("Rule", {"service_entries": [{"resource_type": "L4PortSetServiceEntry", "l4_protocol": "SCTP"}]},
         "service_entries[0].l4_protocol: 'SCTP' is none of TCP, UDP"),
        ("SecurityPolicy", {"rules": [{"action": "LOSE"}]},
         "rules[0].action: 'LOSE' is none of ALLOW, DROP, JUMP_TO_APPLICATION, REJECT"),
    ],
)  # fmt: skip
def test_a_departure_is_named_with_its_place(model: str, body: object, problem: str) -> None:
    assert problem in problems_of(model, body)


def test_every_departure_is_told_in_one_go() -> None:
    assert problems_of("Tier1", {"a": 1, "b": 2, "tier0_path": 3}) == [
        "a: Tier1 has no such field",
        "b: Tier1 has no such field",
        "tier0_path: 3 is not of string type",
    ]


def test_a_patch_of_what_is_there_may_leave_out_what_is_needed() -> None:
    assert problems_of("StaticRoutes", {"description": "x"}, partial=True) == []
    assert len(problems_of("StaticRoutes", {"description": "x"})) == 2


def test_what_only_the_manager_sets_is_no_part_of_a_body_we_write() -> None:
    body = {"unique_id": "u", "_create_time": 1, "_create_user": "admin", "_revision": 1, "path": "/infra/segments/s"}
    assert problems_of("Segment", body) == []
    assert problems_of("Segment", body, written=True) == [
        "_create_user: only the manager sets it",
        "unique_id: only the manager sets it",
    ]


def test_an_unknown_model_is_an_error_of_the_caller() -> None:
    assert not knows("Tier7")
    with pytest.raises(KeyError, match="Tier7"):
        problems_of("Tier7", {})


def test_enums_fields_and_read_only_marks_are_read_from_the_sdk() -> None:
    assert enum_of("PolicyNatRule", "firewall_match") == {
        "BYPASS", "MATCH_EXTERNAL_ADDRESS", "MATCH_INTERNAL_ADDRESS",
    }  # fmt: skip
    assert "LBTcpMonitorProfile" in enum_of("LBMonitorProfile", "resource_type")
    assert {"path", "_create_user", "type"} <= read_only_of("Segment")
    assert "connectivity_path" in fields_of("Segment") - read_only_of("Segment")
