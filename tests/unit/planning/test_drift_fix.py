"""What is done about drift, and what only a person can decide."""

from director.planning.drift import Drift, DriftKind
from director.planning.drift_fix import WAYS, Way, way_of


def drift(kind, **more):
    usual = {
        "deployment": "shop",
        "instance": "web/0",
        "subject": "vm-1",
        "cpi": "",
        "recorded": "",
        "seen": "",
        "fix": "",
    }
    return Drift(kind=kind, **{**usual, **more})


def test_every_kind_has_a_way():
    assert set(WAYS) == set(DriftKind)


def test_a_lost_vm_is_made_again_and_one_that_is_off_or_lost_its_disk_rebooted():
    ways = {kind: way_of(drift(kind)) for kind in DriftKind if way_of(drift(kind)).remedy.is_action}
    assert ways == {
        DriftKind.VM_MISSING: Way.RECREATE,
        DriftKind.VM_SIZE: Way.RECREATE,
        DriftKind.VM_ADDRESS: Way.RECREATE,
        DriftKind.VM_OFF: Way.REBOOT,
        DriftKind.DISK_DETACHED: Way.REBOOT,
    }


def test_whatever_could_lose_data_or_is_a_strangers_is_a_persons():
    kinds = (
        "DISK_MISSING",
        "DISK_SIZE",
        "DISK_ELSEWHERE",
        "DISK_ATTACHED",
        "DISK_STRANGE",
        "VM_TAGS",
        "VM_CID",
    )
    assert {way_of(drift(DriftKind[name])) for name in kinds} == {Way.PERSON}


def test_what_nobody_knows_is_a_clean_ups():
    kinds = (DriftKind.VM_UNRECORDED, DriftKind.DISK_UNRECORDED, DriftKind.NETWORK_UNRECORDED)
    assert {way_of(drift(kind, deployment="", instance="")) for kind in kinds} == {Way.CLEAN_UP}


def test_networks_of_a_deployment_are_set_back_and_those_of_none_are_a_persons():
    kinds = (DriftKind.NETWORK_MISSING, DriftKind.NETWORK_CHANGED, DriftKind.NETWORK_FAILED)
    assert {way_of(drift(kind, instance="", stack="network/web/0")) for kind in kinds} == {Way.SET_BACK}
    assert {way_of(drift(kind, deployment="", instance="", stack="config/a")) for kind in kinds} == {Way.PERSON}
    assert way_of(drift(DriftKind.MEMBER_MISSING)) is Way.SET_BACK


def test_what_is_repaired_is_what_has_a_remedy_or_is_set_back():
    assert {way for way in Way if way.is_repair} == {Way.RECREATE, Way.REBOOT, Way.SET_BACK}


def test_what_is_nobodys_is_not_repaired():
    assert way_of(drift(DriftKind.VM_MISSING, deployment="", instance="")) is Way.PERSON
