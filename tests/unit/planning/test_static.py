"""static: static addresses are spread over zones, kept where held, and refused with the reason (3.4)."""

import pytest

from director.model.cloud import NetworkType
from director.model.wanted import Address
from director.planning.place import place_groups
from tests.unit.planning.samples import PRIVATE, group, joined, network, record_of, row, subnet

SECOND = network(
    "second",
    subnet("10.1.1.0/24", azs=["z1"], static=["10.1.1.10-10.1.1.20"]),
    subnet("10.1.2.0/24", azs=["z2"], static=["10.1.2.10-10.1.2.20"]),
)
WIDE = network("wide", subnet("10.2.0.0/16", "10.2.0.1", azs=["z1", "z2"], static=["10.2.0.10-10.2.0.20"]))
NETWORKS = {"private": PRIVATE, "second": SECOND, "wide": WIDE, "dyn": network("dyn", type=NetworkType.DYNAMIC)}


def place(wanted, record=None):
    problems = []
    seats = place_groups([wanted], record, NETWORKS, "demo", "seed", problems)
    return [(s.index, s.az, s.statics.get("private", s.statics.get("wide"))) for s in seats], problems


def test_the_worked_example_spreads_three_addresses():
    wanted = group("g", 3, ["z1", "z2"], networks=[joined(static_ips=("10.0.1.10", "10.0.1.11", "10.0.2.10"))])
    seats, problems = place(wanted)
    assert seats == [(0, "z1", "10.0.1.10"), (1, "z2", "10.0.2.10"), (2, "z1", "10.0.1.11")]
    assert not problems


def test_a_subnet_of_two_zones_lets_them_be_filled_evenly():
    ips = ("10.2.0.10", "10.2.0.11", "10.2.0.12", "10.2.0.13")
    seats, _ = place(group("g", 4, ["z1", "z2"], networks=[joined("wide", static_ips=ips)]))
    assert [az for _, az, _ in seats] == ["z1", "z2", "z1", "z2"]
    assert sorted(ip for _, _, ip in seats) == sorted(ips)


def test_networks_that_bind_differently_are_satisfied_together():
    """``wide`` would allow one in each zone first; ``private`` has both of its addresses in z2."""
    both = [
        joined("wide", static_ips=("10.2.0.10", "10.2.0.11", "10.2.0.12")),
        joined("private", static_ips=("10.0.2.10", "10.0.2.11", "10.0.1.10")),
    ]
    problems = []
    seats = place_groups([group("g", 3, ["z1", "z2"], networks=both)], None, NETWORKS, "demo", "seed", problems)
    assert sorted((s.az, s.statics["private"]) for s in seats) == [
        ("z1", "10.0.1.10"),
        ("z2", "10.0.2.10"),
        ("z2", "10.0.2.11"),
    ]
    assert len({s.statics["wide"] for s in seats}) == 3
    assert not problems


def test_networks_whose_zones_cannot_agree_are_refused():
    both = [
        joined("private", static_ips=("10.0.1.10", "10.0.1.11")),
        joined("second", static_ips=("10.1.1.10", "10.1.2.10")),
    ]
    seats, problems = place(group("g", 2, ["z1", "z2"], networks=both))
    assert not seats
    assert [p.number for p in problems] == [150002]


def holding(index, az, *ips, **rest):
    return row(index, az, addresses=tuple(Address(network="private", ip=ip, is_static=True) for ip in ips), **rest)


def test_whoever_holds_a_listed_address_keeps_it_and_its_zone():
    record = record_of(holding(0, "z2", "10.0.2.10"), holding(1, "z1", "10.0.1.11"))
    ips = ("10.0.1.10", "10.0.1.11", "10.0.2.10")
    seats, _ = place(group("g", 3, ["z1", "z2"], networks=[joined(static_ips=ips)]), record)
    assert seats == [(0, "z2", "10.0.2.10"), (1, "z1", "10.0.1.11"), (2, "z1", "10.0.1.10")]


def test_an_instance_whose_address_left_the_list_is_reused_in_its_zone():
    record = record_of(holding(0, "z1", "10.0.1.10"), holding(1, "z2", "10.0.2.10"))
    ips = ("10.0.1.20", "10.0.2.10")
    seats, _ = place(group("g", 2, ["z1", "z2"], networks=[joined(static_ips=ips)]), record)
    assert seats == [(0, "z1", "10.0.1.20"), (1, "z2", "10.0.2.10")]


def test_an_instance_in_a_zone_without_addresses_is_obsolete():
    record = record_of(holding(0, "z1", "10.0.1.10"))
    seats, _ = place(group("g", 1, ["z1", "z2"], networks=[joined(static_ips=("10.0.2.10",))]), record)
    assert seats == [(1, "z2", "10.0.2.10")]


def test_of_two_reusable_instances_the_one_with_a_disk_is_kept():
    record = record_of(row(0, "z1"), row(1, "z1"), disks=["g-1"])
    wanted = group("g", 1, ["z1"], networks=[joined(static_ips=("10.0.1.10",))], persistent_disk_mb=1)
    assert place(wanted, record)[0] == [(1, "z1", "10.0.1.10")]


@pytest.mark.parametrize(
    ("name", "ips", "azs", "number"),
    [
        ("private", ["10.9.9.9"], ["z1"], 130012),
        ("private", ["10.0.1.5"], ["z1"], 130013),
        ("private", ["10.0.1.1"], ["z1"], 130013),
        ("private", ["10.0.1.0"], ["z1"], 130013),
        ("private", ["10.0.1.255"], ["z1"], 130013),
        ("private", ["10.0.1.99"], ["z1"], 150002),
        ("private", ["10.0.2.10"], ["z1"], 150007),
        ("private", ["10.0.1.10", "10.0.1.11"], ["z1"], 150002),
        ("dyn", ["10.0.1.10"], ["z1"], 150008),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_bosh_s_number(name, ips, azs, number):
    wanted = group("g", 1, azs, networks=[joined(name, static_ips=tuple(ips))])
    seats, problems = place(wanted)
    assert not seats
    assert [p.number for p in problems] == [number]
    assert '"g"' in problems[0].detail


def test_an_address_that_moved_to_another_zone_while_held_is_refused():
    record = record_of(holding(0, "z1", "10.0.2.10"))
    wanted = group("g", 1, ["z1", "z2"], networks=[joined(static_ips=("10.0.2.10",))])
    assert [p.number for p in place(wanted, record)[1]] == [130010]


def test_two_hundred_addresses_on_two_networks_are_placed():
    wide = [
        network(
            name,
            *(subnet(f"10.{n}.{z}.0/24", azs=[f"z{z}"], static=[f"10.{n}.{z}.10-10.{n}.{z}.200"]) for z in (1, 2, 3)),
        )
        for n, name in ((3, "a"), (4, "b"))
    ]
    lists = [[f"10.{n}.{z}.{h}" for h in range(10, 80) for z in (1, 2, 3)][:200] for n in (3, 4)]
    wanted = group(
        "g",
        200,
        ["z1", "z2", "z3"],
        networks=[joined("a", static_ips=tuple(lists[0])), joined("b", static_ips=tuple(reversed(lists[1])))],
    )
    problems = []
    seats = place_groups([wanted], None, {n.name: n for n in wide}, "demo", "seed", problems)
    assert not problems
    assert all(s.statics[name].split(".")[2] == s.az[1] for s in seats for name in ("a", "b"))
    assert {s.statics["b"] for s in seats} == set(lists[1])
