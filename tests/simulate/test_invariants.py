"""The invariants see what they are for: each is broken on purpose, and blamed."""

import asyncio
from dataclasses import replace

import pytest

from director.model.record import Event, TaskState
from director.model.sighting import Power
from director.ports.store import AddEvent, PutDisk, PutInstance, PutTask
from tests.simulate.invariants import check_all
from tests.simulate.seeded import CANARY, run_world
from tests.simulate.test_faults import manifest, vm_of


async def two_vms(simulation):
    one = simulation.iron.vms[vm_of(simulation, "web/0").name]
    simulation.iron.vms["web-0-twin"] = type(one)(request=replace(one.request, name="web-0-twin"))


async def vm_lost_from_the_record(simulation):
    simulation.store._tables.vms.pop(vm_of(simulation, "web/0").name)


async def vm_off(simulation):
    simulation.iron.vms[vm_of(simulation, "web/0").name].power = Power.OFF


async def disk_elsewhere(simulation):
    next(iter(simulation.iron.disks.values())).vm = vm_of(simulation, "web/0").name


async def disk_of_another(simulation):
    (disk,) = simulation.store._tables.disks.values()
    owner = vm_of(simulation, "web/0")
    await simulation.store.commit(PutDisk(record=replace(disk, instance=owner.instance)))
    simulation.check_attached(vm_of(simulation, "db/0").name, disk.name, is_late=False)


async def disk_deleted(simulation):
    (disk,) = simulation.store._tables.disks
    simulation.check_disk_is_nobodys(disk)


async def task_reverts(simulation):
    task = await simulation.store.task(1)
    await simulation.world.store.commit(PutTask(record=replace(task, state=TaskState.ERROR)))


async def secret_told(simulation):
    event = Event(at=0.0, user="x", action="x", object_type="x", object_name="x", error=f"password {CANARY}")
    await simulation.store.commit(AddEvent(event=event))


async def secret_logged(simulation):
    simulation.tasklog.append(1, "debug", f"password {CANARY}")


async def a_delete_that_does_nothing(simulation):
    """What an infrastructure that lies would lead to: the VM's successor beside it."""

    async def nothing(_cid):
        return None

    simulation.cloud.delete_vm = nothing
    simulation.agents.cut(vm_of(simulation, "web/0").agent, "the network")
    await asyncio.sleep(120.0)


async def a_repair_of_what_is_ignored(simulation):
    vm = vm_of(simulation, "web/0")
    simulation.cloud.lose_vm(vm.name)
    while not await simulation.store.open_intents():
        await asyncio.sleep(0.1)
    known = simulation.store._tables.instances[vm.instance]
    await simulation.store.commit(PutInstance(record=replace(known, is_ignored=True)))
    await asyncio.sleep(60.0)


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (two_vms, "I2 web-0-twin exists"),
        (vm_lost_from_the_record, "I2 web-0-"),
        (vm_off, "I3 VM web-0-"),
        (disk_elsewhere, "I3 disk "),
        (disk_of_another, "I4 disk "),
        (disk_deleted, "I4 disk "),
        (task_reverts, "I5 task 1"),
        (secret_told, "I6 a secret in events"),
        (secret_logged, "I6 a secret in the debug log"),
        (a_delete_that_does_nothing, "I1 web-0-"),
        (a_repair_of_what_is_ignored, "which is ignored"),
    ],
)
def test_an_invariant_that_is_broken_is_blamed(breaks, told):
    async def scenario(simulation):
        await simulation.begin(manifest())
        await asyncio.sleep(60.0)
        await check_all(simulation)
        assert not simulation.violations
        await breaks(simulation)
        await check_all(simulation)

    violations = run_world(1, scenario).violations
    assert any(told in words for words in violations), violations


def test_a_world_that_does_not_heal_is_blamed():
    async def scenario(simulation):
        await simulation.begin(manifest())
        await asyncio.sleep(60.0)
        simulation.cloud.lose_vm(vm_of(simulation, "web/0").name)
        simulation.watch._tasks.submit = _never
        await simulation.come_to_rest(within_s=300.0)

    (blamed,) = run_world(1, scenario).violations
    assert "not well 300 s after" in blamed


async def _never(request, **_more):
    del request
    await asyncio.sleep(10_000.0)
