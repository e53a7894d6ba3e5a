"""What record and world say of the same VM or disk, and what that is called."""

from dataclasses import replace
from itertools import product

import pytest

from director.model.record import DiskState, VmState
from director.model.sighting import Power, SeenDisk, SeenVm
from director.planning.drift import DriftKind, Looked, Recorded, find_drift
from tests.unit.api.samples import NAME, SHAPE, disk, instance, vm

WEB = instance(0)
NETWORKS = {
    "b": {"type": "manual", "ip": "10.0.1.5", "prefix": "24"},
    "a": {"type": "manual", "ip": "fd00::5"},
    "c": {"type": "vip", "ip": "198.51.100.5"},
    "d": {"type": "dynamic", "ip": None},
}
TAGS = {"env": "prod", "note": "two\nlines"}
VM = replace(
    vm(WEB),
    shape=replace(SHAPE, cloud_properties={"cpu": 2, "ram": 1024, "disk": "((size))"}, networks=NETWORKS),
    tags=TAGS,
)
DISK = disk(WEB, vm=VM.name)
SEEN_VM = SeenVm(name=VM.name, cid=VM.cid, power=Power.ON, instance=WEB.id, disks=(DISK.cid,))
SEEN_DISK = SeenDisk(name=DISK.name, cid=DISK.cid, size_mb=1024, vm=VM.cid)
OTHER = replace(vm(instance(1)), shape=SHAPE)
SEEN_OTHER = SeenVm(name=OTHER.name, cid=OTHER.cid, power=Power.ON)


def drift(*, vms=(SEEN_VM,), disks=(SEEN_DISK,), vm=VM, disk=DISK, cpi="", deployment=None):
    recorded = Recorded(
        instances=[WEB, instance(1)], vms=[one for one in (vm, OTHER) if one], disks=[disk] if disk else []
    )
    looked = Looked(cpi=cpi, vms={one.name: one for one in (*vms, SEEN_OTHER)}, disks={one.name: one for one in disks})
    return find_drift(recorded, [looked], deployment)


def kinds(**case):
    return [one.kind for one in drift(**case)]


def test_a_world_as_recorded_has_no_drift():
    assert drift() == ()


@pytest.mark.parametrize(
    "seen,kind",
    [
        ((), DriftKind.VM_MISSING),
        ((replace(SEEN_VM, power=Power.OFF),), DriftKind.VM_OFF),
        ((replace(SEEN_VM, cid="vm-1234"),), DriftKind.VM_CID),
        ((replace(SEEN_VM, sizes={"ram": 2048}),), DriftKind.VM_SIZE),
        ((replace(SEEN_VM, addresses=((), ("10.0.1.6",))),), DriftKind.VM_ADDRESS),
        ((replace(SEEN_VM, tags={"note": "two lines"}),), DriftKind.VM_TAGS),
        ((SEEN_VM, SeenVm(name="vm-x", cid="vm-x", power=Power.ON)), DriftKind.VM_UNRECORDED),
    ],
)
def test_what_is_seen_of_vms_has_its_name(seen, kind):
    found = drift(vms=seen, disk=None, disks=())
    assert [one.kind for one in found] == [kind]
    assert all(one.recorded and one.seen and one.fix for one in found)


@pytest.mark.parametrize(
    "seen,kind",
    [
        ((), DriftKind.DISK_MISSING),
        ((replace(SEEN_DISK, size_mb=2048),), DriftKind.DISK_SIZE),
        ((replace(SEEN_DISK, vm=OTHER.cid),), DriftKind.DISK_ELSEWHERE),
        ((replace(SEEN_DISK, vm="vm-of-a-stranger"),), DriftKind.DISK_ELSEWHERE),
        ((replace(SEEN_DISK, vm=None),), DriftKind.DISK_DETACHED),
        ((SEEN_DISK, SeenDisk(name="disk-x", cid="disk-x", size_mb=1)), DriftKind.DISK_UNRECORDED),
    ],
)
def test_what_is_seen_of_disks_has_its_name(seen, kind):
    assert kinds(disks=seen) == [kind]


