import pytest

from director.adapters.local.network import Networks, check_free, mac_of, vm_commands
from director.adapters.local.request import read_nics
from director.ports.failure import InfrastructureFailure

NET = {"ip": "10.0.0.5", "netmask": "255.255.255.0", "gateway": "10.0.0.1"}
ROUTES = (
    "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    "eth0 00000000 0100000A 0003 0 0 0 00000000 0 0 0\n"
    "eth0 {destination} 00000000 0001 0 0 0 {mask} 0 0 0\n"
)


def test_names_fit_the_kernel_and_differ_by_director_network_vm_and_card():
    one, two = Networks("/state/one"), Networks("/state/two")
    names = {one.bridge("a"), one.bridge("b"), two.bridge("a"), one.port("v", 0), one.port("v", 1), two.port("v", 0)}
    assert len(names) == 6
    assert max(len(name) for name in names) <= 15
    assert one.bridge("a") == Networks("/state/one").bridge("a"), "a restarted director finds its own"
    assert one.namespace.name != two.namespace.name
    assert one.link != two.link
    assert len(one.link) <= 15


def test_a_hardware_address_is_local_unicast_and_stays_with_its_address():
    assert mac_of("/state", "a", "10.0.0.5") == mac_of("/state", "a", "10.0.0.5")
    assert mac_of("/state", "a", "10.0.0.5") != mac_of("/state", "a", "10.0.0.6")
    assert int(mac_of("x").split(":")[0], 16) & 0b11 == 0b10


def test_a_vm_sets_its_address_and_its_default_route():
    assert vm_commands(read_nics({"a": NET}, [])).splitlines() == [
        "link set lo up",
        "addr add 10.0.0.5/24 dev eth0 brd +",
        "link set eth0 up",
        "route add default via 10.0.0.1 dev eth0",
    ]


def test_only_one_of_two_networks_gives_the_default_route():
    nics = read_nics({"a": NET, "b": {"ip": "fd00::5", "prefix": 64, "gateway": "fd00::1", "default": ["gateway"]}}, [])
    routes = [line for line in vm_commands(nics).splitlines() if line.startswith("route")]
    assert routes == ["route add default via fd00::1 dev eth1"]


def test_a_range_reached_elsewhere_is_refused_and_the_default_route_is_not_in_the_way():
    (nic,) = read_nics({"a": NET}, [])
    check_free(nic, ROUTES.format(destination="0001A8C0", mask="00FFFFFF"))
    with pytest.raises(InfrastructureFailure, match=r"10\.0\.0\.0/16 through eth0"):
        check_free(nic, ROUTES.format(destination="0000000A", mask="0000FFFF"))


def test_what_leads_there_through_our_own_link_is_no_other_way():
    (nic,) = read_nics({"a": NET}, [])
    routes = ROUTES.format(destination="0000000A", mask="00FFFFFF")
    check_free(nic, routes, {"eth0"})
    with pytest.raises(InfrastructureFailure, match="through eth0"):
        check_free(nic, routes, {"eth1"})


@pytest.mark.parametrize(
    "network, route",
    [
        ({"ip": "10.0.0.5", "prefix": 24}, "route add default dev eth0"),
        ({**NET, "default": ["dns"]}, "route add default via 10.0.0.1 dev eth0"),
    ],
)
def test_who_needs_some_default_route_gets_one_where_no_network_gives_any(network, route):
    nics = read_nics({"a": network}, [])
    assert "default" not in vm_commands(nics)
    assert vm_commands(nics, needs_default_route=True).splitlines()[-1] == route
    assert vm_commands(read_nics({"a": NET}, []), needs_default_route=True).count("default") == 1
