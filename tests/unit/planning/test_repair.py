"""Plans of repairs: what each remedy comes to, what is brought back, what is left alone, and what is held."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from director.model.fabric import Member, Ref
from director.model.health import Remedy
from director.model.plan import Limit, Move
from director.model.record import Applied, DiskState, VmState
from director.model.sighting import JobState, Power
from director.model.step import (
    AnnounceInstance,
    ApplySpec,
    AttachDisk,
    AwaitAgent,
    CompilePackage,
    CreateVm,
    DeleteVm,
    MountDisk,
    RebootVm,
    RecordDeployment,
    RecordInstance,
    RunScript,
    StartJobs,
    StopJobs,
)
from director.model.wanted import Want
from director.planning.diff import Have
from director.planning.explain import explain
from director.planning.inputs import Asked
from director.planning.repair import make_repair
from director.planning.treat import TREATMENTS
from tests.support.planning import CATALOG, compiled, deployed, inputs, seen_all, specs_of, wish

GOLDEN = Path(__file__).parents[2] / "golden"
CLOUD = (GOLDEN / "cloud.yml").read_text()
MANIFEST = (GOLDEN / "cases" / "first-deploy" / "manifest.yml").read_text()
RESTART, REBOOT, RECREATE = Remedy.RESTART, Remedy.REBOOT, Remedy.RECREATE


class World:
    """All four instances were deployed; what befell them is said by label."""

    def __init__(self, *, gone=(), silent=(), failing=(), off=()):
        self.wanted, self.clouds = wish(MANIFEST, CLOUD, seed="before")
        record = deployed(self.wanted)
        self.ids = {i.label: i.id for i in record.instances}
        self.wanted, self.clouds = wish(MANIFEST, CLOUD, record, seed="now")
        self.catalog = compiled(self.wanted)
        self.record = record
        seen = seen_all(record, gone=gone, silent=[*silent, *off], failing=failing)
        label = {vm.agent: i.label for i in record.instances for vm in record.vms_of(i.id)}
        agents = {
            key: replace(
                agent,
                disks=("disk",) if label[key] == "db/0" else (),
                configuration_hash="" if label[key] in gone else self.applied(label[key]).configuration_hash,
            )
            for key, agent in seen.agents.items()
        }
        vms = {
            vm.name: replace(seen.vms[vm.name], power=Power.OFF if label[vm.agent] in off else Power.ON)
            for vm in record.vms
            if vm.name in seen.vms
        }
        self.seen = replace(seen, agents=agents, vms=vms)

    def applied(self, label):
        return self.instance(label).applied

    def instance(self, label):
        return next(i for i in self.record.instances if i.id == self.ids[label])

    def vm(self, label):
        return next(vm for vm in self.record.vms if vm.instance == self.ids[label])

    def with_instance(self, label, **more):
        instances = (replace(i, **more) if i.id == self.ids[label] else i for i in self.record.instances)
        self.record = replace(self.record, instances=tuple(instances))

    def with_vm(self, label, **more):
        vms = (replace(vm, **more) if vm.instance == self.ids[label] else vm for vm in self.record.vms)
        self.record = replace(self.record, vms=tuple(vms))

    def with_agent(self, label, **more):
        agent = self.vm(label).agent
        self.seen = replace(self.seen, agents={**self.seen.agents, agent: replace(self.seen.agents[agent], **more)})

    def repair(self, remedies, *, is_watch=True, at_once=0, catalog=None, **more):
        named = {self.ids.get(label, label): remedy for label, remedy in remedies.items()}
        given = inputs(
            self.wanted,
            self.clouds,
            self.record,
            self.seen,
            catalog=catalog or self.catalog,
            asked=Asked(agent_wait_s=120.0),
            **more,
        )
        return make_repair(given, named, is_watch=is_watch, at_once=at_once)


def steps(plan, kind):
    return [one.step for one in plan.steps if isinstance(one.step, kind)]


def verbs(plan, label="db/0"):
    return [one.key.partition(":")[2] for one in plan.steps if one.subject == label]


def moves(plan):
    return {change.label: change.move for change in plan.changes}


def codes(plan):
    return {hold.subject: hold.code for hold in plan.holds}


def test_there_is_a_treatment_for_every_remedy_and_state():
    assert set(TREATMENTS) == {(remedy, have) for remedy in Remedy if remedy.is_action for have in Have}


def test_a_vm_that_is_gone_comes_back_with_its_identity_address_and_disk_and_nothing_else_is_touched():
    world = World(gone=["db/0"])
    plan = world.repair({"db/0": RECREATE})
    text = re.sub(r"\b[0-9a-f]{8}(?=-\d+\b)", "<0>", explain(plan))
    assert text == (
        "Instances: create 1\n"
        "  + db/0  create: its VM is gone or off\n"
        "\n"
        "Steps of demo (10 steps):\n"
        "    1  db/0             record the instance\n"
        "    2  db/0             delete VM db-0-<0>-1   after 1\n"
        "    3  db/0             create VM db-0-<0>-2 at 10.0.1.2 in z1   after 2\n"
        "    4  db/0             wait for the agent, at most 120 s   after 3\n"
        "    5  db/0             attach disk disk-<0>-1   after 4\n"
        "    6  db/0             mount disk disk-<0>-1   after 5\n"
        "    7  db/0             install packages and configure jobs   after 6\n"
        "    8  db/0             start jobs   after 7\n"
        "    9  db/0             wait until all processes have been up 100 ms, at most 5000 ms   after 8\n"
        "   10  db/0             record the instance   after 9\n"
        "\n"
        "Limits: infrastructure calls ≤ 32"
    )
    (made,) = steps(plan, CreateVm)
    assert (made.instance, made.shape) == (world.ids["db/0"], world.vm("db/0").shape)


def test_a_silent_vm_is_deleted_before_its_successor_is_made_without_asking_its_agent():
    plan = World(silent=["db/0"]).repair({"db/0": RECREATE})
    assert verbs(plan)[:4] == ["record", "delete-vm-1", "create-vm", "await-agent"]
    assert moves(plan) == {"db/0": Move.RECREATE}


def test_a_sick_agent_may_refuse_to_let_go_its_vm_goes_all_the_same():
    plan = World(failing=["db/0"]).repair({"db/0": RECREATE})
    assert verbs(plan)[:6] == ["record", "stop", "unmount-disk", "detach-disk", "delete-vm-1", "create-vm"]
    delete = next(one for one in plan.steps if isinstance(one.step, DeleteVm))
    assert delete.needs == ("db/0:record",)
    assert delete.after == ("db/0:stop", "db/0:unmount-disk", "db/0:detach-disk")


def test_jobs_are_restarted_in_place_without_draining():
    world = World(failing=["app/0"])
    plan = world.repair({"app/0": RESTART})
    assert verbs(plan, "app/0") == ["stop", "apply", "pre-start", "start", "await-running", "post-deploy"]
    assert moves(plan) == {"app/0": Move.RESTART}
    (applied,) = steps(plan, ApplySpec)
    assert applied.spec == world.applied("app/0")


def test_a_rebooted_vm_gets_its_disk_again_and_is_started():
    plan = World(silent=["db/0"]).repair({"db/0": REBOOT})
    assert verbs(plan) == ["reboot", "await-agent", "attach-disk", "mount-disk", "apply", "start", "await-running"]
    assert moves(plan) == {"db/0": Move.REBOOT}
    (reboot,) = [one for one in plan.steps if isinstance(one.step, RebootVm)]
    assert reboot.limits == ("infrastructure calls",)
    assert "reboot VM db-0-" in explain(plan)
    assert [step.timeout_s for step in steps(plan, AwaitAgent)] == [120.0]


def test_a_vm_that_is_off_is_switched_on_by_a_reboot_and_made_anew_by_a_recreation():
    world = World(off=["db/0"])
    assert moves(world.repair({"db/0": REBOOT})) == {"db/0": Move.REBOOT}
    plan = world.repair({"db/0": RECREATE})
    assert (moves(plan), len(steps(plan, DeleteVm))) == ({"db/0": Move.CREATE}, 1)


def test_what_has_no_vm_gets_one():
    world = World(gone=["db/0"])
    world.record = replace(world.record, vms=tuple(vm for vm in world.record.vms if vm != world.vm("db/0")))
    plan = world.repair({"db/0": RECREATE})
    assert (len(steps(plan, CreateVm)), steps(plan, DeleteVm)) == (1, [])
    assert codes(world.repair({"db/0": REBOOT})) == codes(world.repair({"db/0": RESTART})) == {"db/0": "hold.cannot"}


@pytest.mark.parametrize("remedy", [RESTART, REBOOT])
def test_a_vm_that_is_gone_is_neither_restarted_nor_rebooted(remedy):
    plan = World(gone=["db/0"]).repair({"db/0": remedy})
    assert (plan.steps, codes(plan)) == ((), {"db/0": "hold.cannot"})


def test_a_disk_that_is_not_mounted_is_mounted_though_all_else_runs():
    world = World()
    world.with_agent("db/0", disks=())
    plan = world.repair({"db/0": RESTART})
    assert verbs(plan) == ["stop", "attach-disk", "mount-disk", "apply", "start", "await-running"]
    assert plan.changes[0].reasons == ("its persistent disk is not mounted",)


@pytest.mark.parametrize("remedy", [RESTART, REBOOT, RECREATE])
def test_what_runs_again_is_left_alone_unless_a_person_asks(remedy):
    world = World()
    plan = world.repair({"db/0": remedy})
    assert (plan.steps, codes(plan)) == ((), {"db/0": "hold.well"})
    assert "runs again" in plan.holds[0].reason
    assert moves(world.repair({"db/0": remedy}, is_watch=False)) == {"db/0": Move(remedy.name.lower())}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"is_ignored": True}, "hold.ignored"),
        ({"want": Want.STOPPED}, "hold.not-started"),
        ({"want": Want.DETACHED}, "hold.not-started"),
        ({"applied": None}, "hold.never-deployed"),
        ({"is_compilation": True}, "hold.not-a-service"),
    ],
)
def test_what_nobody_wants_to_run_is_left_alone_whoever_asks(more, code):
    world = World(gone=["db/0"])
    world.with_instance("db/0", **more)
    for is_watch in (True, False):
        plan = world.repair({"db/0": RECREATE}, is_watch=is_watch)
        assert (plan.steps, codes(plan)) == ((), {"db/0": code})


def test_instances_that_nobody_knows_any_more_are_held():
    world = World(gone=["db/0"])
    assert codes(world.repair({"stranger": RECREATE})) == {"stranger": "hold.not-there"}
    group = world.wanted.groups[0]
    world.wanted = replace(world.wanted, groups=(replace(group, instances=()), *world.wanted.groups[1:]))
    assert codes(world.repair({"db/0": RECREATE})) == {"db/0": "hold.not-wanted"}


def test_two_repairs_wait_for_nothing_of_each_other_and_close_no_limit():
    plan = World(gone=["db/0", "app/1"]).repair({"app/1": RECREATE, "db/0": RECREATE, "app/0": Remedy.NOTHING})
    assert list(moves(plan)) == ["app/1", "db/0"]
    subject = {one.key: one.subject for one in plan.steps}
    assert all(subject[key] == one.subject for one in plan.steps for key in (*one.needs, *one.after))
    assert not any(limit.stops_on_failure for limit in plan.limits)
    assert all(not unit.limits for unit in plan.units)
    assert not steps(plan, RecordDeployment)
    assert [step.instance for step in steps(plan, RunScript) if step.script == "post-deploy"] == [
        one.instance for one in plan.changes if one.label == "app/1"
    ]


def test_a_missing_package_is_compiled_first_for_whom_it_is_missing():
    world = World(gone=["db/0"], failing=["app/0"])
    plan = world.repair({"db/0": RECREATE}, catalog=CATALOG)
    assert steps(plan, CompilePackage)
    assert plan.reserve
    record = next(one for one in plan.steps if one.key == "db/0:record")
    assert any(key.startswith("compile ") for key in record.needs), "nothing is deleted before that"
    assert not steps(world.repair({"db/0": RECREATE}), CompilePackage)


class Test_a_deploy_that_broke_off:
    """``wanted`` is what last finished; the record has what the broken one left."""

    def half(self, label="app/0", *, has="other", **more):
        world = World(failing=[label])
        world.with_instance(label, is_settled=False, **more)
        world.with_agent(label, configuration_hash=has)
        return world

    def test_is_not_finished_by_a_restart_which_starts_what_is_there(self):
        plan = self.half().repair({"app/0": RESTART})
        assert verbs(plan, "app/0") == ["stop", "pre-start", "start", "await-running", "post-deploy"]
        assert not steps(plan, RecordInstance)

    def test_leaves_what_it_had_settled_as_it_is(self):
        world = self.half(applied=Applied(jobs=(("app", "newer"),), configuration_hash="other"))
        world.with_instance("app/0", is_settled=True)
        assert not steps(world.repair({"app/0": RESTART}), ApplySpec)

    def test_is_taken_back_where_it_had_not_applied_anything(self):
        world = self.half()
        world.with_agent("app/0", configuration_hash=world.applied("app/0").configuration_hash)
        plan = world.repair({"app/0": RESTART})
        (first, last) = steps(plan, RecordInstance)
        assert (first.record.is_settled, last.record.is_settled) == (False, True)
        assert last.record.applied == world.applied("app/0")

    def test_lets_no_vm_be_made_without_the_software_it_had(self):
        world = World(gone=["app/0"])
        world.with_instance("app/0", applied=replace(world.applied("app/0"), jobs=(("app", "newer"),)))
        plan = world.repair({"app/0": RECREATE}, is_watch=False)
        assert (plan.steps, codes(plan)) == ((), {"app/0": "hold.unfinished"})

    def test_keeps_the_vm_and_the_disk_that_it_has_made(self):
        world = World(gone=["db/0"])
        larger = replace(world.vm("db/0").shape, cloud_properties={"ram": 256})
        world.with_vm("db/0", shape=larger)
        world.record = replace(world.record, disks=(replace(world.record.disks[0], size_mb=20),))
        plan = world.repair({"db/0": RECREATE})
        (made,) = steps(plan, CreateVm)
        assert made.shape == larger
        assert [step.disk for step in steps(plan, MountDisk)] == [world.record.disks[0].name]
        assert len(steps(plan, AttachDisk)) == 1

    def test_leaves_a_new_vm_that_answers_which_is_gone_on_with(self):
        world = self.half("db/0", has="")
        world.with_agent("db/0", job_state=JobState.STOPPED, disks=())
        world.with_vm("db/0", has_enrolment=True)
        plan = world.repair({"db/0": RECREATE})
        assert moves(plan) == {"db/0": Move.RESTART}
        assert verbs(plan) == [
            "record",
            "stop",
            "clear-enrolment",
            "attach-disk",
            "mount-disk",
            "apply",
            "start",
            "await-running",
            "settle",
        ]
        assert moves(world.repair({"db/0": RECREATE}, is_watch=False)) == {"db/0": Move.RECREATE}


def test_a_rotated_secret_is_no_reason_to_leave_an_instance_down():
    world = World(gone=["app/0"])
    world.with_instance("app/0", applied=replace(world.applied("app/0"), configuration_hash="former"))
    assert moves(world.repair({"app/0": RECREATE})) == {"app/0": Move.CREATE}


def test_a_stemcell_uploaded_anew_is_found_by_its_name():
    world = World(gone=["db/0"])
    world.with_vm("db/0", shape=replace(world.vm("db/0").shape, stemcell_cid="gone"))
    (made,) = steps(world.repair({"db/0": RECREATE}), CreateVm)
    assert made.shape.stemcell_cid == "host"


def test_of_a_stemcell_that_was_deleted_no_vm_is_made():
    world = World(gone=["db/0"])
    world.with_vm("db/0", shape=replace(world.vm("db/0").shape, stemcell_version="0"))
    (made,) = steps(world.repair({"db/0": RECREATE}), CreateVm)
    assert (made.shape.stemcell_version, made.shape.networks) == ("1", world.vm("db/0").shape.networks)


@pytest.mark.parametrize("state", [VmState.CREATING, VmState.DELETING])
def test_a_vm_that_a_stopped_director_was_at_is_adopted_or_deleted(state):
    world = World(gone=["db/0"])
    world.with_vm("db/0", state=state)
    plan = world.repair({"db/0": RECREATE})
    generation = {VmState.CREATING: 1, VmState.DELETING: 2}[state]
    (made,) = steps(plan, CreateVm)
    assert made.generation == generation
    assert len(steps(plan, DeleteVm)) == generation - 1
    assert {step.record.generation for step in steps(plan, RecordInstance)} == {generation}


def test_a_disk_whose_making_was_cut_off_is_made_first():
    world = World(gone=["db/0"])
    world.record = replace(world.record, disks=(replace(world.record.disks[0], state=DiskState.CREATING),))
    assert verbs(world.repair({"db/0": RECREATE}))[4:7] == ["create-disk", "attach-disk", "mount-disk"]


def test_a_repaired_instance_leaves_its_server_pools_and_joins_them_again():
    world = World(failing=["app/0"])
    member = Member(pool=Ref(to="pool"), label="app-0", ip="10.0.1.3", port=80)
    world.with_instance("app/0", members=(member,))
    for remedy in (RESTART, REBOOT, RECREATE):
        plan = world.repair({"app/0": remedy})
        assert verbs(plan, "app/0")[0 if remedy is not RECREATE else 1] == "withdraw"
        assert [step.members for step in steps(plan, AnnounceInstance)] == [(member,)]


def test_what_is_planned_is_what_was_last_deployed():
    world = World(failing=["app/0"])
    assert specs_of(world.wanted)[world.ids["app/0"]] == world.applied("app/0"), "the samples agree"
    assert len(steps(world.repair({"app/0": RESTART}), StopJobs)) == 1
    assert len(steps(world.repair({"app/0": RESTART}), StartJobs)) == 1


def test_so_many_at_once_each_from_its_first_step_to_its_last_and_a_failure_stops_no_other():
    plan = World(gone=["app/0", "app/1", "db/0"]).repair(dict.fromkeys(("app/0", "app/1", "db/0"), RECREATE), at_once=2)
    assert next(limit for limit in plan.limits if limit.name == "repairs") == Limit(name="repairs", max=2)
    assert {unit.name: unit.limits for unit in plan.units} == dict.fromkeys(
        ("repair app/0", "repair app/1", "repair db/0"), ("repairs",)
    )


def test_a_repair_that_was_asked_for_by_name_is_not_limited():
    plan = World(gone=["app/0"]).repair({"app/0": RECREATE})
    assert "repairs" not in {limit.name for limit in plan.limits}