@pytest.mark.parametrize("state", [DiskState.DETACHED, DiskState.ORPHANED])
def test_a_disk_in_use_that_should_not_be_is_drift_and_one_that_is_not_is_none(state):
    loose = replace(DISK, state=state, vm=None)
    assert kinds(disk=loose) == [DriftKind.DISK_ATTACHED]
    assert kinds(disk=loose, disks=(replace(SEEN_DISK, vm=None),)) == []


@pytest.mark.parametrize("at", [VM.cid, None])
def test_a_disk_between_being_attached_and_being_mounted_is_no_drift(at):
    halfway = replace(DISK, state=DiskState.DETACHED)
    assert kinds(disk=halfway, disks=(replace(SEEN_DISK, vm=at),)) == []
    assert kinds(disk=halfway, disks=(replace(SEEN_DISK, vm=OTHER.cid),)) == [DriftKind.DISK_ATTACHED]


@pytest.mark.parametrize("state,is_there", list(product([VmState.CREATING, VmState.DELETING], [True, False])))
def test_a_vm_that_may_or_may_not_exist_is_no_drift_either_way(state, is_there):
    seen = (replace(SEEN_VM, power=Power.OFF),) if is_there else ()
    assert kinds(vm=replace(VM, state=state), vms=seen, disk=None, disks=()) == []


@pytest.mark.parametrize("state,is_there", list(product([DiskState.CREATING, DiskState.DELETING], [True, False])))
def test_a_disk_that_may_or_may_not_exist_is_no_drift_either_way(state, is_there):
    assert kinds(disk=replace(DISK, state=state), disks=(SEEN_DISK,) if is_there else ()) == []


def test_sizes_are_compared_where_both_are_known_as_numbers():
    assert kinds(vms=(replace(SEEN_VM, sizes={"cpu": 2, "ram": 1024, "disk": 9, "gpu": 1}),)) == []
    (found,) = drift(vms=(replace(SEEN_VM, sizes={"cpu": 4, "ram": 512}),))
    assert (found.recorded, found.seen) == ("cpu 2, ram 1024 MB", "cpu 4, ram 512 MB")


@pytest.mark.parametrize(
    "seen",
    [
        {"addresses": None},
        {"addresses": ()},
        {"addresses": ((), (), ())},
        {"addresses": (("fd00:0:0::5", "fe80::1"), ("10.0.1.5", "10.0.1.99"), ("10.9.9.9",))},
        {"addresses": (("fe80::1%eth0",), ("169.254.1.1",), ())},
        {"tags": None},
        {"tags": {"env": " prod", "note": "two lines ", "of": "somebody else"}},
    ],
    ids=lambda seen: repr(seen)[:60],
)
def test_addresses_and_tags_are_compared_only_where_they_are_told_and_only_what_was_set(seen):
    assert kinds(vms=(replace(SEEN_VM, **seen),)) == []


def test_a_vm_that_is_off_has_lost_no_address():
    off = replace(SEEN_VM, power=Power.OFF, addresses=((), ("10.0.1.6",)))
    assert kinds(vms=(off,)) == [DriftKind.VM_OFF]


def test_addresses_are_told_by_their_network_and_tags_by_their_key():
    (address,) = drift(vms=(replace(SEEN_VM, addresses=(("fd00::5",), ("10.0.1.6", "10.0.1.7"))),))
    assert (address.recorded, address.seen) == ("b 10.0.1.5", "b 10.0.1.6, 10.0.1.7")
    (tags,) = drift(vms=(replace(SEEN_VM, tags={"env": "test"}),))
    assert (tags.recorded, tags.seen) == ("env: prod, note: two lines", "env: test, no note")
    assert "recreate" in address.fix
    assert "by hand" in tags.fix


def test_a_vm_made_before_tags_were_recorded_has_none_to_lose():
    assert kinds(vm=replace(VM, tags={}), vms=(replace(SEEN_VM, tags={}),)) == []


