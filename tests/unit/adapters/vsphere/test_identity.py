"""Who a VM is: written on it, read back, and shown to the director."""

from dataclasses import replace
from types import SimpleNamespace

from director.adapters.vsphere.detail import with_details
from director.adapters.vsphere.identity import (
    Identity,
    annotation_of,
    identity_of,
    instance_uuid,
    read_annotation,
    read_identity,
    to_extra_config,
)
from director.adapters.vsphere.seen import seen_vm
from director.adapters.vsphere.watch import WatchedVm
from director.model.sighting import Power
from tests.contract.local_vm import vm_request

DIRECTOR = "6f1d3f64-0000-4000-8000-000000000001"


def test_the_instance_uuid_follows_from_director_and_name_alone():
    assert instance_uuid(DIRECTOR, "web-1") == instance_uuid(DIRECTOR, "web-1")
    others = {instance_uuid(DIRECTOR, "web-2"), instance_uuid(DIRECTOR.replace("6", "7"), "web-1")}
    assert instance_uuid(DIRECTOR, "web-1") not in others


def test_an_identity_written_is_read_back():
    moves = {"disk-2": "datastore-9", "disk-1": "datastore-8"}
    identity = identity_of(vm_request("web-1"), cluster="domain-c1", moves=moves)
    options = [SimpleNamespace(key=key, value=value) for key, value in to_extra_config(identity).items()]
    assert read_identity([*options, SimpleNamespace(key="other", value=1)]) == identity
    assert (identity.deployment, identity.instance, identity.moves) == ("shop", "instance-of-web-1", moves)
    assert len(identity.macs) == 1


def test_nothing_is_written_for_what_is_empty():
    assert to_extra_config(Identity()) == {}
    assert read_identity([]) == Identity()


def test_the_annotation_has_a_line_for_each_tag_and_no_token():
    lines = annotation_of(vm_request("web-1")).splitlines()
    assert {"deployment: shop", "instance: instance-of-web-1", "job: web"} < set(lines)
    assert "a-token" not in "".join(lines)


def test_the_annotation_is_read_as_it_was_written_whatever_others_put_beside_it():
    tags = {"url": "http://a: b", "note": "two\n lines", "empty": ""}
    text = annotation_of(replace(vm_request("web-1"), tags=tags))
    found = read_annotation(f"Backup by night.\n{text.replace('empty: ', 'empty:')}\nowner: ops  \n")
    wanted = {"deployment": "shop", "instance": "instance-of-web-1", "url": "http://a: b", "note": "two lines"}
    assert found == {**wanted, "owner": "ops"}
    assert read_annotation("") == {}


def card(mac, *addresses):
    return SimpleNamespace(macAddress=mac, ipAddress=list(addresses) or None)


def test_addresses_are_those_of_the_cards_the_vm_was_made_with_in_their_order():
    vm = WatchedVm(moid="vm-1", name="web-1", power="poweredOn", tools="guestToolsRunning")
    identity = Identity(instance="i", deployment="shop", macs=("00:50:56:00:00:0a", "00:50:56:00:00:0b"))
    options = [SimpleNamespace(key=key, value=value) for key, value in to_extra_config(identity).items()]
    cards = [card("00:50:56:00:00:0B", "10.0.1.5", "fe80::1"), card("02:42:00:00:00:01", "172.17.0.1")]
    details = {"config.extraConfig": options, "guest.net": cards, "config.annotation": "id: other\nenv: prod"}
    bare = seen_vm(vm, identity, [], {})
    seen = with_details(bare, vm, details)
    assert seen.addresses == ((), ("10.0.1.5", "fe80::1"))
    assert seen.tags == {"deployment": "shop", "env": "prod", "id": "i"}
    assert with_details(bare, replace(vm, tools=""), details).addresses is None
    assert with_details(bare, replace(vm, power="poweredOff"), details).addresses is None
    assert with_details(bare, vm, {}) == bare, "gone, or half made"


def test_a_vm_is_shown_with_sizes_place_and_disks():
    vm = WatchedVm(moid="vm-1", name="web-1", power="poweredOn", cpu=2, ram_mb=1024, host="host-1")
    seen = seen_vm(vm, Identity(instance="i"), ["disk-b", "disk-a"], {"host-1": "C0 / H0"})
    assert (seen.name, seen.cid, seen.power, seen.instance) == ("web-1", "web-1", Power.ON, "i")
    assert (seen.sizes, seen.place, seen.disks) == ({"cpu": 2, "ram": 1024}, "C0 / H0", ("disk-a", "disk-b"))


def test_a_suspended_vm_is_off_and_what_is_not_known_is_left_out():
    seen = seen_vm(WatchedVm(moid="vm-1", name="web-1", power="suspended"), Identity(), [], {})
    assert (seen.power, seen.sizes, seen.place, seen.instance) == (Power.OFF, {}, "", None)
