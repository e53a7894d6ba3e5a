"""The whole pass on a world in memory, the director dying at every commit of it: nothing lost, nothing doubled."""

from dataclasses import replace

import pytest

from director.adapters.memory.infrastructure import Fault, FaultKind
from director.execution.infrastructures import DEFAULT
from director.model.record import DiskState, TaskState, VmState
from director.ports.failure import Retry
from director.ports.store import TaskQuery
from director.reconcile.requests import DeleteDeployment, Deploy, Overrides
from tests.simulate.simulation import MANIFEST, Killed, Simulation


def deploy(manifest=MANIFEST, **more):
    return Deploy(deployment="demo", manifest=manifest, **more)


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    return made


async def _commits_of(simulation, request):
    """How many commits a whole, undisturbed task takes."""
    simulation.store.dies_at = 1_000_000
    task = await simulation.direct(request)
    assert task.state is TaskState.DONE, task.result
    return 1_000_000 - simulation.store.dies_at


async def test_a_deploy_then_the_same_deploy_changes_nothing(simulation):
    await _commits_of(simulation, deploy())
    record = await simulation.check_invariants()
    assert [i.is_settled for i in record.instances] == [True] * 4
    assert [d.state for d in record.disks] == [DiskState.ATTACHED]
    calls, done = len(simulation.iron.calls), len(simulation.agents.done)
    await _commits_of(simulation, deploy())
    assert len(simulation.agents.done) == done
    assert {call for call, _ in simulation.iron.calls[calls:]} == {"find_vms"}
    assert await simulation.store.record("demo") == record


@pytest.mark.parametrize("scenario", ["first", "recreate", "grow", "delete"])
async def test_killed_at_every_commit_the_same_request_ends_it_well(tmp_path, scenario):
    total = 0
    for kill_at in range(1, 400):
        simulation = Simulation(tmp_path / str(kill_at))
        await simulation.prepare()
        if scenario != "first":
            simulation.store.dies_at = 0
            assert (await simulation.direct(deploy())).state is TaskState.DONE
        request = {
            "first": deploy(),
            "recreate": deploy(MANIFEST.replace("ram: 64", "ram: 65").replace("vm_type: small", "vm_type: large")),
            "grow": deploy(MANIFEST.replace("persistent_disk_type: ten", "persistent_disk_type: twenty")),
            "delete": DeleteDeployment(deployment="demo"),
        }[scenario]
        simulation.store.dies_at = kill_at
        try:
            task = await simulation.direct(request)
        except Killed:
            simulation.agents.lose_director()
            simulation.store.dies_at = 0
            simulation.agents.find_director()
            task = await simulation.direct(request)
            # A task that was still queued when the director died runs first; a second deletion finds nothing left.
            is_gone = scenario == "delete" and "no deployment" in task.result
            assert is_gone or task.state is TaskState.DONE, (kill_at, task.result)
            await _check(simulation, scenario)
            total += 1
        else:
            assert task.state is TaskState.DONE, task.result
            break
    assert total > 10


@pytest.mark.parametrize(
    "what",
    ["first", "recreate", "grow", "delete", "recreate by flag", "restart", "new disks", "new VMs and disks"],
)
async def test_killed_at_every_commit_a_new_director_ends_it_by_itself(tmp_path, what):
    """Nobody repeats anything: what was asked for once happens once, and to its end."""
    total = 0
    for kill_at in range(1, 600):
        simulation = Simulation(tmp_path / str(kill_at))
        await simulation.prepare()
        if what != "first":
            assert (await simulation.direct(deploy())).state is TaskState.DONE
        before = await simulation.store.record("demo")
        simulation.agents.done.clear()
        simulation.store.dies_at = kill_at
        try:
            task = await simulation.direct(REQUESTS[what])
        except Killed:
            if len(await simulation.store.tasks(TaskQuery())) < (1 if what == "first" else 2):
                continue  # It died before there was a task: whoever asked knows.
            task = await _next_director(simulation)
            assert task.state is TaskState.DONE, (kill_at, task.result)
            await _check(simulation, what)
            await _check_once(simulation, what, before)
            total += 1
        else:
            assert task.state is TaskState.DONE, task.result
            break
    assert total > 10


async def _next_director(simulation, **more):
    simulation.agents.lose_director()
    simulation.store.dies_at = 0
    simulation.agents.find_director()
    return await simulation.direct(None, **more)


