"""What a stopped director left open is looked up: adopted, finished, or left open while nobody can be asked."""

from dataclasses import replace

import pytest
import structlog

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.infrastructure import Fault, FaultKind, MemoryInfrastructure, MemoryWorld
from director.adapters.memory.store import MemoryStore
from director.adapters.tasklog import FileTaskLog
from director.execution.infrastructures import Infrastructures
from director.execution.journal import LATE_S, UNSEEN, late_intent, settle
from director.execution.world import World
from director.model.record import (
    DeploymentRecord,
    DiskRecord,
    DiskState,
    InstanceRecord,
    Intent,
    VmRecord,
    VmState,
)
from director.model.wanted import VmShape
from director.ports.infrastructure import DiskRequest, Enrolment, VmRequest
from director.ports.store import OpenIntent, PutDeployment, PutDisk, PutInstance, PutVm

SHAPE = VmShape(stemcell_name="s", stemcell_version="1", stemcell_cid="host", cloud_properties={}, env={}, networks={})
VM = VmRecord(
    name="web-0-abc-1",
    instance="abc",
    deployment="demo",
    agent="agent-1",
    generation=1,
    shape=SHAPE,
    state=VmState.CREATING,
    created_at=1.0,
)
DISK = DiskRecord(
    name="disk-abc-1", deployment="demo", label="web/0", size_mb=10, state=DiskState.CREATING, instance="abc"
)


class Bell:
    def __init__(self):
        self.rung = []

    def ring(self, alert):
        self.rung.append((alert.code, alert.subject, alert.is_over))


@pytest.fixture(autouse=True)
def _quiet():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def world(tmp_path):
    clock = SystemClock()
    made = World(
        store=MemoryStore(),
        infrastructures=Infrastructures(MemoryInfrastructure(MemoryWorld())),
        agents=MemoryAgents(clock),
        secrets=None,
        tasklog=FileTaskLog(tmp_path),
        clock=clock,
        alerts=Bell(),
    )
    await made.store.commit(
        PutDeployment(record=DeploymentRecord(name="demo")),
        PutInstance(record=InstanceRecord(id="abc", deployment="demo", group="web", index=0)),
    )
    return made


def intent(effect, target, **more):
    return Intent(
        **{"task": 1, "step": f"{effect}:{target}", "effect": effect, "target": target, "deployment": "demo"}
        | {"opened_at": 1.0}
        | more
    )


async def opened(world, *changes, intents):
    await world.store.commit(*changes, *(OpenIntent(intent=one) for one in intents))


async def make_vm(world, vm=VM):
    enrolment = Enrolment(agent=vm.agent, token="t", ca_certificate="", enrol_targets=(), agent_targets=())
    request = VmRequest(
        name=vm.name, instance=vm.instance, deployment=vm.deployment, shape=vm.shape, enrolment=enrolment
    )
    return await world.infrastructures.of("").create_vm(request)


async def test_a_vm_that_was_being_created_and_is_there_is_adopted(world):
    cid = await make_vm(world)
    await opened(world, PutVm(record=VM), intents=[intent("create vm", VM.name)])
    assert await settle(world) == ()
    assert await world.store.vms() == (replace(VM, state=VmState.CREATED, cid=cid),)
    assert await world.store.open_intents() == ()


async def test_one_that_is_not_there_keeps_its_row_so_that_it_is_asked_for_again_by_its_name(world):
    await opened(world, PutVm(record=VM), intents=[intent("create vm", VM.name)])
    assert await settle(world) == ()
    assert await world.store.vms() == (VM,)


async def test_a_half_made_vm_is_not_adopted(world):
    await make_vm(world)
    world.infrastructures.of("").world.vms[VM.name].is_whole = False
    await opened(world, PutVm(record=VM), intents=[intent("create vm", VM.name)])
    assert await settle(world) == ()
    assert await world.store.vms() == (VM,)


