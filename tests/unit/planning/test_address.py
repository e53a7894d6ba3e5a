"""address: lowest free first, nothing forbidden, kept while it fits, nobody twice (3.5)."""

from dataclasses import replace

import pytest

from director.model.cloud import NetworkType
from director.model.wanted import Address
from director.planning.address import assign_addresses, free_addresses, free_numbers, subnets_in, text_of
from director.planning.place import place_groups
from tests.unit.planning.samples import PRIVATE, group, joined, network, record_of, row, subnet

SMALL = network("small", subnet("10.5.0.0/29", "10.5.0.1", reserved=["10.5.0.2"], static=["10.5.0.5"]))
VIP = network("vip", type=NetworkType.VIP)
VIPS = network("vips", subnet(None, azs=["z1"], static=["52.0.0.5-52.0.0.6"]), type=NetworkType.VIP)
DYN = network("dyn", subnet(None, dns=("1.1.1.1",)), type=NetworkType.DYNAMIC)
NETWORKS = {n.name: n for n in (PRIVATE, SMALL, VIP, VIPS, DYN)}


def assign(*groups, record=None, taken=None, networks=NETWORKS):
    problems = []
    seats = place_groups(groups, record, networks, "demo", "seed", problems)
    found = assign_addresses(seats, networks, taken or {}, record.instances if record else (), problems)
    return {seat.label: [r.address.ip for r in found[seat.id]] for seat in seats}, problems


def held(index, *ips, name="g", az="z1", net="private", **rest):
    return row(index, az, name=name, addresses=tuple(Address(network=net, ip=ip) for ip in ips), **rest)


def test_gateway_ends_reserved_and_static_are_never_given():
    assert [text_of(n) for n in free_numbers(SMALL.subnets[0])] == ["10.5.0.3", "10.5.0.4", "10.5.0.6"]


def test_reserved_ranges_may_overlap_and_reach_past_the_ends():
    odd = subnet("10.5.0.0/29", "10.5.0.6", reserved=["10.5.0.0-10.5.0.2", "10.5.0.1-10.5.0.4", "10.5.0.7"])
    assert [text_of(n) for n in free_numbers(odd)] == ["10.5.0.5"]


def test_free_addresses_go_through_subnets_in_order_and_stop_when_there_are_none():
    assert free_addresses(subnets_in(PRIVATE, "z1"), {"10.0.1.31"}, 2) == ("10.0.1.32", "10.0.1.33")
    assert free_addresses([SMALL.subnets[0], PRIVATE.subnets[0]], set(), 4)[-1] == "10.0.1.31"
    assert free_addresses(SMALL.subnets, {"10.5.0.3"}, 9) == ("10.5.0.4", "10.5.0.6")
    assert free_addresses(SMALL.subnets, set(), 0) == ()


def test_a_huge_range_costs_only_what_is_taken_from_it():
    huge = subnet("10.0.0.0/8", "10.0.0.1", reserved=["10.0.0.2-10.200.0.0"])
    assert free_addresses([huge], set(), 1) == ("10.200.0.1",)
    six = subnet("fd00::/64", "fd00::1")
    assert free_addresses([six], set(), 2) == ("fd00::2", "fd00::3")


def test_each_instance_gets_the_lowest_free_address_of_its_zone():
    found, problems = assign(group("g", 3, ["z1", "z2"]), taken={"10.0.1.31": "other"})
    assert found == {"g/0": ["10.0.1.32"], "g/1": ["10.0.2.31"], "g/2": ["10.0.1.33"]}
    assert not problems


def test_a_recorded_address_is_kept_though_a_lower_one_is_free():
    found, _ = assign(group("g", 2), record=record_of(held(0, "10.0.1.77")))
    assert found == {"g/0": ["10.0.1.77"], "g/1": ["10.0.1.31"]}


@pytest.mark.parametrize("ip", ["10.0.1.5", "10.0.1.1", "10.0.1.20", "10.0.2.40", "10.9.0.1"])
def test_a_recorded_address_that_no_longer_fits_is_replaced(ip):
    """Reserved, gateway, static, another zone's, in no subnet."""
    found, problems = assign(group("g", 1), record=record_of(held(0, ip)))
    assert (found, problems) == ({"g/0": ["10.0.1.31"]}, [])


