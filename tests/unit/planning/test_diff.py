"""diff: every pair has a move, and each difference gets its reason in words."""

from dataclasses import replace
from itertools import product

import pytest

from director.model.deployment import Lifecycle
from director.model.names import AgentId, DeploymentName, DiskName, GroupName, InstanceId, NetworkName, VmCid, VmName
from director.model.plan import Move
from director.model.record import Applied, DiskRecord, DiskState, InstanceRecord, VmRecord, VmState
from director.model.sighting import JobState, Power, SeenAgent, SeenVm, Sighting
from director.model.wanted import Address, DiskShape, VmShape, Want, WantedInstance
from director.planning.diff import MOVES, WITH_DIFFERENCE, Case, Difference, Forced, Have, decide

ID = InstanceId("11111111-aaaa")
SHAPE = VmShape(
    stemcell_name="local",
    stemcell_version="1",
    stemcell_cid="host",
    cloud_properties={"ram": 64},
    networks={"default": {"ip": "10.0.0.2"}},
)
SPEC = Applied(jobs=(("app", "f1"),), packages=(("python", "k1"),), configuration_hash="c1")
WANTED = WantedInstance(
    id=ID,
    deployment=DeploymentName("d"),
    group=GroupName("web"),
    index=0,
    az=None,
    is_bootstrap=True,
    is_new=False,
    lifecycle=Lifecycle.SERVICE,
    want=Want.STARTED,
    addresses=(Address(network=NetworkName("default"), ip="10.0.0.2"),),
    shape=SHAPE,
    disk=None,
    jobs=(),
    packages=(),
)
RECORDED = InstanceRecord(
    id=ID,
    deployment=DeploymentName("d"),
    group=GroupName("web"),
    index=0,
    applied=SPEC,
    is_settled=True,
    generation=1,
)
VM = VmRecord(
    name=VmName("web-0-11111111-1"),
    instance=ID,
    deployment=DeploymentName("d"),
    agent=AgentId("a1"),
    generation=1,
    shape=SHAPE,
    state=VmState.CREATED,
    created_at=0.0,
    cid=VmCid("web-0-11111111-1"),
)


def sighting(state=JobState.RUNNING, *, connected=True, exists=True, power=Power.ON):
    agent = SeenAgent(id=VM.agent, is_connected=connected, silent_s=3.0, job_state=state)
    vms = {VM.name: SeenVm(name=VM.name, cid=VM.cid, power=power)} if exists else {}
    return Sighting(at=0.0, vms=vms, agents={VM.agent: agent})


def case(**changes):
    given = {"wanted": WANTED, "spec": SPEC, "recorded": RECORDED, "vms": (VM,), **changes}
    return Case(**given)


def test_every_pair_has_a_move():
    assert set(MOVES) == set(product([*Want, None], Have))


def test_every_move_of_a_started_instance_has_an_answer_to_every_difference():
    moves = {move for (want, _), move in MOVES.items() if want is Want.STARTED}
    assert set(WITH_DIFFERENCE) == set(product(moves, Difference))