async def test_a_deletion_whose_vm_is_gone_is_written_down_with_its_disk_free(world):
    leaving = replace(VM, state=VmState.DELETING, cid="gone")
    held = replace(DISK, state=DiskState.ATTACHED, vm=VM.name, cid="d")
    await opened(world, PutVm(record=leaving), PutDisk(record=held), intents=[intent("delete vm", VM.name)])
    assert await settle(world) == ()
    assert await world.store.vms() == ()
    assert await world.store.disks() == (replace(held, state=DiskState.DETACHED, vm=None),)


async def test_a_deletion_whose_vm_is_still_there_is_finished_but_not_while_starting(world):
    cid = await make_vm(world)
    leaving = replace(VM, state=VmState.DELETING, cid=cid)
    await opened(world, PutVm(record=leaving), intents=[intent("delete vm", VM.name)])
    assert [one.effect for one in await settle(world)] == ["delete vm"]
    assert world.infrastructures.of("").world.vms
    assert await settle(world, finishes=True) == ()
    assert not world.infrastructures.of("").world.vms
    assert await world.store.vms() == ()


async def test_a_disk_that_was_being_created_and_is_there_is_adopted(world):
    cid = await world.infrastructures.of("").create_disk(DiskRequest(name=DISK.name, deployment="demo", size_mb=10))
    await opened(world, PutDisk(record=DISK), intents=[intent("create disk", DISK.name)])
    assert await settle(world) == ()
    assert await world.store.disks() == (replace(DISK, state=DiskState.DETACHED, cid=cid),)


async def test_an_infrastructure_that_cannot_be_asked_leaves_its_intents_open_and_others_are_settled(world):
    there = replace(VM, name="web-1-def-1", instance="def", shape=replace(SHAPE, cpi="other"))
    other = MemoryInfrastructure(MemoryWorld())
    world.infrastructures.name({"other": other}, {})
    broken = Fault(call="find_vms", kind=FaultKind.FAIL, nth=None)
    other.faults.append(broken)
    cid = await make_vm(world)
    await opened(
        world,
        PutVm(record=VM),
        PutVm(record=there),
        intents=[intent("create vm", VM.name), intent("create vm", there.name)],
    )
    assert [one.target for one in await settle(world)] == [there.name]
    assert next(vm for vm in await world.store.vms() if vm.name == VM.name).cid == cid
    assert (UNSEEN, "other", False) in world.alerts.rung
    other.faults.clear()
    assert await settle(world) == ()
    assert world.alerts.rung[-1] == (UNSEEN, "other", True)


async def test_each_infrastructure_is_asked_once_for_all(world):
    vms = [replace(VM, name=f"web-{n}-abc-1", instance=f"i{n}") for n in range(20)]
    await opened(world, *(PutVm(record=vm) for vm in vms), intents=[intent("create vm", vm.name) for vm in vms])
    await settle(world)
    assert sorted(call for call, _ in world.infrastructures.of("").world.calls) == ["find_disks", "find_vms"]


async def test_a_row_that_a_later_task_has_settled_is_left_alone(world):
    settled = replace(VM, state=VmState.CREATED, cid="x")
    await opened(world, PutVm(record=settled), intents=[intent("create vm", VM.name), intent("delete vm", "no-such")])
    assert await settle(world) == ()
    assert await world.store.vms() == (settled,)


async def test_a_vm_that_comes_after_it_was_given_up_is_removed(world):
    late = late_intent(VM, 1, "web/0:delete", world.clock.now())
    await opened(world, intents=[late])
    assert await settle(world, finishes=True) == (late,)
    await make_vm(world)
    assert await settle(world) == (late,)
    assert await settle(world, finishes=True) == ()
    assert not world.infrastructures.of("").world.vms


async def test_one_that_never_comes_is_not_waited_for_any_longer_than_it_may_take(world):
    await opened(world, intents=[late_intent(VM, 1, "web/0:delete", world.clock.now() - LATE_S)])
    assert await settle(world) == ()
