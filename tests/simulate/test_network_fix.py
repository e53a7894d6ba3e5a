"""``drift --fix`` of networks: set back as last deployed, whatever manifest and configs have come to say since."""

from dataclasses import replace

import pytest

from director.adapters.memory.fabric import MemoryFabric
from director.model.fabric import NatRule, Router, ServerPool, VirtualServer
from director.model.record import TaskState
from director.model.sighting import JobState
from director.ports.store import PutInstance
from director.reconcile.drift import look_for_drift
from director.reconcile.requests import Deploy, FixDrift
from tests.simulate.simulation import MANIFEST, Killed, Simulation
from tests.simulate.test_networks import BEHIND, SITE, WIDER


@pytest.fixture
async def simulation(tmp_path):
    return await deployed(tmp_path)


async def deployed(folder):
    made = Simulation(folder, fabric=MemoryFabric())
    await made.prepare(SITE)
    task = await made.direct(Deploy(deployment="demo", manifest=BEHIND))
    assert task.state is TaskState.DONE, task.result
    assert (await look_for_drift(made.world)).is_clean
    return made


@pytest.fixture
def there(simulation):
    return simulation.world.fabrics.of("").world


def ids(there, kind):
    return sorted(key for key, made in there.objects.items() if isinstance(made.object, kind))


async def drifts(simulation):
    return (await look_for_drift(simulation.world)).drifts


async def fix(simulation, found=None):
    """As the command does: what was shown is confirmed."""
    shown = await drifts(simulation) if found is None else found
    pairs = tuple(sorted({(one.kind.value, one.subject) for one in shown}))
    return await simulation.direct(FixDrift(deployment="demo", differences=pairs))


async def test_what_was_deleted_or_changed_in_the_fabric_is_made_as_it_was(simulation, there):
    before = {key: made.object for key, made in there.objects.items()}
    record = await simulation.store.record("demo")
    there.change(ids(there, Router)[0], failover="theirs")
    del there.objects[ids(there, VirtualServer)[0]]
    assert {one.kind.value for one in await drifts(simulation)} == {"network object changed", "network object missing"}
    task = await fix(simulation)
    assert (task.state, task.result) == (TaskState.DONE, "2 difference(s) fixed")
    assert {key: made.object for key, made in there.objects.items()} == before
    after = await simulation.store.record("demo")
    assert (after.instances, after.vms, after.stacks) == (record.instances, record.vms, record.stacks)
    assert after.deployment == replace(record.deployment, serial=record.deployment.serial + 1)
    assert await drifts(simulation) == ()


async def test_what_the_configs_have_come_to_say_since_is_not_carried_out(simulation, there):
    before = {key: made.object for key, made in there.objects.items()}
    await simulation.store.add_config("cloud", "default", WIDER, 1.0)
    there.change(ids(there, Router)[0], failover="theirs")
    assert (await fix(simulation)).state is TaskState.DONE
    assert {key: made.object for key, made in there.objects.items()} == before
    task = await simulation.direct(Deploy(deployment="demo", manifest=BEHIND))
    assert task.state is TaskState.DONE, task.result
    assert len(ids(there, NatRule)) > len([one for one in before.values() if isinstance(one, NatRule)])


async def test_no_vm_is_touched_and_nothing_is_written_of_other_stacks(simulation, there):
    calls, writes = len(simulation.iron.calls), len(there.calls)
    there.change(ids(there, Router)[0], failover="theirs")
    assert (await fix(simulation)).state is TaskState.DONE
    assert {call for call, _ in simulation.iron.calls[calls:]} == {"find_vms", "find_disks"}
    written = [name for call, name in there.calls[writes:] if call not in {"look", "rooms", "find_all"}]
    assert written == ["network/web/0"]


async def test_a_stack_that_differs_in_more_than_was_confirmed_is_held(simulation, there):
    there.change(ids(there, Router)[0], failover="theirs")
    shown = await drifts(simulation)
    del there.objects[ids(there, VirtualServer)[0]]
    task = await fix(simulation, shown)
    assert task.state is TaskState.ERROR
    assert "still so: network object changed" in task.result
    assert there.objects[ids(there, Router)[0]].object.failover == "theirs"
    told = simulation.world.tasklog.read(task.id, "event").decode()
    assert "was not confirmed" in told


