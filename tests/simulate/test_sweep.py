"""VMs and disks nobody knows, and disks nobody needs: when a clean-up takes them, and when not."""

from dataclasses import replace

import pytest

from director.adapters.memory.infrastructure import Fault, FaultKind, MemoryInfrastructure
from director.model.record import TaskState
from director.ports.store import DropDisk, DropVm, EventQuery, PutDisk, PutSetting, PutVm
from director.reconcile.requests import CleanUp, DeleteDeployment, Deploy
from director.reconcile.sweep import FOUND, FOUND_DISKS, GRACE_S
from tests.simulate.simulation import MANIFEST, Simulation

DAY_S = 86400.0


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    task = await made.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.DONE, task.result
    return made


async def stranger(simulation):
    """One VM of the deployment that the record has lost."""
    vm = min(await simulation.store.vms(), key=lambda one: one.name)
    await simulation.store.commit(DropVm(name=vm.name))
    return vm


async def clean_up(simulation, **more):
    task = await simulation.direct(CleanUp(remove_all=True, keep_orphaned_disks=True, **more))
    assert task.state is TaskState.DONE, task.result
    return task.result


async def age(simulation, seconds, what=FOUND):
    """As if they had been found so much earlier."""
    found = await simulation.store.setting(what)
    older = {key: at - seconds for key, at in found.items()}
    await simulation.store.commit(PutSetting(name=what, value=older))


async def test_a_stranger_goes_only_when_it_is_found_again_an_hour_later(simulation):
    vm = await stranger(simulation)
    others = set(simulation.iron.vms) - {vm.name}
    assert "1 unrecorded VM(s) go an hour after" in await clean_up(simulation)
    await age(simulation, GRACE_S - 60)
    await clean_up(simulation)
    assert vm.name in simulation.iron.vms
    await age(simulation, 60)
    assert "1 unrecorded VM(s)" in await clean_up(simulation)
    assert set(simulation.iron.vms) == others
    (event,) = await simulation.store.events(EventQuery(object_type="vm", action="delete", object_name=vm.name))
    assert event.context == {"unrecorded": True}
    await clean_up(simulation)
    assert await simulation.store.setting(FOUND) == {}


async def test_one_that_is_recorded_again_stays_and_is_forgotten_as_a_stranger(simulation):
    vm = await stranger(simulation)
    await clean_up(simulation)
    await age(simulation, 2 * GRACE_S)
    await simulation.store.commit(PutVm(record=vm))
    await clean_up(simulation)
    assert vm.name in simulation.iron.vms
    assert await simulation.store.setting(FOUND) == {}


async def test_without_all_nobody_is_looked_for(simulation):
    vm = await stranger(simulation)
    task = await simulation.direct(CleanUp())
    assert task.state is TaskState.DONE
    assert vm.name in simulation.iron.vms
    assert await simulation.store.setting(FOUND) is None


async def test_one_that_cannot_be_removed_is_told_and_tried_again(simulation):
    vm = await stranger(simulation)
    await clean_up(simulation)
    await age(simulation, 2 * GRACE_S)
    infrastructure = simulation.world.infrastructures.of("")
    assert isinstance(infrastructure, MemoryInfrastructure)
    infrastructure.faults = [Fault(call="delete_vm", kind=FaultKind.FAIL, nth=None)]
    assert "unrecorded VM(s)" not in await clean_up(simulation)
    assert vm.name in simulation.iron.vms
    infrastructure.faults = []
    assert "1 unrecorded VM(s)" in await clean_up(simulation)
    assert vm.name not in simulation.iron.vms


async def loose_disk(simulation):
    """A disk that the record has lost, detached."""
    disk = min(await simulation.store.disks(), key=lambda one: one.name)
    await simulation.store.commit(DropDisk(name=disk.name))
    simulation.iron.disks[disk.name].vm = None
    return disk


async def clean_up_disks(simulation, **more):
    task = await simulation.direct(CleanUp(remove_all=True, **more))
    assert task.state is TaskState.DONE, task.result
    return task.result


