"""A deployed world that something happened to: what cloud-check finds there, and what its resolutions come to."""

import json
from dataclasses import replace

import pytest

from director.model.problem_found import Resolution
from director.model.record import DiskState, TaskState
from director.ports.failure import InfrastructureFailure
from director.ports.store import PutDisk, PutInstance, PutSetting
from director.reconcile.cloudcheck import open_problems
from director.reconcile.requests import ApplyResolutions, Deploy, FixDrift, ScanAndFix, ScanProblems
from tests.simulate.simulation import MANIFEST, Simulation


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    task = await made.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.DONE, task.result
    return made


async def scan(simulation):
    task = await simulation.direct(ScanProblems(deployment="demo"))
    assert task.state is TaskState.DONE, task.result
    return await open_problems("demo", simulation.store)


async def apply(simulation, *chosen, **more):
    pairs = tuple((one.id, name) for one, name in chosen)
    return await simulation.direct(ApplyResolutions(deployment="demo", resolutions=pairs, **more))


def told(problems):
    return [(one.found.type.value, one.found.label, one.found.subject) for one in problems]


async def with_disk(simulation):
    """The instance with a disk, its VM and the disk."""
    record = await simulation.store.record("demo")
    disk = record.disks[0]
    (vm,) = record.vms_of(disk.instance)
    instance = next(i for i in record.instances if i.id == disk.instance)
    return instance, vm, disk


def lose(simulation, name):
    simulation.world.infrastructures.of("").lose_vm(name)


async def events_of(simulation, task):
    return [json.loads(line) for line in simulation.world.tasklog.read(task.id, "event").decode().splitlines()]


async def test_a_deployment_just_deployed_has_no_problems(simulation):
    assert await scan(simulation) == ()


async def test_a_missing_vm_is_found_and_made_again_with_its_disk(simulation):
    instance, vm, disk = await with_disk(simulation)
    lose(simulation, vm.name)
    (problem,) = await scan(simulation)
    assert told([problem]) == [("missing_vm", instance.label, vm.name)]
    task = await apply(simulation, (problem, None))
    assert task.state is TaskState.DONE, task.result
    record = await simulation.check_invariants()
    (now,) = record.vms_of(instance.id)
    assert now.generation == vm.generation + 1
    assert simulation.iron.disks[disk.name].vm == now.name
    assert await scan(simulation) == ()


async def test_a_silent_vm_is_not_touched_unless_asked_and_then_replaced(simulation):
    instance, vm, _ = await with_disk(simulation)
    simulation.agents.silence(vm.agent)
    (problem,) = await scan(simulation)
    assert told([problem]) == [("unresponsive_agent", instance.label, vm.name)]
    calls = len(simulation.iron.calls)
    task = await apply(simulation, (problem, None))
    assert (task.state, task.result) == (TaskState.DONE, "0 problem(s) resolved, 1 skipped")
    assert len(simulation.iron.calls) == calls, "skipping asks nobody"
    assert await open_problems("demo", simulation.store) == ()
    (problem,) = await scan(simulation)
    task = await apply(simulation, (problem, "recreate_vm"))
    assert task.state is TaskState.DONE, task.result
    assert vm.name not in simulation.iron.vms
    await simulation.check_invariants()
    assert await scan(simulation) == ()


@pytest.mark.parametrize("way", ["lose_vm", "power_off"])
async def test_nobody_waits_for_the_agent_of_a_vm_that_is_off_or_gone_only_for_one_that_may_come_back(
    simulation, monkeypatch, way
):
    awaited, wait = [], simulation.agents.await_connected

    def noted(agent, timeout_s):
        awaited.append(agent)
        return wait(agent, timeout_s)

    monkeypatch.setattr(simulation.agents, "await_connected", noted)
    _, vm, _ = await with_disk(simulation)
    getattr(simulation.world.infrastructures.of(""), way)(vm.name)
    (problem,) = await scan(simulation)
    assert (problem.found.subject, awaited) == (vm.name, [])
    other = next(one for one in (await simulation.store.record("demo")).vms if one.name != vm.name)
    simulation.agents.silence(other.agent)
    assert len(await scan(simulation)) == 2
    assert awaited == [other.agent]


async def test_a_silent_vm_is_rebooted_in_place(simulation):
    instance, vm, _ = await with_disk(simulation)
    simulation.agents.silence(vm.agent)
    (problem,) = await scan(simulation)
    task = await apply(simulation, (problem, "reboot_vm"))
    assert task.state is TaskState.DONE, task.result
    record = await simulation.check_invariants()
    assert [one.name for one in record.vms_of(instance.id)] == [vm.name]
    assert await scan(simulation) == ()


async def test_an_agent_that_answers_again_is_left_alone(simulation):
    _, vm, _ = await with_disk(simulation)
    simulation.agents.silence(vm.agent)
    (problem,) = await scan(simulation)
    simulation.agents.wake(vm.agent)
    task = await apply(simulation, (problem, "recreate_vm"))
    assert task.state is TaskState.DONE, task.result
    assert vm.name in simulation.iron.vms
    tasks = [event.get("task", "") for event in await events_of(simulation, task)]
    assert any("no longer so" in one for one in tasks)