def test_a_renamed_network_keeps_addresses():
    found, _ = assign(group("g", 1), record=record_of(held(0, "10.0.1.50", net="former")))
    assert found == {"g/0": ["10.0.1.50"]}


def test_an_address_is_kept_under_its_own_network_before_another_may_claim_it():
    twin = replace(PRIVATE, name="twin")
    networks = {**NETWORKS, "twin": twin}
    both = group("g", 1, networks=[joined("twin"), joined("private", default=("dns", "gateway"))])
    found, _ = assign(both, record=record_of(held(0, "10.0.1.50")), networks=networks)
    assert found == {"g/0": ["10.0.1.31", "10.0.1.50"]}


def test_what_an_obsolete_instance_still_holds_is_not_given_away():
    record = record_of(held(0, "10.0.1.31", name="gone"))
    assert assign(group("g", 1), record=record)[0] == {"g/0": ["10.0.1.32"]}


def test_two_groups_may_swap_static_addresses():
    record = record_of(held(0, "10.0.1.10", name="a"), held(0, "10.0.1.11", name="b"))
    a = group("a", networks=[joined(static_ips=("10.0.1.11",))])
    b = group("b", networks=[joined(static_ips=("10.0.1.10",))])
    found, problems = assign(a, b, record=record)
    assert (found, problems) == ({"a/0": ["10.0.1.11"], "b/0": ["10.0.1.10"]}, [])


def test_a_static_address_moves_from_an_instance_that_no_longer_lists_it():
    record = record_of(held(0, "10.0.1.10", name="a"))
    found, problems = assign(group("a"), group("b", networks=[joined(static_ips=("10.0.1.10",))]), record=record)
    assert (found, problems) == ({"a/0": ["10.0.1.31"], "b/0": ["10.0.1.10"]}, [])


def test_a_static_address_of_another_deployment_is_refused_naming_its_owner():
    wanted = group("g", networks=[joined(static_ips=("10.0.1.10",))])
    _, problems = assign(wanted, taken={"10.0.1.10": "their-id"})
    assert [p.number for p in problems] == [130008]
    assert "their-id of another deployment" in problems[0].detail


def test_one_static_address_in_two_groups_is_refused_naming_the_other():
    same = [joined(static_ips=("10.0.1.10",))]
    _, problems = assign(group("a", networks=same), group("b", networks=same))
    assert [p.number for p in problems] == [130008]
    assert "a/0 of this deployment" in problems[0].detail


def test_an_exhausted_network_is_refused_once_per_group_and_zone():
    found, problems = assign(group("g", 5, [], networks=[joined("small")]))
    assert [p.number for p in problems] == [130011]
    assert "g/3 and 1 more" in problems[0].detail
    assert found["g/2"] == ["10.5.0.6"]


def test_a_dynamic_network_gives_no_address_and_keeps_the_one_its_vm_brought():
    wanted = group("g", 2, networks=[joined("dyn")])
    found, _ = assign(wanted, record=record_of(held(0, "192.168.7.7", net="dyn")))
    assert found == {"g/0": ["192.168.7.7"], "g/1": [None]}


def test_vip_addresses_come_from_the_list_or_from_the_network_s_static_ranges():
    vip = [joined("private", default=("dns", "gateway")), joined("vip", static_ips=("52.1.1.1", "52.1.1.2"))]
    record = record_of(row(1, "z1", addresses=(Address(network="vip", ip="52.1.1.1"),)))
    found, problems = assign(group("g", 2, networks=vip), record=record)
    assert ({label: ips[1] for label, ips in found.items()}, problems) == ({"g/0": "52.1.1.2", "g/1": "52.1.1.1"}, [])
    pooled = [joined("private", default=("dns", "gateway")), joined("vips")]
    assert assign(group("g", 2, networks=pooled))[0]["g/1"][1] == "52.0.0.6"


def test_a_vip_network_without_any_addresses_is_refused():
    _, problems = assign(group("g", 1, networks=[joined(), joined("vip")]))
    assert [p.number for p in problems] == [130014]
