"""A VM that cannot be deleted: nothing goes on until a person says that it is dead. If it lives, it is a stranger."""

import pytest

from director.adapters.memory.infrastructure import Fault, FaultKind
from director.model.fence import Fence, fence_name
from director.model.record import TaskState
from director.planning.drift import DriftKind
from director.ports.failure import Retry
from director.ports.store import EventQuery, PutSetting
from director.reconcile.drift import look_for_drift
from director.reconcile.requests import Deploy, Overrides
from tests.simulate.simulation import MANIFEST, Simulation

RECREATE = Deploy(deployment="demo", manifest=None, overrides=Overrides(state="recreate", target="db/0", fix=True))


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    task = await made.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.DONE, task.result
    return made


async def vm_of(simulation, label="db/0"):
    record = await simulation.store.record("demo")
    instance = next(one for one in record.instances if one.label == label)
    (vm,) = record.vms_of(instance.id)
    return vm


async def cut_off(simulation, vm):
    """Its host no longer answers: its agent is silent, and it cannot be deleted."""
    fault = Fault(call="delete_vm", kind=FaultKind.FAIL, nth=None, retry=Retry.NEVER)
    simulation.world.infrastructures.of("").faults.append(fault)
    simulation.agents.silence(vm.agent)


async def fenced(simulation, vm, *, at=None):
    fence = Fence(by="me", at=vm.created_at + 1 if at is None else at, words="the rack burnt")
    await simulation.store.commit(PutSetting(name=fence_name(vm.name), value=fence.to_tree()))


async def test_without_a_fence_a_vm_that_cannot_be_deleted_stops_its_replacement(simulation):
    vm = await vm_of(simulation)
    await cut_off(simulation, vm)
    task = await simulation.direct(RECREATE)
    assert task.state is TaskState.ERROR
    assert (await vm_of(simulation)).name == vm.name


async def test_a_fenced_one_is_forgotten_replaced_and_told_as_a_stranger(simulation):
    vm = await vm_of(simulation)
    await cut_off(simulation, vm)
    await fenced(simulation, vm)
    task = await simulation.direct(RECREATE)
    assert task.state is TaskState.DONE, task.result
    assert (await vm_of(simulation)).name != vm.name
    assert await simulation.store.setting(fence_name(vm.name)) is None
    agent = await simulation.store.agent(vm.agent)
    assert agent is None or agent.is_revoked
    (event,) = await simulation.store.events(EventQuery(action="forget"))
    assert (event.object_name, event.instance, event.task) == (vm.name, "db/0", task.id)
    assert event.context == {"cid": vm.cid, "cpi": "", "fenced_by": "me", "words": "the rack burnt"}
    report = await look_for_drift(simulation.world)
    assert [(one.kind, one.subject) for one in report.drifts] == [(DriftKind.VM_UNRECORDED, vm.name)]


async def test_its_task_says_so(simulation):
    vm = await vm_of(simulation)
    await cut_off(simulation, vm)
    await fenced(simulation, vm)
    task = await simulation.direct(RECREATE)
    told = simulation.world.tasklog.read(task.id, "event").decode()
    assert "`director drift` shows it" in told
    assert vm.cid in told


async def test_a_fenced_vm_that_can_be_deleted_is_deleted_and_its_fence_goes(simulation):
    vm = await vm_of(simulation)
    await fenced(simulation, vm)
    task = await simulation.direct(RECREATE)
    assert task.state is TaskState.DONE, task.result
    assert await simulation.store.setting(fence_name(vm.name)) is None
    await simulation.check_invariants()


async def test_a_fence_older_than_the_vm_was_said_of_another_one(simulation):
    vm = await vm_of(simulation)
    await cut_off(simulation, vm)
    await fenced(simulation, vm, at=vm.created_at - 1)
    assert (await simulation.direct(RECREATE)).state is TaskState.ERROR
    assert (await vm_of(simulation)).name == vm.name


async def test_one_whose_agent_answers_after_all_is_not_forgotten(simulation):
    vm = await vm_of(simulation)
    await cut_off(simulation, vm)
    simulation.agents.wake(vm.agent)
    await fenced(simulation, vm)
    assert (await simulation.direct(RECREATE)).state is TaskState.ERROR
    assert (await vm_of(simulation)).name == vm.name