@pytest.mark.parametrize(
    ("given", "seen", "move", "reason"),
    [
        (case(), sighting(), Move.NOTHING, None),
        (case(recorded=None, vms=(), wanted=replace(WANTED, is_new=True)), sighting(exists=False), Move.CREATE, "new"),
        (case(vms=()), sighting(exists=False), Move.CREATE, "has no VM"),
        (case(), sighting(exists=False), Move.CREATE, "its VM is gone or off"),
        (case(), sighting(power=Power.OFF), Move.CREATE, "its VM is gone or off"),
        (case(vms=(replace(VM, state=VmState.CREATING),)), sighting(), Move.CREATE, Have.HALF_MADE.value),
        (case(vms=(replace(VM, state=VmState.DELETING),)), sighting(), Move.CREATE, Have.GONE.value),
        (case(), sighting(JobState.FAILING), Move.START, Have.UNWELL.value),
        (case(), sighting(JobState.STOPPED), Move.START, Have.STOPPED.value),
        (
            case(spec=replace(SPEC, configuration_hash="c2")),
            sighting(),
            Move.UPDATE,
            "rendered configuration changed",
        ),
        (case(spec=replace(SPEC, packages=(("python", "k2"),))), sighting(), Move.UPDATE, "packages changed: python"),
        (case(spec=replace(SPEC, jobs=(("app", "f2"),))), sighting(), Move.UPDATE, "jobs changed: app"),
        (case(recorded=replace(RECORDED, is_settled=False)), sighting(), Move.UPDATE, "its last update did not finish"),
        (case(forced=Forced(restart=True)), sighting(), Move.UPDATE, "restart was asked for"),
        (case(forced=Forced(recreate=True)), sighting(), Move.RECREATE, "recreate was asked for"),
        (
            case(wanted=replace(WANTED, shape=replace(SHAPE, stemcell_version="2"))),
            sighting(),
            Move.RECREATE,
            "stemcell local/1 becomes local/2",
        ),
        (
            case(wanted=replace(WANTED, shape=replace(SHAPE, cloud_properties={"ram": 128}))),
            sighting(),
            Move.RECREATE,
            "cloud properties changed: ram",
        ),
        (
            case(wanted=replace(WANTED, shape=replace(SHAPE, networks={"default": {"ip": "10.0.0.3"}}))),
            sighting(),
            Move.RECREATE,
            "networks changed: default",
        ),
        (
            case(wanted=replace(WANTED, disk=DiskShape(size_mb=10))),
            sighting(),
            Move.UPDATE,
            "persistent disk none becomes 10 MB",
        ),
        (case(wanted=None, spec=None), sighting(), Move.DELETE, "no longer in the manifest"),
        (case(wanted=replace(WANTED, want=Want.STOPPED)), sighting(), Move.STOP, "should be stopped"),
        (case(wanted=replace(WANTED, want=Want.DETACHED)), sighting(), Move.DETACH, "should be detached"),
        (case(wanted=replace(WANTED, want=Want.STOPPED)), sighting(JobState.STOPPED), Move.NOTHING, None),
    ],
)
def test_a_case_gets_its_move_and_its_reason(given, seen, move, reason):
    decision = decide(given, seen)
    assert decision.move is move
    assert decision.hold is None
    assert (reason in decision.reasons) if reason else decision.reasons == ()


def test_a_silent_agent_holds_its_instance_unless_a_fix_is_asked_for():
    silent = sighting(connected=False)
    held = decide(case(), silent)
    assert held.hold is not None
    assert "silent for 3 s" in held.hold.reason
    assert "--fix" in held.hold.reason
    fixed = decide(case(forced=Forced(fix=True)), silent)
    assert (fixed.move, fixed.hold) == (Move.RECREATE, None)


def test_a_fresh_vm_whose_agent_never_came_is_waited_for_not_held():
    decision = decide(case(recorded=replace(RECORDED, applied=None, is_settled=False)), sighting(connected=False))
    assert (decision.have, decision.move, decision.hold) == (Have.HALF_MADE, Move.CREATE, None)


def test_an_ignored_instance_is_held_only_when_it_would_be_changed():
    ignored = replace(RECORDED, is_ignored=True)
    assert decide(case(recorded=ignored), sighting()).hold is None
    hold = decide(case(recorded=ignored, forced=Forced(recreate=True)), sighting()).hold
    assert hold is not None
    assert hold.code == "hold.ignored"


def test_the_attached_disk_is_the_disk_and_what_a_broken_migration_left_is_stray():
    old = disk("disk-1", DiskState.DETACHED)
    new = disk("disk-2", DiskState.ATTACHED)
    given = case(disks=(old, new))
    assert given.disk == new
    assert given.stray_disks == (old,)


def disk(name, state):
    return DiskRecord(
        name=DiskName(name), deployment=DeploymentName("d"), label="web/0", size_mb=10, state=state, instance=ID
    )
