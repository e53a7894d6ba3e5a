"""A deployed world, changed behind the director's back: what the look finds, and that a deploy puts it right."""

import asyncio
from dataclasses import replace

import pytest

from director.adapters.memory.infrastructure import Fault, FaultKind, MemoryInfrastructure
from director.execution.infrastructures import Infrastructures
from director.model.record import Intent, TaskState
from director.planning.drift import DriftKind
from director.ports.store import OpenIntent, PutVm
from director.reconcile.drift import look_for_drift
from director.reconcile.requests import Deploy, FixDrift, Overrides
from tests.simulate.simulation import MANIFEST, Simulation


class Resized(MemoryInfrastructure):
    """Somebody gave every VM other memory."""

    async def find_vms(self, deployment=None, *, doubted=None, in_detail=False):
        found = await super().find_vms(deployment, doubted=doubted, in_detail=in_detail)
        return {name: replace(vm, sizes={"ram": 77}) for name, vm in found.items()}


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    task = await made.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.DONE, task.result
    return made


async def found(simulation, deployment=None):
    report = await look_for_drift(simulation.world, deployment)
    return [(one.kind, one.instance) for one in report.drifts]


async def test_a_deployment_just_deployed_has_no_drift_and_two_reads_tell_so(simulation):
    simulation.iron.calls.clear()
    report = await look_for_drift(simulation.world)
    assert report.is_clean
    assert (report.vms, report.disks) == (len(simulation.iron.vms), len(simulation.iron.disks))
    assert sorted(call for call, _ in simulation.iron.calls) == ["find_disks", "find_vms"]


async def test_a_vm_lost_or_switched_off_is_found_and_the_next_deploy_mends_it(simulation):
    infrastructure = simulation.world.infrastructures.of("")
    lost, off = sorted(simulation.iron.vms)[:2]
    infrastructure.lose_vm(lost)
    infrastructure.power_off(off)
    assert {kind for kind, _ in await found(simulation)} == {DriftKind.VM_MISSING, DriftKind.VM_OFF}
    assert len(await found(simulation)) == 2
    task = await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST, overrides=Overrides(fix=True)))
    assert task.state is TaskState.DONE, task.result
    assert await found(simulation) == []


async def test_changed_sizes_are_found(simulation):
    with_sizes = Resized(simulation.iron)
    simulation.world = replace(simulation.world, infrastructures=Infrastructures(with_sizes))
    for vm in await simulation.store.vms():
        await simulation.store.commit(PutVm(record=replace(vm, shape=replace(vm.shape, cloud_properties={"ram": 64}))))
    report = await look_for_drift(simulation.world)
    assert {one.kind for one in report.drifts} == {DriftKind.VM_SIZE}
    assert {(one.recorded, one.seen) for one in report.drifts} == {("ram 64 MB", "ram 77 MB")}


async def test_another_address_is_found_and_the_vm_made_again_with_its_own(simulation):
    record = await simulation.store.record("demo")
    name, vm = next((n, v) for n, v in sorted(simulation.iron.vms.items()) if v.request.shape.networks)
    network, net = next(iter(sorted(vm.request.shape.networks.items())))
    shape = replace(vm.request.shape, networks={network: {**net, "ip": "192.0.2.77"}})
    vm.request = replace(vm.request, shape=shape)
    report = await look_for_drift(simulation.world)
    assert [(d.kind, d.subject, d.recorded, d.seen) for d in report.drifts] == [
        (DriftKind.VM_ADDRESS, name, f"{network} {net['ip']}", f"{network} 192.0.2.77")
    ]
    differences = ((DriftKind.VM_ADDRESS.value, name),)
    task = await simulation.direct(FixDrift(deployment="demo", differences=differences))
    assert (task.state, task.result) == (TaskState.DONE, "1 difference(s) fixed")
    assert name not in simulation.iron.vms
    after = await simulation.check_invariants()
    assert [i.addresses for i in after.instances] == [i.addresses for i in record.instances]


