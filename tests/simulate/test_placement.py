"""Where things go is asked once, before anything is changed, and stands in the plan."""

from dataclasses import replace

import pytest

from director.model.problem import Problem, Severity
from director.model.record import TaskState
from director.model.step import CreateDisk, CreateVm
from director.planning.explain import explain
from director.reconcile.requests import Deploy
from tests.simulate.simulation import MANIFEST, Simulation


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    return made


async def test_the_plan_says_where_each_vm_and_disk_goes_and_why(simulation):
    plan = await simulation.plan(Deploy(deployment="demo", manifest=MANIFEST))
    vms = [step.step for step in plan.steps if isinstance(step.step, CreateVm)]
    assert vms
    assert all(vm.placement.why == f"zone {vm.az or 'any'}" for vm in vms)
    assert [step.step.placement.where["vm"] for step in plan.steps if isinstance(step.step, CreateDisk)]
    assert [call for call, _ in simulation.iron.calls].count("place") == 1


async def test_warnings_of_an_infrastructure_stand_in_the_plan_beside_the_manifests_own(simulation):
    iron = simulation.world.infrastructures.of("")
    asked = iron.place

    async def place(vms, disks):
        odd = Problem(code="x.odd", summary="Odd", detail="A key is odd.", fix="remove it.", severity=Severity.WARNING)
        return replace(await asked(vms, disks), warnings=(odd,))

    iron.place = place
    plan = await simulation.plan(Deploy(deployment="demo", manifest=MANIFEST + "\nsurprise: 1\n"))
    assert [one.code for one in plan.warnings][-1] == "x.odd"
    assert len(plan.warnings) == 2
    assert "Warning: A key is odd. To fix it: remove it." in explain(plan)


async def test_what_has_no_place_is_refused_before_anything_is_changed(simulation):
    simulation.world.infrastructures.of("").ram_max_mb = 1
    task = await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.ERROR
    assert "db/0 wants more memory" in task.result
    assert "app/0 wants more memory" in task.result
    assert {call for call, _ in simulation.iron.calls} == {"place"}
