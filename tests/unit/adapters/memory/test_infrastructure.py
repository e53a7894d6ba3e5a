import pytest

from director.adapters.memory.infrastructure import Fault, FaultKind, Hooks, MemoryInfrastructure, MemoryWorld
from director.model.sighting import Power
from director.ports.failure import InfrastructureFailure, Retry
from tests.contract.local_vm import disk_request, vm_request


async def test_a_lost_reply_means_that_it_was_done():
    cloud = MemoryInfrastructure(faults=[Fault(call="create_vm", kind=FaultKind.LOSE_REPLY)])
    with pytest.raises(InfrastructureFailure) as failure:
        await cloud.create_vm(vm_request("web-1"))
    assert failure.value.retry is Retry.SOON
    assert (await cloud.find_vm("web-1")).power is Power.ON
    assert await cloud.create_vm(vm_request("web-1")) == "web-1"


async def test_the_nth_call_fails_and_does_nothing():
    cloud = MemoryInfrastructure(faults=[Fault(call="create_disk", nth=2, kind=FaultKind.FAIL, retry=Retry.NEVER)])
    await cloud.create_disk(disk_request("a"))
    with pytest.raises(InfrastructureFailure):
        await cloud.create_disk(disk_request("b"))
    assert list(await cloud.find_disks()) == ["a"]


async def test_a_forgotten_call_claims_to_be_done():
    cloud = MemoryInfrastructure(faults=[Fault(call="delete_vm", nth=None, kind=FaultKind.FORGET)])
    await cloud.create_vm(vm_request("web-1"))
    await cloud.delete_vm("web-1")
    assert await cloud.find_vm("web-1") is not None


async def test_a_delayed_call_waits_on_the_clock_it_was_given():
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    cloud = MemoryInfrastructure(faults=[Fault(call="create_vm", kind=FaultKind.DELAY, delay_s=9.0)], sleep=sleep)
    await cloud.create_vm(vm_request("web-1"))
    assert waits == [9.0]
    assert await cloud.find_vm("web-1") is not None


async def test_the_world_outlives_its_director_and_agents_learn_of_their_vms():
    told = []
    hooks = Hooks(
        on_boot=lambda enrolment: told.append(("boot", enrolment.agent)),
        on_reboot=lambda agent: told.append(("reboot", agent)),
        on_end=lambda agent: told.append(("end", agent)),
    )
    world = MemoryWorld()
    await MemoryInfrastructure(world, hooks=hooks).create_vm(vm_request("web-1"))
    cloud = MemoryInfrastructure(world, hooks=hooks)
    await cloud.create_vm(vm_request("web-1"))
    await cloud.reboot_vm("web-1")
    cloud.power_off("web-1")
    assert (await cloud.find_vm("web-1")).power is Power.OFF
    cloud.lose_vm("web-1")
    agent = "agent-of-web-1"
    assert told == [("boot", agent), ("reboot", agent), ("end", agent), ("end", agent)]
    assert world.calls == [("create_vm", "web-1")] * 2 + [("reboot_vm", "web-1"), ("find_vm", "web-1")]
