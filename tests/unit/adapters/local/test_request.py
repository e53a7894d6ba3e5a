from dataclasses import replace

import pytest

from director.adapters.local.files import Limits
from director.adapters.local.request import check_shape, read_limits, read_nics, wrong_in
from director.model.names import StemcellCid
from director.ports.failure import InfrastructureFailure, Retry
from tests.contract.local_vm import vm_request


def manual(ip="10.0.0.5", **more):
    return {"type": "manual", "ip": ip, "netmask": "255.255.255.0", "gateway": "10.0.0.1", **more}


def shape(networks, **cloud_properties):
    return vm_request(networks=networks, cloud_properties=cloud_properties).shape


def test_the_only_network_is_the_default_route_even_when_nobody_says_so():
    (nic,) = read_nics({"a": manual()}, [])
    assert (str(nic.address), nic.gateway, nic.has_default_route) == ("10.0.0.5/24", "10.0.0.1", True)


def test_of_several_networks_the_named_one_is_the_default_route_and_names_decide_the_order():
    nics = read_nics({"b": manual(default=["gateway"]), "a": manual(default=["dns"], dns=["10.0.0.2"])}, [])
    assert [(nic.network, nic.has_default_route) for nic in nics] == [("a", False), ("b", True)]
    assert nics[0].dns == ("10.0.0.2",)


def test_a_prefix_serves_as_well_as_a_netmask_and_ipv6_too():
    (nic,) = read_nics({"a": {"ip": "fd00::5", "prefix": "64", "gateway": "fd00::1"}}, [])
    assert str(nic.address) == "fd00::5/64"


def test_a_vip_is_no_card_and_a_network_without_address_is_refused():
    wrong = []
    assert read_nics({"v": {"type": "vip", "ip": "1.2.3.4"}, "d": {"type": "dynamic"}}, wrong) == ()
    assert [text for text in wrong if '"d"' in text] == wrong
    assert len(wrong) == 1


def test_everything_wrong_is_said_at_once():
    request = shape({"a": manual(), "d": {"type": "dynamic"}}, cpu=-1, ram="much", disk=True)
    with pytest.raises(InfrastructureFailure) as failure:
        check_shape(request, own_network=False)
    message = str(failure.value)
    assert failure.value.retry is Retry.NEVER
    for word in ("manifests/ops/unprivileged.yml", '"d"', "cpu", "ram", "disk"):
        assert word in message


def test_without_an_own_network_loopback_addresses_are_taken():
    nics, _ = check_shape(shape({"a": {"ip": "127.3.0.5", "netmask": "255.0.0.0"}}), own_network=False)
    assert str(nics[0].address) == "127.3.0.5/8"


def test_a_stemcell_that_is_not_this_host_is_refused():
    other = vm_request(networks={"a": manual()}).shape
    with pytest.raises(InfrastructureFailure, match="sc-1"):
        check_shape(type(other)(**{**fields_of(other), "stemcell_cid": "sc-1"}), own_network=True)


def fields_of(value):
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


@pytest.mark.parametrize(
    "properties, limits",
    [
        ({}, Limits()),
        ({"cpu": 2, "ram": 1024}, Limits(cpu=2.0, ram_mb=1024)),
        ({"cpu": 0.5, "memory": 512, "disk": 10_000}, Limits(cpu=0.5, ram_mb=512)),
    ],
)
def test_limits_are_read_by_either_name(properties, limits):
    wrong = []
    assert read_limits(properties, wrong) == limits
    assert not wrong


def test_a_stemcell_of_its_own_needs_root_and_to_be_there():
    wished = replace(
        shape({"a": manual("127.0.0.5")}),
        stemcell_name="debian",
        stemcell_version="7",
        stemcell_cid=StemcellCid("root-0123"),
    )
    assert wrong_in(wished, own_network=True, is_known=True) == []
    (wrong,) = wrong_in(wished, own_network=True, is_known=False)
    assert '"debian/7"' in wrong
    assert "--fix" in wrong
    for is_known in (True, False):
        (wrong,) = wrong_in(wished, own_network=False, is_known=is_known)
        assert "run the director as root" in wrong