async def test_an_off_vm_of_an_infrastructure_is_told_as_switched_off(simulation):
    _, vm, _ = await with_disk(simulation)
    simulation.world.infrastructures.of("").power_off(vm.name)
    (problem,) = await scan(simulation)
    assert problem.found.type.value == "unresponsive_agent"
    assert "switched off" in problem.found.description


async def test_a_deleted_vm_is_not_replaced_until_the_next_deploy(simulation):
    instance, vm, _ = await with_disk(simulation)
    simulation.agents.silence(vm.agent)
    (problem,) = await scan(simulation)
    task = await apply(simulation, (problem, "delete_vm"))
    assert task.state is TaskState.DONE, task.result
    assert vm.name not in simulation.iron.vms
    assert (await simulation.store.record("demo")).vms_of(instance.id) == ()
    (problem,) = await scan(simulation)
    assert told([problem]) == [("missing_vm", instance.label, "")]
    task = await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.DONE, task.result
    await simulation.check_invariants()
    assert await scan(simulation) == ()


async def test_without_its_reference_a_vm_that_still_runs_is_a_stranger(simulation):
    instance, vm, disk = await with_disk(simulation)
    simulation.agents.silence(vm.agent)
    (problem,) = await scan(simulation)
    task = await apply(simulation, (problem, "delete_vm_reference"))
    assert task.state is TaskState.DONE, task.result
    assert vm.name in simulation.iron.vms
    record = await simulation.store.record("demo")
    assert record.vms_of(instance.id) == ()
    assert [(one.vm, one.state) for one in record.disks if one.name == disk.name] == [(None, DiskState.DETACHED)]
    assert vm.agent not in simulation.agents.seen()


async def test_a_missing_disk_is_skipped_by_default_and_its_reference_deleted_when_asked(simulation):
    instance, vm, disk = await with_disk(simulation)
    lose(simulation, vm.name)
    del simulation.iron.disks[disk.name]
    problems = await scan(simulation)
    assert told(problems) == [
        ("missing_vm", instance.label, vm.name),
        ("missing_disk", instance.label, disk.name),
    ]
    assert problems[1].found.default is Resolution.IGNORE
    task = await apply(simulation, (problems[0], "delete_vm_reference"), (problems[1], "delete_disk_reference"))
    assert task.state is TaskState.DONE, task.result
    assert disk.name not in {one.name for one in await simulation.store.disks()}
    task = await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.DONE, task.result
    await simulation.check_invariants()
    assert await scan(simulation) == ()


async def test_a_disk_that_its_agent_has_mounted_is_never_called_missing(simulation):
    _, _, disk = await with_disk(simulation)
    del simulation.iron.disks[disk.name]
    assert "missing_disk" not in {one.found.type.value for one in await scan(simulation)}


async def test_a_disk_that_is_not_mounted_is_reattached(simulation):
    instance, vm, disk = await with_disk(simulation)
    agent = simulation.agents._agents[vm.agent]
    agent.disks = frozenset()
    simulation.iron.disks[disk.name].vm = None
    (problem,) = await scan(simulation)
    assert told([problem]) == [("mount_info_mismatch", instance.label, disk.name)]
    task = await apply(simulation, (problem, "reattach_disk"))
    assert task.state is TaskState.DONE, task.result
    assert agent.disks == {disk.name}
    assert simulation.iron.disks[disk.name].vm == vm.name
    await simulation.check_invariants()


async def test_an_inactive_disk_becomes_an_orphan_or_active_again(simulation):
    instance, vm, disk = await with_disk(simulation)
    spare = replace(disk, name="disk-spare", cid="disk-spare", state=DiskState.DETACHED, vm=None)
    simulation.iron.disks["disk-spare"] = replace(
        simulation.iron.disks[disk.name],
        request=replace(simulation.iron.disks[disk.name].request, name="disk-spare"),
        vm=None,
    )
    await simulation.store.commit(PutDisk(record=spare))
    (problem,) = await scan(simulation)
    assert told([problem]) == [("inactive_disk", instance.label, "disk-spare")]
    assert Resolution.ACTIVATE_DISK not in problem.found.resolutions, "another one is in use"
    task = await apply(simulation, (problem, "delete_disk"))
    assert task.state is TaskState.DONE, task.result
    assert [one.name for one in await simulation.store.disks(orphaned=True)] == ["disk-spare"]

    simulation.agents._agents[vm.agent].disks = frozenset()
    simulation.iron.disks[disk.name].vm = None
    await simulation.store.commit(PutDisk(record=replace(disk, state=DiskState.DETACHED, vm=None)))
    (problem,) = await scan(simulation)
    task = await apply(simulation, (problem, "activate_disk"))
    assert task.state is TaskState.DONE, task.result
    assert simulation.iron.disks[disk.name].vm == vm.name
    assert await scan(simulation) == ()


