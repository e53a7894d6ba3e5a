"""VMs nobody knows: when a clean-up takes them, and when not."""

import pytest

from director.adapters.memory.infrastructure import Fault, FaultKind, MemoryInfrastructure
from director.model.record import TaskState
from director.ports.store import DropVm, EventQuery, PutSetting, PutVm
from director.reconcile.requests import CleanUp, Deploy
from director.reconcile.sweep import FOUND, GRACE_S
from tests.simulate.simulation import MANIFEST, Simulation


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


async def age(simulation, seconds):
    """As if they had been found so much earlier."""
    found = await simulation.store.setting(FOUND)
    older = {key: at - seconds for key, at in found.items()}
    await simulation.store.commit(PutSetting(name=FOUND, value=older))


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


async def test_an_unrecorded_disk_is_never_taken(simulation):
    name, disk = min(simulation.iron.disks.items())
    simulation.iron.disks["disk-strange"] = disk
    await clean_up(simulation)
    await age(simulation, 2 * GRACE_S)
    await clean_up(simulation)
    assert "disk-strange" in simulation.iron.disks
    assert name in simulation.iron.disks
