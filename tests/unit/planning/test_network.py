"""network: settings maps as BOSH gives them to a CPI, default networks, names (2.1, 3.9)."""

from director.model.cloud import NetworkType
from director.model.wanted import Address
from director.planning.network import defaults_of, dns_name, main_network, settings_of
from tests.unit.planning.samples import PRIVATE, group, joined, network, subnet

DYN = network(
    "dyn",
    subnet(None, azs=["z1"], dns=("1.1.1.1",)),
    subnet(None, azs=["z2"], cloud_properties={"net": "b"}),
    type=NetworkType.DYNAMIC,
)


def test_a_manual_network_tells_all_of_its_subnet():
    address = Address(network="private", ip="10.0.2.31")
    assert settings_of(PRIVATE, address, "z2", ("gateway", "dns")) == {
        "type": "manual",
        "ip": "10.0.2.31",
        "netmask": "255.255.255.0",
        "gateway": "10.0.2.1",
        "dns": ["8.8.8.8"],
        "default": ["dns", "gateway"],
        "cloud_properties": {},
    }


def test_a_subnet_without_gateway_names_none():
    bare = network("bare", subnet("10.0.9.0/24"))
    assert "gateway" not in settings_of(bare, Address(network="bare", ip="10.0.9.5"), None, ())


def test_a_dynamic_network_has_no_address_and_its_zone_s_properties():
    settings = settings_of(DYN, Address(network="dyn", ip="192.168.0.9"), "z2", ("dns",))
    assert settings == {"type": "dynamic", "ip": None, "dns": [], "default": ["dns"], "cloud_properties": {"net": "b"}}


def test_a_vip_network_has_only_its_address():
    vip = network("vip", type=NetworkType.VIP)
    assert settings_of(vip, Address(network="vip", ip="52.1.1.1"), "z1", ()) == {
        "type": "vip",
        "ip": "52.1.1.1",
        "cloud_properties": {},
    }


def test_the_only_network_serves_for_dns_and_gateway():
    assert defaults_of(group("g"), "private") == ("dns", "gateway")


def test_of_several_networks_each_serves_for_what_it_was_chosen_for():
    wanted = group("g", networks=[joined("a", default=("gateway", "dns")), joined("b", default=("addressable",))])
    assert (defaults_of(wanted, "a"), defaults_of(wanted, "b")) == (("dns", "gateway"), ("addressable",))
    assert main_network(wanted) == "b"


def test_without_an_addressable_network_the_gateway_s_is_the_main_one():
    wanted = group("g", networks=[joined("a"), joined("b", default=("gateway", "dns"))])
    assert main_network(wanted) == "b"
    assert main_network(group("g", networks=[joined("a")])) == "a"


def test_names_are_canonical():
    assert dns_name("id-1", "My_Web", "Net", "demo") == "id-1.my-web.net.demo.bosh"
