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
        DriftKind.VM_OFF: Way.REBOOT,
        DriftKind.DISK_DETACHED: Way.REBOOT,
    }


def test_whatever_could_lose_data_or_is_a_strangers_is_a_persons():
    kinds = (
        "DISK_MISSING",
        "DISK_SIZE",
        "DISK_ELSEWHERE",
        "DISK_ATTACHED",
        "DISK_UNRECORDED",
        "VM_CID",
    )
    assert {way_of(drift(DriftKind[name])) for name in kinds} == {Way.PERSON}


def test_a_vm_nobody_knows_is_a_clean_ups():
    assert way_of(drift(DriftKind.VM_UNRECORDED, deployment="", instance="")) is Way.CLEAN_UP


def test_what_is_nobodys_is_not_repaired():
    assert way_of(drift(DriftKind.VM_MISSING, deployment="", instance="")) is Way.PERSON