async def test_an_instance_taken_out_of_its_pool_is_announced_again(simulation, there):
    before = {pool: list(members) for pool, members in there.members.items()}
    (pool,) = before
    there.members[pool].pop()
    assert [one.kind.value for one in await drifts(simulation)] == ["member missing in its pool"]
    task = await fix(simulation)
    assert (task.state, task.result) == (TaskState.DONE, "1 difference(s) fixed")
    assert sorted(there.members[pool], key=str) == sorted(before[pool], key=str)


async def test_one_that_is_ignored_or_does_not_run_is_not_announced(simulation, there):
    (pool,) = there.members
    there.members[pool].clear()
    record = await simulation.store.record("demo")
    first, second, *rest = sorted((i for i in record.instances if i.members), key=lambda i: i.label)
    await simulation.store.commit(PutInstance(record=replace(first, is_ignored=True)))
    simulation.agents.report(record.vms_of(second.id)[0].agent, JobState.FAILING)
    task = await fix(simulation)
    assert task.state is TaskState.ERROR
    assert f"of {second.label} is still so" in task.result
    assert {member.label for member in there.members[pool]} == {i.members[0].label for i in rest}


async def test_networks_and_vms_are_put_right_in_one_task(simulation, there):
    """The pool is gone with its members; the VM that is made again is announced by its own repair."""
    vm = min(name for name, vm in simulation.iron.vms.items() if "web" in vm.request.shape.networks)
    simulation.world.infrastructures.of("").lose_vm(vm)
    there.change(ids(there, Router)[0], failover="theirs")
    (pool,) = ids(there, ServerPool)
    there.members[pool].clear()
    task = await fix(simulation)
    assert task.state is TaskState.DONE, task.result
    assert await drifts(simulation) == ()
    assert len(there.members[pool]) == 3
    await simulation.check_invariants()


async def test_a_stranger_who_writes_in_between_is_looked_at_again(simulation, there):
    fabric = simulation.world.fabrics.of("")
    router, ensure, strangers = ids(there, Router)[0], fabric.ensure, iter(["again"])
    there.change(router, failover="theirs")

    async def ensure_late(change):
        for name in strangers:
            there.change(router, failover=name)
        await ensure(change)

    fabric.ensure = ensure_late
    assert (await fix(simulation)).state is TaskState.DONE
    assert await drifts(simulation) == ()


async def test_somebody_elses_object_under_our_id_is_left_alone(simulation, there):
    rule = ids(there, NatRule)[0]
    there.objects[rule] = replace(there.objects[rule], owner=None)
    shown = await drifts(simulation)
    assert [one.kind.value for one in shown] == ["network object of others"]
    task = await fix(simulation, shown)
    assert task.state is TaskState.ERROR
    assert "by hand" in task.result


async def test_a_deployment_without_networks_has_nothing_to_set_back(tmp_path):
    simulation = Simulation(tmp_path)
    await simulation.prepare()
    assert (await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST))).state is TaskState.DONE
    differences = (("network object missing", "router web"),)
    task = await simulation.direct(FixDrift(deployment="demo", differences=differences))
    assert (task.state, task.result) == (TaskState.DONE, "nothing left to fix")


async def test_killed_at_every_commit_nothing_is_lost_and_the_next_deploy_ends_it(tmp_path):
    kills = 0
    for kill_at in range(1, 60):
        simulation = await deployed(tmp_path / str(kill_at))
        there = simulation.world.fabrics.of("").world
        before = {key: made.object for key, made in there.objects.items()}
        there.change(ids(there, Router)[0], failover="theirs")
        (pool,) = ids(there, ServerPool)
        there.members[pool].pop()
        shown = await drifts(simulation)
        simulation.store.dies_at = kill_at
        try:
            task = await fix(simulation, shown)
        except Killed:
            kills += 1
            simulation.agents.lose_director()
            simulation.store.dies_at = 0
            known = {one.id for stack in await simulation.store.stacks() for one in stack.stack.objects}
            assert set(there.objects) == known
            simulation.agents.find_director()
            task = await simulation.direct(Deploy(deployment="demo", manifest=BEHIND))
        assert task.state is TaskState.DONE, (kill_at, task.result)
        assert {key: made.object for key, made in there.objects.items()} == before
        assert await drifts(simulation) == ()
        await simulation.check_invariants()
        if simulation.store.dies_at > 0:
            break
    assert kills > 5
