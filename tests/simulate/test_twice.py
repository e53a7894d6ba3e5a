"""Fault 2: every step of every kind of plan fails once, before or after its effect, and every step is done twice.

A director that dies between an effect and its entry does a step again; a reply that is lost makes it be tried again. So
a step done twice must come to what it comes to when it is done once, also where it undoes something.
"""

from dataclasses import replace

import pytest

from director.execution.perform import perform
from director.model.record import TaskState
from director.model.sighting import JobState
from director.model.step import Gate
from director.ports.failure import Failure
from director.ports.store import PutVm
from director.reconcile import converge
from director.reconcile.requests import DeleteDeployment, Deploy, Overrides, Repair
from tests.simulate.simulation import MANIFEST, Simulation

LARGER = MANIFEST.replace("ram: 64", "ram: 65").replace("vm_type: small", "vm_type: large")
REQUESTS = {
    "first": Deploy(deployment="demo", manifest=MANIFEST),
    "recreate": Deploy(deployment="demo", manifest=LARGER),
    "grow": Deploy(deployment="demo", manifest=MANIFEST.replace("disk_type: ten", "disk_type: twenty")),
    "shrink": Deploy(deployment="demo", manifest=MANIFEST.replace("instances: 3", "instances: 1")),
    "restart": Deploy(deployment="demo", overrides=Overrides(state="restart", target="*")),
    "stop": Deploy(deployment="demo", overrides=Overrides(state="stopped", target="*")),
    "detach": Deploy(deployment="demo", overrides=Overrides(state="detached", target="*")),
    "delete": DeleteDeployment(deployment="demo"),
}
REPAIRS = {
    "missing": "recreate its VM",
    "silent": "recreate its VM",
    "off": "reboot its VM",
    "failing": "restart its jobs",
}
ALL = [*REQUESTS, *REPAIRS]
LONG = ("first", "recreate", "shrink", "detach", "delete", "missing", "off", "failing")
STEPS_MAX = 400


async def world_of(folder, what):
    """A simulation in which ``what`` can be asked for, and the request."""
    simulation = Simulation(folder)
    await simulation.prepare()
    if what == "first":
        return simulation, REQUESTS[what]
    assert (await simulation.direct(REQUESTS["first"])).state is TaskState.DONE
    if what in REQUESTS:
        return simulation, REQUESTS[what]
    record = await simulation.store.record("demo")
    # Long ago: the silence of a VM this old is not put down to its booting.
    await simulation.store.commit(*(PutVm(record=replace(vm, created_at=0.0)) for vm in record.vms))
    instance = next(one for one in record.instances if one.group == "db")
    vm = next(vm for vm in record.vms if vm.instance == instance.id)
    befall(simulation, what, vm)
    return simulation, Repair(deployment="demo", remedies=((instance.id, REPAIRS[what]),))


def befall(simulation, what, vm):
    infrastructure = simulation.world.infrastructures.of("")
    match what:
        case "missing":
            infrastructure.lose_vm(vm.name)
        case "off":
            infrastructure.power_off(vm.name)
        case "silent":
            simulation.agents.silence(vm.agent)
        case _:
            simulation.agents.report(vm.agent, JobState.FAILING)


async def picture(simulation):
    """All that a plan leaves behind, but for times, ids of plans and who was told how often."""
    record = await simulation.store.record("demo")
    names = sorted(vm.request.instance or "" for vm in simulation.iron.vms.values())
    disks = sorted((disk.label, disk.state.value, disk.size_mb) for disk in await simulation.store.disks())
    if record is None:
        return names, disks
    instances = sorted((i.label, i.want.value, i.is_settled, i.generation, i.applied is None) for i in record.instances)
    vms = sorted((vm.state.value, vm.generation, vm.has_enrolment) for vm in record.vms)
    return len(names), disks, instances, vms, record.deployment.manifest


@pytest.mark.parametrize("what", ALL)
async def test_a_plan_whose_every_step_is_done_twice_comes_to_the_same(tmp_path, monkeypatch, what):
    simulation, request = await world_of(tmp_path / "once", what)
    assert (await simulation.direct(request)).state is TaskState.DONE
    once = await picture(simulation)

    simulation, request = await world_of(tmp_path / "twice", what)
    differing, kinds = [], set()

    async def twice(planned, run, world):
        first = await perform(planned, run, world)
        second = await perform(planned, run, world)
        kinds.add(type(planned.step).__name__)
        # What it says of itself may be more or less: it was found there, or known.
        if any(first[key] != second[key] for key in first.keys() & second.keys()):
            differing.append((planned.key, first, second))
        return second

    monkeypatch.setattr(converge, "perform", twice)
    simulation.agents.done.clear()
    task = await simulation.direct(request)
    assert task.state is TaskState.DONE, task.result
    assert await picture(simulation) == once
    assert not differing
    asked = [key for _, key in simulation.agents.done]
    assert len(asked) == len(set(asked)), "an agent did the same step twice"
    assert len(kinds) >= 3
    await simulation.check_invariants()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", LONG)
async def test_wherever_a_plan_fails_it_says_so_and_asking_again_ends_it_well(tmp_path, monkeypatch, what, when):
    """Each step in turn; ``after``: its effect is there, and nothing knows."""
    for number in range(1, STEPS_MAX):
        simulation, request = await world_of(tmp_path / str(number), what)
        failed, left = [], [number]

        async def fails_once(planned, run, world, failed=failed, left=left):
            if not isinstance(planned.step, Gate):
                left[0] -= 1
            if left[0] == 0 and not failed:
                failed.append(planned.key)
                if when == "after":
                    await perform(planned, run, world)
                raise Failure(f"{type(planned.step).__name__} failed, as was asked for.")
            return await perform(planned, run, world)

        monkeypatch.setattr(converge, "perform", fails_once)
        task = await simulation.direct(request)
        if not failed:
            assert task.state is TaskState.DONE, task.result
            break
        if task.state is not TaskState.DONE:
            assert "as was asked for" in task.result, failed
            task = await simulation.direct(request)
        is_gone = what == "delete" and "no deployment" in task.result
        assert is_gone or task.state is TaskState.DONE, (failed, task.result)
        await simulation.check_invariants()
    assert number > 3
