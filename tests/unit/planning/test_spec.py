"""spec: what a template may ask about its instance (8.4)."""

from dataclasses import replace

from director.model.cloud import NetworkType
from director.planning.spec import spec_tree
from tests.unit.planning.samples import (
    PRIVATE,
    catalog,
    cloud,
    deployment,
    group,
    instances,
    job,
    job_ref,
    joined,
    network,
    solve,
    subnet,
)

BACK = network("back", subnet("10.7.0.0/24", "10.7.0.1"))
DYN = network("dyn", subnet(None), type=NetworkType.DYNAMIC)


def spec(*joins, **rest):
    wanted = solve(
        deployment(group("my_web", networks=joins or None, jobs=[job_ref("app")], **rest)),
        cloud(PRIVATE, BACK, DYN),
        software=catalog(job("app")),
    )
    return spec_tree(instances(wanted)[0]), instances(wanted)[0]


def test_the_spec_tells_who_and_where_the_instance_is():
    tree, instance = spec(persistent_disk_mb=1024)
    assert tree == {
        "deployment": "demo",
        "name": "my_web",
        "index": 0,
        "id": instance.id,
        "az": "z1",
        "bootstrap": True,
        "address": "10.0.1.31",
        "ip": "10.0.1.31",
        "dns_domain_name": "bosh",
        "lifecycle": "service",
        "job": {"name": "my_web", "templates": [{"name": "app"}]},
        "networks": {
            "private": {
                "type": "manual",
                "ip": "10.0.1.31",
                "netmask": "255.255.255.0",
                "gateway": "10.0.1.1",
                "dns": ["8.8.8.8"],
                "default": ["dns", "gateway"],
                "cloud_properties": {},
                "dns_record_name": f"{instance.id}.my-web.private.demo.bosh",
            }
        },
        "persistent_disk": 1024,
    }


def test_address_is_on_the_addressable_network_and_ip_on_the_gateway_s():
    tree, _ = spec(joined("private", default=("dns", "gateway")), joined("back", default=("addressable",)))
    assert (tree["address"], tree["ip"]) == ("10.7.0.2", "10.0.1.31")
    tree, _ = spec(joined("back"), joined("private", default=("dns", "gateway")))
    assert (tree["address"], tree["ip"]) == ("10.0.1.31", "10.0.1.31")


def test_a_dynamic_address_is_a_stand_in_until_it_is_known():
    tree, instance = spec(joined("dyn"))
    assert (tree["ip"], tree["networks"]["dyn"]["ip"]) == ("127.0.0.1", "127.0.0.1")
    known = replace(instance, addresses=(replace(instance.addresses[0], ip="192.168.1.5"),))
    assert spec_tree(known)["address"] == "192.168.1.5"


def test_without_disk_its_size_is_zero():
    assert spec()[0]["persistent_disk"] == 0
