"""A VM's MACs are known before it exists, are the same each time, and are nobody else's."""

import re

from director.adapters.vsphere.macs import choose_macs, macs_of, nic_networks
from director.model.names import VmName

NAME = VmName("web-0-0123abcd-1")
NETWORKS = {"b": {"type": "manual"}, "a": {"type": "dynamic"}, "public": {"type": "vip"}, "c": {}}


def test_nics_go_by_the_names_of_their_networks_and_a_vip_has_none() -> None:
    assert nic_networks(NETWORKS) == ("a", "b", "c")


def test_addresses_are_those_vcenter_leaves_to_others() -> None:
    macs = [mac for number in range(200) for mac in choose_macs(VmName(f"vm-{number}"), 3)]
    assert all(re.fullmatch(r"00:50:56:[0-3][0-9a-f]:[0-9a-f]{2}:[0-9a-f]{2}", mac) for mac in macs)
    assert len(set(macs)) > 595


def test_the_same_vm_gets_the_same_addresses_and_a_taken_one_is_passed_over() -> None:
    first = choose_macs(NAME, 2)
    assert choose_macs(NAME, 2) == first
    other = choose_macs(NAME, 2, taken={first[0]})
    assert first[0] not in other
    assert other[1] == first[1]


def test_the_plans_choice_is_kept() -> None:
    planned = ["00:50:56:00:00:01", "00:50:56:00:00:02", "00:50:56:00:00:03"]
    assert macs_of(NAME, NETWORKS, {"macs": planned}) == dict(zip("abc", planned, strict=True))


def test_without_a_plan_the_name_decides() -> None:
    assert tuple(macs_of(NAME, NETWORKS, {}).values()) == choose_macs(NAME, 3)
