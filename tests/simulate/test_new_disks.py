"""Disks made anew: whatever breaks off on the way, the data goes on being used, and what is left over is an orphan."""

import pytest

from director.adapters.memory.agents import Reply, obey
from director.adapters.memory.infrastructure import Fault, FaultKind
from director.model.record import DiskState, TaskState
from director.ports.agents import Migrate
from director.ports.failure import Retry
from director.reconcile.requests import Deploy, Overrides
from tests.simulate.simulation import MANIFEST, Simulation

DEPLOY = Deploy(deployment="demo", manifest=MANIFEST)
NEW_DISKS = Deploy(deployment="demo", overrides=Overrides(recreate_persistent_disks=True))


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    assert (await made.direct(DEPLOY)).state is TaskState.DONE
    return made


async def broken_off(simulation, call):
    """A deploy with new disks in which that call fails every time; the names of the old and the new disk."""
    [old] = simulation.iron.disks
    iron = simulation.world.infrastructures.of("")
    iron.faults.append(Fault(call=call, kind=FaultKind.FAIL, nth=None, retry=Retry.NEVER))
    assert (await simulation.direct(NEW_DISKS)).state is TaskState.ERROR
    iron.faults.clear()
    return old, next((name for name in simulation.iron.disks if name != old), None)


async def lose(simulation, label):
    record = await simulation.store.record("demo")
    instance = next(one.id for one in record.instances if one.label == label)
    vm = next(vm for vm in record.vms if vm.instance == instance)
    simulation.world.infrastructures.of("").lose_vm(vm.name)


async def states(simulation):
    return {disk.name: disk.state for disk in await simulation.store.disks()}


@pytest.mark.parametrize("loses_vm", [False, True])
async def test_once_the_data_is_copied_the_new_disk_is_used_whatever_broke_off_after_it(simulation, loses_vm):
    old, new = await broken_off(simulation, "detach_disk")
    assert await states(simulation) == {old: DiskState.ATTACHED, new: DiskState.ATTACHED}
    if loses_vm:
        await lose(simulation, "db/0")
    assert (await simulation.direct(DEPLOY)).state is TaskState.DONE
    assert await states(simulation) == {old: DiskState.ORPHANED, new: DiskState.ATTACHED}
    await simulation.check_invariants()


def fails_to_copy(_agent, _key, request):
    return Reply(error="no space is left" if isinstance(request, Migrate) else "")


@pytest.mark.parametrize("loses_vm", [False, True])
async def test_until_the_data_is_copied_the_old_disk_is_used_however_often_it_is_tried(simulation, loses_vm):
    for _ in range(7):  # so that the numbers of disks have one digit, and two
        await simulation.direct(Deploy(deployment="demo", overrides=Overrides(state="restart", target="app/0")))
    assert (await simulation.direct(NEW_DISKS)).state is TaskState.DONE
    used = next(name for name, state in (await states(simulation)).items() if state is DiskState.ATTACHED)
    assert used.endswith("-9")
    simulation.agents.script = fails_to_copy
    for _ in range(2):
        task = await simulation.direct(NEW_DISKS)
        assert task.state is TaskState.ERROR
        assert "no space is left" in task.result
    simulation.agents.script = obey
    if loses_vm:
        await lose(simulation, "db/0")
    assert (await simulation.direct(DEPLOY)).state is TaskState.DONE
    found = await states(simulation)
    assert len(found) == 4
    assert found.pop(used) is DiskState.ATTACHED
    assert set(found.values()) == {DiskState.ORPHANED}
    await simulation.check_invariants()


async def test_only_instances_with_a_disk_are_touched(simulation):
    simulation.agents.done.clear()
    assert (await simulation.direct(NEW_DISKS)).state is TaskState.DONE
    touched = {key.partition("/")[2].partition(":")[0] for _, key in simulation.agents.done if "post-deploy" not in key}
    assert touched == {"db/0"}