async def test_tags_are_recorded_as_written_and_those_changed_are_found_and_left_to_a_person(simulation):
    recorded = {vm.name: dict(vm.tags) for vm in await simulation.store.vms()}
    assert recorded == {name: dict(vm.request.tags) for name, vm in simulation.iron.vms.items()}
    name, vm = min(simulation.iron.vms.items())
    tags = {key: value for key, value in vm.request.tags.items() if key != "instance_group"}
    vm.request = replace(vm.request, tags={**tags, "deployment": "theirs", "owner": "somebody"})
    group = recorded[name]["instance_group"]
    report = await look_for_drift(simulation.world)
    assert [(d.kind, d.subject, d.recorded, d.seen) for d in report.drifts] == [
        (
            DriftKind.VM_TAGS,
            name,
            f"deployment: demo, instance_group: {group}",
            "deployment: theirs, no instance_group",
        )
    ]
    task = await simulation.direct(FixDrift(deployment="demo", differences=((DriftKind.VM_TAGS.value, name),)))
    assert task.state is TaskState.ERROR
    assert "by hand" in task.result
    assert name in simulation.iron.vms


async def test_a_disk_grown_detached_or_made_by_hand_is_found(simulation):
    name, disk = min(simulation.iron.disks.items())
    disk.request = replace(disk.request, size_mb=disk.request.size_mb + 1)
    disk.vm = None
    simulation.iron.disks["disk-by-hand"] = replace(disk, request=replace(disk.request, name="disk-by-hand"))
    report = await look_for_drift(simulation.world)
    assert {(one.kind, one.subject) for one in report.drifts} == {
        (DriftKind.DISK_SIZE, name),
        (DriftKind.DISK_DETACHED, name),
        (DriftKind.DISK_UNRECORDED, "disk-by-hand"),
    }


async def test_an_infrastructure_that_does_not_answer_hides_nothing_of_the_others(simulation):
    far = MemoryInfrastructure(faults=[Fault(call="find_vms", kind=FaultKind.FAIL, nth=None)])
    simulation.world.infrastructures.name({"far": far}, {})
    simulation.world.infrastructures.of("").lose_vm(min(simulation.iron.vms))
    report = await look_for_drift(simulation.world)
    assert [one.kind for one in report.drifts] == [DriftKind.VM_MISSING]
    assert [one.cpi for one in report.unseen] == ["far"]
    assert not report.is_clean


async def test_a_cpi_that_no_config_has_any_more_is_told(simulation):
    vm = (await simulation.store.vms())[0]
    await simulation.store.commit(PutVm(record=replace(vm, shape=replace(vm.shape, cpi="gone"))))
    report = await look_for_drift(simulation.world)
    assert [one.cpi for one in report.unseen] == ["gone"]
    assert report.drifts == ()


async def test_what_moved_to_a_cpi_of_another_name_is_looked_for_there_and_once(simulation):
    named = MemoryInfrastructure(simulation.iron)
    simulation.world.infrastructures.name({"new": named}, {"": named, "old": named})
    vm = (await simulation.store.vms())[0]
    await simulation.store.commit(PutVm(record=replace(vm, shape=replace(vm.shape, cpi="old"))))
    simulation.iron.calls.clear()
    report = await look_for_drift(simulation.world)
    assert report.is_clean
    assert report.vms == len(simulation.iron.vms)
    assert [call for call, _ in simulation.iron.calls].count("find_vms") == 1


async def test_what_an_open_intent_names_is_not_judged(simulation):
    name, disk = min(simulation.iron.disks.items())
    disk.vm = None
    assert await found(simulation)
    intent = Intent(task=1, step="s", effect="detach disk", target=name, deployment="demo", opened_at=0.0)
    await simulation.store.commit(OpenIntent(intent=intent))
    assert await found(simulation) == []


async def test_what_a_task_is_just_changing_is_no_drift(simulation):
    """Looked at while a deploy replaces every VM, again and again: the record is ahead or behind, never wrong."""
    deploy = Deploy(deployment="demo", manifest=MANIFEST, overrides=Overrides(recreate=True))
    replacing = asyncio.create_task(simulation.direct(deploy))
    looks = 0
    while not replacing.done():
        report = await look_for_drift(simulation.world)
        assert report.drifts == ()
        looks += 1
        await asyncio.sleep(0)
    assert (await replacing).state is TaskState.DONE
    assert looks > 1