async def _check_once(simulation, what, before):
    """What was asked for once was done once; nothing is left of the way there."""
    asked = [key for _, key in simulation.agents.done]
    assert len(asked) == len(set(asked)), "an agent did the same step twice"
    assert not [name for name in simulation.store._tables.settings if name.startswith(("walk:", "resumed:"))]
    after = await simulation.store.record("demo")
    if what in {"recreate", "recreate by flag"}:
        grown = {vm.instance: vm.generation for vm in before.vms}
        assert {vm.instance: vm.generation - 1 for vm in after.vms} == grown
    if what in {"new disks", "new VMs and disks"}:
        [old], [new] = before.disks, after.disks
        assert (new.size_mb, new.state) == (old.size_mb, DiskState.ATTACHED)
        assert {disk.name: disk.state for disk in await simulation.store.disks()} == {
            old.name: DiskState.ORPHANED,
            new.name: DiskState.ATTACHED,
        }
        assert len([key for key in asked if key.endswith(":migrate-disk")]) == 1
    if what == "restart":
        assert {vm.name for vm in after.vms} == {vm.name for vm in before.vms}
        assert len([key for key in asked if key.endswith(":stop")]) == 4


REQUESTS = {
    "first": deploy(),
    "recreate": deploy(MANIFEST.replace("ram: 64", "ram: 65").replace("vm_type: small", "vm_type: large")),
    "grow": deploy(MANIFEST.replace("persistent_disk_type: ten", "persistent_disk_type: twenty")),
    "delete": DeleteDeployment(deployment="demo"),
    "recreate by flag": Deploy(deployment="demo", overrides=Overrides(recreate=True)),
    "restart": Deploy(deployment="demo", overrides=Overrides(state="restart", target="*")),
    "new disks": Deploy(deployment="demo", overrides=Overrides(recreate_persistent_disks=True)),
    "new VMs and disks": Deploy(deployment="demo", overrides=Overrides(recreate=True, recreate_persistent_disks=True)),
}


async def _check(simulation, scenario):
    record = await simulation.check_invariants()
    if scenario == "delete":
        assert record is None
        assert not simulation.iron.vms
        assert [d.state for d in await simulation.store.disks()] == [DiskState.ORPHANED]
        return
    assert len(simulation.iron.vms) == 4
    assert all(i.is_settled for i in record.instances)
    assert all(vm.state is VmState.CREATED for vm in record.vms)
    assert not [i for i in record.instances if i.is_compilation]
    assert (await simulation.store.tasks(TaskQuery(states=(TaskState.PROCESSING,)))) == ()


async def test_a_vm_that_vanished_is_made_again_with_its_disk_and_address(simulation):
    await _commits_of(simulation, deploy())
    before = await simulation.store.record("demo")
    db = next(vm for vm in before.vms if vm.name.startswith("db-"))
    simulation.world.infrastructures.of("").lose_vm(db.name)
    await _commits_of(simulation, deploy())
    after = await simulation.check_invariants()
    new = next(vm for vm in after.vms if vm.name.startswith("db-"))
    assert (new.generation, new.shape) == (db.generation + 1, db.shape)
    assert after.disks == tuple(replace(disk, vm=new.name) for disk in before.disks)


@pytest.mark.parametrize(("is_whole", "times"), [(True, 1), (False, 2)])
async def test_a_vm_that_is_on_is_asked_for_again_only_when_something_of_it_is_missing(simulation, is_whole, times):
    await simulation.direct(deploy())
    for lost in list(simulation.iron.vms):
        simulation.world.infrastructures.of(DEFAULT).lose_vm(lost)
    simulation.iron.calls.clear()
    lost = Fault(call="create_vm", kind=FaultKind.LOSE_REPLY, nth=None, retry=Retry.NEVER)
    simulation.world.infrastructures.of(DEFAULT).faults.append(lost)
    assert (await simulation.direct(deploy())).state is TaskState.ERROR
    name = next(name for call, name in simulation.iron.calls if call == "create_vm")
    simulation.world.infrastructures.of(DEFAULT).faults.clear()
    simulation.iron.vms[name].is_whole = is_whole
    assert (await simulation.direct(deploy())).state is TaskState.DONE
    assert simulation.iron.calls.count(("create_vm", name)) == times
    await simulation.check_invariants()