async def test_an_ignored_instance_is_not_examined(simulation):
    instance, vm, _ = await with_disk(simulation)
    lose(simulation, vm.name)
    await simulation.store.commit(PutInstance(record=replace(instance, is_ignored=True)))
    assert await scan(simulation) == ()


async def test_what_did_not_work_stays_open_and_fails_the_task(simulation):
    _, vm, _ = await with_disk(simulation)
    lose(simulation, vm.name)
    (problem,) = await scan(simulation)
    infrastructure = simulation.world.infrastructures.of("")
    real, infrastructure._create_vm = infrastructure._create_vm, _full
    task = await apply(simulation, (problem, "recreate_vm"))
    infrastructure._create_vm = real
    assert task.state is TaskState.ERROR
    assert "host is full" in task.result
    assert await open_problems("demo", simulation.store) == (problem,)
    assert (await apply(simulation, (problem, "recreate_vm"))).state is TaskState.DONE


def _full(_request):
    raise InfrastructureFailure("The host is full.")


async def test_unknown_ids_and_resolutions_and_missing_ones_are_refused_together(simulation):
    _, vm, _ = await with_disk(simulation)
    lose(simulation, vm.name)
    (problem,) = await scan(simulation)
    request = ApplyResolutions(deployment="demo", resolutions=((99, "recreate_vm"),), max_in_flight=(("db", "0"),))
    task = await simulation.direct(request)
    assert task.state is TaskState.ERROR
    assert "no open problem 99" in task.result
    assert f"Resolution for problem {problem.id} (missing_vm) is not provided" in task.result
    assert "max_in_flight of db" in task.result
    task = await apply(simulation, (problem, "reboot_vm"))
    assert 'has no resolution "reboot_vm"' in task.result
    assert vm.name not in simulation.iron.vms


async def test_ids_of_an_earlier_scan_never_mean_another_problem(simulation):
    _, vm, _ = await with_disk(simulation)
    lose(simulation, vm.name)
    (old,) = await scan(simulation)
    (new,) = await scan(simulation)
    assert new.id > old.id
    assert (await apply(simulation, (old, "recreate_vm"))).state is TaskState.ERROR


async def test_scan_and_fix_replaces_what_it_was_named_and_nothing_else(simulation):
    record = await simulation.store.record("demo")
    vms = [vm for i in record.instances if not i.is_compilation for vm in record.vms_of(i.id)]
    one, other = vms[0], vms[1]
    lose(simulation, one.name)
    simulation.agents.silence(other.agent)
    task = await simulation.direct(ScanAndFix(deployment="demo", instances=(one.instance,)))
    assert task.state is TaskState.DONE, task.result
    record = await simulation.store.record("demo")
    assert [vm.generation for vm in record.vms_of(one.instance)] == [one.generation + 1]
    assert [vm.name for vm in record.vms_of(other.instance)] == [other.name]


async def test_scan_and_fix_does_nothing_while_resurrection_is_paused(simulation):
    _, vm, _ = await with_disk(simulation)
    lose(simulation, vm.name)
    await simulation.store.commit(PutSetting(name="resurrection", value={"paused": True}))
    task = await simulation.direct(ScanAndFix(deployment="demo", instances=(vm.instance,)))
    assert task.state is TaskState.ERROR
    assert vm.name not in simulation.iron.vms
    (error,) = [event["error"] for event in await events_of(simulation, task) if "error" in event]
    assert error["code"] == 410004


@pytest.mark.parametrize("kind", ["vm missing", "vm off", "disk detached"])
async def test_confirmed_drift_is_put_right(simulation, kind):
    _, vm, disk = await with_disk(simulation)
    infrastructure = simulation.world.infrastructures.of("")
    subject = vm.name
    if kind == "vm missing":
        lose(simulation, vm.name)
    elif kind == "vm off":
        infrastructure.power_off(vm.name)
    else:
        subject = disk.name
        simulation.iron.disks[disk.name].vm = None
    task = await simulation.direct(FixDrift(deployment="demo", differences=((kind, subject),)))
    assert (task.state, task.result) == (TaskState.DONE, "1 difference(s) fixed")
    await simulation.check_invariants()


async def test_drift_that_was_not_confirmed_is_not_touched_and_what_could_lose_data_is_refused(simulation):
    _, vm, disk = await with_disk(simulation)
    lose(simulation, vm.name)
    task = await simulation.direct(FixDrift(deployment="demo", differences=(("vm off", vm.name),)))
    assert (task.state, task.result) == (TaskState.DONE, "nothing left to fix")
    assert vm.name not in simulation.iron.vms
    del simulation.iron.disks[disk.name]
    task = await simulation.direct(FixDrift(deployment="demo", differences=(("disk missing", disk.name),)))
    assert task.state is TaskState.ERROR
    assert "by hand" in task.result