def test_an_unrecorded_disk_that_something_holds_is_another_matter_than_a_detached_one():
    loose = SeenDisk(name="disk-x", cid="disk-x", size_mb=1)
    ways = {one.kind: one.fix for one in drift(disks=(SEEN_DISK, loose, replace(loose, name="disk-y", vm="vm-z")))}
    assert list(ways) == [DriftKind.DISK_UNRECORDED, DriftKind.DISK_STRANGE]
    assert "clean-up --all" in ways[DriftKind.DISK_UNRECORDED]
    assert "Detach it" in ways[DriftKind.DISK_STRANGE]


def test_a_lost_vm_says_how_to_get_a_new_one_and_is_not_told_twice_for_its_disk():
    (found,) = drift(vms=(), disks=(replace(SEEN_DISK, vm=None),))
    assert found.kind is DriftKind.VM_MISSING
    assert (found.deployment, found.instance, found.subject) == (NAME, WEB.label, VM.name)
    assert f"director -d {NAME} recreate {WEB.label}" in found.fix


def test_a_compilation_vm_is_left_to_the_next_deploy():
    compiler = replace(WEB, is_compilation=True)
    found = find_drift(Recorded(instances=[compiler], vms=[VM]), [Looked(cpi="")])
    assert ["recreate" in one.fix for one in found] == [False]


def test_a_grown_disk_is_to_be_recorded_and_a_smaller_one_looked_after():
    (grown,) = drift(disks=(replace(SEEN_DISK, size_mb=4096),))
    (shrunk,) = drift(disks=(replace(SEEN_DISK, size_mb=512),))
    assert "4096 MB" in grown.fix
    assert "grow it to 1024 MB" in shrunk.fix


def test_what_lies_on_an_infrastructure_nobody_looked_at_is_not_judged():
    away = replace(VM, shape=replace(VM.shape, cpi="far"))
    assert kinds(vm=away, vms=(), disk=replace(DISK, cpi="far"), disks=()) == []


def test_two_cpis_of_one_vcenter_show_a_stranger_once_and_recorded_vms_as_nobodys_stranger():
    stranger = SeenVm(name="vm-x", cid="vm-x", power=Power.ON)
    seen = {one.name: one for one in (SEEN_VM, stranger)}
    looked = [Looked(cpi="", vms=seen), Looked(cpi="same", vms=seen)]
    found = find_drift(Recorded(instances=[WEB], vms=[VM]), looked)
    assert [(one.kind, one.subject) for one in found] == [(DriftKind.VM_UNRECORDED, "vm-x")]


def test_one_deployment_is_told_what_is_its_own():
    stranger = SeenVm(name="vm-x", cid="vm-x", power=Power.ON)
    its_own = replace(stranger, name="vm-y", cid="vm-y", instance=WEB.id)
    assert [one.subject for one in drift(vms=(SEEN_VM, stranger, its_own), deployment=NAME)] == ["vm-y"]
    assert drift(vms=(), disks=(), deployment="another") == ()


def test_every_kind_of_drift_is_found_by_some_case():
    cases = [
        {"vms": ()},
        {"vms": (replace(SEEN_VM, power=Power.OFF, cid="c", sizes={"cpu": 1}),), "disk": None, "disks": ()},
        {"vms": (SEEN_VM, SeenVm(name="x", cid="x", power=Power.ON))},
        {"disks": ()},
        {"disks": (replace(SEEN_DISK, size_mb=1, vm=OTHER.cid), SeenDisk(name="x", cid="x", size_mb=1))},
        {"disks": (replace(SEEN_DISK, vm=None), SeenDisk(name="y", cid="y", size_mb=1, vm="z"))},
        {"vms": (replace(SEEN_VM, addresses=((), ("10.0.1.6",)), tags={}),)},
        {"disk": replace(DISK, state=DiskState.DETACHED, vm=None)},
    ]
    # Those of networks are tried in test_fabric_drift.
    of_machines = {kind for kind in DriftKind if kind.value.startswith(("vm", "disk"))}
    assert {kind for case in cases for kind in kinds(**case)} == of_machines