async def test_a_detached_disk_nobody_knows_goes_only_when_it_is_found_again_an_hour_later(simulation):
    disk = await loose_disk(simulation)
    others = set(simulation.iron.disks) - {disk.name}
    assert "1 unrecorded disk(s) go an hour after" in await clean_up_disks(simulation)
    await age(simulation, GRACE_S - 60, FOUND_DISKS)
    await clean_up_disks(simulation)
    assert disk.name in simulation.iron.disks
    await age(simulation, 60, FOUND_DISKS)
    assert await clean_up_disks(simulation, keep_orphaned_disks=True)
    assert disk.name in simulation.iron.disks, "all disks are to be kept"
    assert "1 unrecorded disk(s)" in await clean_up_disks(simulation)
    assert set(simulation.iron.disks) == others
    (event,) = await simulation.store.events(EventQuery(object_type="disk", action="delete", object_name=disk.name))
    assert event.context == {"unrecorded": True}


async def test_a_disk_nobody_knows_stays_while_it_is_attached_and_its_hour_begins_when_it_is_not(simulation):
    disk = await loose_disk(simulation)
    await clean_up_disks(simulation)
    await age(simulation, 2 * GRACE_S, FOUND_DISKS)
    simulation.iron.disks[disk.name].vm = min(simulation.iron.vms)
    assert "unrecorded disk" not in await clean_up_disks(simulation)
    assert await simulation.store.setting(FOUND_DISKS) == {}
    simulation.iron.disks[disk.name].vm = None
    assert "1 unrecorded disk(s) go an hour after" in await clean_up_disks(simulation)
    assert disk.name in simulation.iron.disks


async def test_a_disk_attached_just_before_its_removal_stays(simulation):
    disk = await loose_disk(simulation)
    await clean_up_disks(simulation)
    await age(simulation, 2 * GRACE_S, FOUND_DISKS)
    infrastructure = simulation.world.infrastructures.of("")
    look = infrastructure.find_disk

    async def attached_meanwhile(name):
        simulation.iron.disks[disk.name].vm = min(simulation.iron.vms)
        return await look(name)

    infrastructure.find_disk = attached_meanwhile
    assert "unrecorded disk" not in await clean_up_disks(simulation)
    assert disk.name in simulation.iron.disks
    assert "delete_disk" not in {call for call, _ in simulation.iron.calls}


async def test_a_disk_that_is_recorded_again_stays(simulation):
    disk = await loose_disk(simulation)
    await clean_up_disks(simulation)
    await age(simulation, 2 * GRACE_S, FOUND_DISKS)
    await simulation.store.commit(PutDisk(record=disk))
    await clean_up_disks(simulation)
    assert disk.name in simulation.iron.disks


async def orphans(simulation):
    """The deployment is gone; its disks are kept. Their names."""
    task = await simulation.direct(DeleteDeployment(deployment="demo"))
    assert task.state is TaskState.DONE, task.result
    return {disk.name for disk in await simulation.store.disks(orphaned=True)}


async def orphaned_before(simulation, seconds):
    now = simulation.world.clock.now()
    for disk in await simulation.store.disks(orphaned=True):
        await simulation.store.commit(PutDisk(record=replace(disk, orphaned_at=now - seconds)))


@pytest.mark.parametrize("kept,age_s,goes", [(5, 4.9, False), (5, 5.1, True), (1, 1.1, True), (30, 29.0, False)])
async def test_an_ordinary_clean_up_takes_orphans_only_when_they_have_been_kept_for_long(simulation, kept, age_s, goes):
    names = await orphans(simulation)
    assert names
    await orphaned_before(simulation, age_s * DAY_S)
    simulation.orphans_kept_s = kept * DAY_S
    task = await simulation.direct(CleanUp())
    assert task.state is TaskState.DONE, task.result
    assert set(simulation.iron.disks) == (set() if goes else names)
    assert f"{len(names) if goes else 0} orphaned disk(s)" in task.result


async def test_a_clean_up_of_all_takes_every_orphan_and_one_that_keeps_disks_none(simulation):
    names = await orphans(simulation)
    await simulation.direct(CleanUp(remove_all=True, keep_orphaned_disks=True))
    await orphaned_before(simulation, 100 * DAY_S)
    await simulation.direct(CleanUp(keep_orphaned_disks=True))
    assert set(simulation.iron.disks) == names
    await orphaned_before(simulation, 0)
    await simulation.direct(CleanUp(remove_all=True))
    assert simulation.iron.disks == {}
