"""What cloud-check calls a problem, and what each resolution comes to."""

from dataclasses import replace

import pytest

from director.model.deployment import Lifecycle
from director.model.health import Presence, Remedy, Witness
from director.model.problem_found import (
    TITLES,
    OpenProblem,
    ProblemType,
    Resolution,
    open_problem_of,
)
from director.model.record import Applied, DiskRecord, DiskState, InstanceRecord, VmRecord, VmState
from director.model.sighting import SeenAgent, SeenDisk
from director.model.wanted import VmShape, Want
from director.planning.cloudcheck import (
    MENUS,
    REMEDIES,
    SILENT_S,
    Examined,
    disk_problems,
    remedy_of,
    vm_problem,
)

INSTANCE = InstanceRecord(id="i-1", deployment="d", group="db", index=0, applied=Applied(), is_settled=True)
VM = VmRecord(
    name="db-0",
    instance="i-1",
    deployment="d",
    agent="a-1",
    generation=1,
    shape=VmShape(stemcell_name="s", stemcell_version="1", stemcell_cid="s", cloud_properties={}, networks={}),
    state=VmState.CREATED,
    created_at=0.0,
    cid="cid-1",
)
DISK = DiskRecord(
    name="disk-1",
    deployment="d",
    label="db/0",
    size_mb=10,
    state=DiskState.ATTACHED,
    instance="i-1",
    cid="d-1",
    vm="db-0",
)
SHOWN = SeenDisk(name="disk-1", cid="d-1", size_mb=10, vm="cid-1")
WELL = SeenAgent(id="a-1", is_connected=True, silent_s=0.0, disks=("disk-1",))
SILENT = replace(WELL, is_connected=False, silent_s=60.0)


def one(**more):
    usual = {"instance": INSTANCE, "vm": VM, "agent": WELL, "disks": (DISK,), "shown": {"disk-1": SHOWN}}
    return Examined(**{**usual, **more})


def witness(presence, words=""):
    return Witness(at=0.0, presence=presence, words=words)


def kinds(examined):
    return [found.type for found in disk_problems(examined)]


def test_who_answers_and_has_its_disk_has_no_problem():
    assert vm_problem(one()) is None
    assert kinds(one()) == []


@pytest.mark.parametrize(
    "presence, kind",
    [
        (Presence.ABSENT, ProblemType.MISSING_VM),
        (Presence.OFF, ProblemType.UNRESPONSIVE_AGENT),
        (Presence.ON, ProblemType.UNRESPONSIVE_AGENT),
        (Presence.UNTOLD, ProblemType.UNRESPONSIVE_AGENT),
    ],
)
def test_a_vm_is_missing_only_when_its_infrastructure_says_so(presence, kind):
    found = vm_problem(one(agent=SILENT, witness=witness(presence, "it is away")))
    assert (found.type, found.subject) == (kind, "db-0")
    assert ("cannot be told: it is away" in found.description) is (presence is Presence.UNTOLD)


def test_a_vm_whose_agent_answers_is_there_whatever_its_infrastructure_says():
    assert vm_problem(one(witness=witness(Presence.ABSENT))) is None


def test_an_open_stream_over_which_nothing_comes_is_silence():
    mute = replace(WELL, silent_s=SILENT_S)
    assert vm_problem(one(agent=mute, witness=witness(Presence.ON))).type is ProblemType.UNRESPONSIVE_AGENT


def test_an_instance_that_should_run_and_has_no_vm_misses_one_and_others_do_not():
    assert vm_problem(one(vm=None, agent=None)).type is ProblemType.MISSING_VM
    for other in (
        replace(INSTANCE, want=Want.DETACHED),
        replace(INSTANCE, want=Want.STOPPED),
        replace(INSTANCE, lifecycle=Lifecycle.ERRAND),
        replace(INSTANCE, applied=None),
    ):
        assert vm_problem(one(instance=other, vm=None, agent=None)) is None


def test_an_ignored_instance_has_no_problems():
    ignored = replace(INSTANCE, is_ignored=True)
    assert vm_problem(one(instance=ignored, agent=SILENT, witness=witness(Presence.ABSENT))) is None
    assert kinds(one(instance=ignored, shown={})) == []


def test_what_is_stopped_is_offered_no_repair_and_loses_only_its_reference():
    found = vm_problem(
        one(instance=replace(INSTANCE, want=Want.STOPPED), agent=SILENT, witness=witness(Presence.ABSENT))
    )
    assert found.resolutions == (Resolution.IGNORE, Resolution.DELETE_VM_REFERENCE)
    assert found.default is Resolution.DELETE_VM_REFERENCE


def test_a_disk_is_missing_when_nobody_shows_it_and_nobody_has_it_mounted():
    assert kinds(one(shown={}, agent=replace(WELL, disks=()))) == [ProblemType.MISSING_DISK]
    assert kinds(one(shown={}, agent=SILENT)) == [ProblemType.MISSING_DISK]
    assert kinds(one(shown={})) == []


def test_disks_of_an_infrastructure_that_was_not_seen_are_not_judged():
    assert kinds(one(shown={}, agent=SILENT, unseen_cpis=frozenset({""}))) == []


def test_a_disk_that_a_task_left_half_made_is_not_judged():
    assert kinds(one(disks=(replace(DISK, state=DiskState.CREATING),), shown={}, agent=SILENT)) == []


def test_a_disk_nobody_uses_is_inactive_but_not_that_of_a_vm_that_is_not_there():
    free = replace(DISK, state=DiskState.DETACHED, vm=None)
    loose = {"disk-1": replace(SHOWN, vm=None)}
    bare = replace(WELL, disks=())
    (found,) = disk_problems(one(disks=(free,), shown=loose, agent=bare))
    assert found.type is ProblemType.INACTIVE_DISK
    assert Resolution.ACTIVATE_DISK in found.resolutions
    assert kinds(one(disks=(free,), shown=loose, vm=None, agent=None)) == []
    other = replace(DISK, name="disk-2")
    both = {**loose, "disk-2": replace(SHOWN, name="disk-2")}
    (found,) = disk_problems(one(disks=(free, other), shown=both, agent=replace(WELL, disks=("disk-2",))))
    assert found.resolutions == (Resolution.IGNORE, Resolution.DELETE_DISK)


def test_a_disk_that_is_not_mounted_or_attached_elsewhere_is_a_mismatch():
    (unmounted,) = disk_problems(one(agent=replace(WELL, disks=())))
    (elsewhere,) = disk_problems(one(shown={"disk-1": replace(SHOWN, vm="other")}))
    assert {unmounted.type, elsewhere.type} == {ProblemType.MOUNT_INFO_MISMATCH}
    assert "not mounted" in unmounted.description
    assert "attached to other" in elsewhere.description
    assert remedy_of(unmounted, Resolution.REATTACH_DISK) is Remedy.RESTART
    assert remedy_of(elsewhere, Resolution.REATTACH_DISK) is Remedy.REBOOT


def test_a_silent_vm_has_no_problem_of_mounts_besides():
    assert kinds(one(agent=SILENT)) == []


def test_every_resolution_has_a_title_and_a_remedy_and_every_problem_can_be_skipped():
    assert set(TITLES) == set(REMEDIES) == set(Resolution)
    assert set(MENUS) == set(ProblemType)
    assert all(menu[0] is Resolution.IGNORE for menu in MENUS.values())


def test_a_problem_is_stored_and_read_back_whole():
    found = vm_problem(one(agent=SILENT, witness=witness(Presence.ABSENT)))
    kept = OpenProblem(id=3, found=found)
    assert open_problem_of(kept.to_tree()) == kept
