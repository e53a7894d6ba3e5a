"""A director's own look at its set-up, on a world in memory."""

import asyncio
from dataclasses import replace

import pytest

from director.adapters.memory.fabric import MemoryFabric
from director.adapters.memory.infrastructure import Fault, FaultKind, MemoryInfrastructure
from director.execution.fabrics import Fabrics
from director.execution.infrastructures import Infrastructures
from director.model.problem import Problem, Refused
from director.ports.fabric import FabricFailure
from director.ports.failure import InfrastructureFailure, StoreFailure
from director.ports.infrastructure import Finding, InfrastructureInfo
from director.reconcile import doctor as module
from director.reconcile.doctor import Doctor
from director.reconcile.requests import Deploy
from tests.simulate.simulation import MANIFEST, Simulation

TARGETS = ("unix:/run/agents.sock", "192.0.2.5:25581")


class Away(MemoryInfrastructure):
    """VMs on other machines, as in a vCenter."""

    failure = None

    async def info(self):
        return InfrastructureInfo(name="vcenter1", stemcell_formats=("vsphere-ova",))

    async def diagnose(self):
        if self.failure:
            raise self.failure
        return await super().diagnose()


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    return made


def own(simulation, infrastructure):
    """In place of the director's own one."""
    simulation.world = replace(simulation.world, infrastructures=Infrastructures(infrastructure))


async def reached(_):
    return ""


async def examine(simulation, *, targets=TARGETS, reach=reached):
    doctor = Doctor(world=simulation.world, targets=lambda: targets, reach=reach)
    return await doctor.examine()


def wrong(findings):
    assert all(one.fix for one in findings if not one.is_well)
    return {one.subject: one.detail for one in findings if not one.is_well}


async def test_a_set_up_that_works_is_well_from_end_to_end(simulation):
    assert (await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST))).state.value == "done"
    findings = await examine(simulation)
    assert wrong(findings) == {}
    subjects = " ".join(one.subject for one in findings)
    for part in ("record", "infrastructure: memory", "cloud config", "stemcells", "VM type", "network", "agents"):
        assert part in subjects


async def test_without_a_cloud_config_that_is_what_is_to_be_done(tmp_path):
    assert (
        "update-cloud-config"
        in {one.subject: one.fix for one in await examine(Simulation(tmp_path)) if not one.is_well}["cloud config"]
    )


async def test_a_cloud_config_that_no_deploy_could_use_is_told_with_its_problems(simulation):
    await simulation.store.add_config("cloud", "default", "networks: []", 1.0)
    assert "declares a network" in wrong(await examine(simulation))["cloud config"]


async def test_a_vm_type_without_a_place_is_found_before_anybody_deploys(simulation):
    simulation.world.infrastructures.of("").ram_max_mb = 1
    found = wrong(await examine(simulation))
    assert found
    assert all(subject.startswith(("VM type", "network")) for subject in found)
    assert not simulation.iron.vms


async def test_an_infrastructure_that_cannot_be_asked_is_told_and_not_asked_for_places(simulation):
    away = Away()
    away.failure = Refused([Problem(code="x", summary="x", detail="No host.", fix="Add host.")])
    own(simulation, away)
    findings = await examine(simulation)
    assert wrong(findings)["infrastructure"] == "No host."
    assert not [one for one in findings if one.subject.startswith("VM type")]
    assert "place" not in {call for call, _ in away.world.calls}


async def test_a_cpi_program_that_cannot_be_run_hides_nothing_else(simulation):
    class Broken(Away):
        async def info(self):
            raise InfrastructureFailure("It cannot be run.")

        async def diagnose(self):
            return [Finding(subject="program", is_well=False, detail="It cannot be run.", fix="Install it.")]

    simulation.world.infrastructures.name({"far": Broken()}, {})
    assert wrong(await examine(simulation)) == {"CPI far: program": "It cannot be run."}


async def test_a_cpi_config_that_cannot_be_used_is_a_finding_among_the_others(simulation):
    async def refuse():
        raise Refused([Problem(code="x", summary="x", detail='CPI "far": it lacks "host".', fix="add host.")])

    doctor = Doctor(world=simulation.world, targets=lambda: TARGETS, reach=reached, refresh=refuse)
    assert wrong(await doctor.examine()) == {"CPI config": 'CPI "far": it lacks "host".'}


async def test_an_infrastructure_that_hangs_holds_nobody_up(simulation, monkeypatch):
    class Hanging(Away):
        async def diagnose(self):
            await asyncio.Event().wait()

    monkeypatch.setattr(module, "DIAGNOSE_S", 0.01)
    own(simulation, Hanging())
    assert "did not answer" in wrong(await examine(simulation))["infrastructure"]


async def test_a_place_that_cannot_be_asked_for_is_a_finding(simulation):
    fault = Fault(call="place", kind=FaultKind.FAIL, nth=None)
    own(simulation, MemoryInfrastructure(simulation.iron, faults=[fault]))
    assert any("failed, as was asked for" in detail for detail in wrong(await examine(simulation)).values())


@pytest.mark.parametrize("target", ["127.0.0.1:25581", "localhost:25581", "[::1]:25581", "0.0.0.0:25581", "[::]:1"])
async def test_vms_elsewhere_cannot_dial_this_machines_loopback_nor_a_wildcard(simulation, target):
    assert f"agents' address {target}" not in wrong(await examine(simulation, targets=(target,)))
    simulation.world.infrastructures.name({"far": Away()}, {})
    assert f"agents' address {target}" in wrong(await examine(simulation, targets=(target,)))


async def test_an_address_that_does_not_answer_is_told_with_the_reason(simulation):
    async def refused(_):
        return "Connection refused"

    found = wrong(await examine(simulation, reach=refused))
    assert found == {"agents' address 192.0.2.5:25581": "It cannot be reached: Connection refused."}


async def test_silent_agents_are_counted_and_named(simulation):
    await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST))
    name = min(simulation.iron.vms)
    simulation.world.infrastructures.of("").power_off(name)
    count = len(simulation.iron.vms)
    assert wrong(await examine(simulation)) == {"agents": f"{count - 1} of {count} connected; silent: {name}."}


async def test_a_record_that_cannot_be_written_is_told_first(simulation, monkeypatch):
    async def full(*_):
        raise StoreFailure("The disk is full.")

    monkeypatch.setattr(simulation.store, "commit", full)
    findings = await examine(simulation)
    assert (findings[0].subject, findings[0].is_well) == ("record", False)


async def test_an_az_may_name_a_cpi_only_as_configs_have_it(simulation):
    cloud = (await simulation.store.configs("cloud"))[0].content
    named = cloud.replace("{name: z1}", "{name: z1, cpi: far}", 1)
    assert named != cloud
    await simulation.store.add_config("cloud", "default", named, 1.0)
    assert "CPI far" in wrong(await examine(simulation))
    simulation.world.infrastructures.name({"far": Away()}, {})
    assert wrong(await examine(simulation)).keys() >= {"stemcells on CPI far"}
    assert "CPI far" not in wrong(await examine(simulation))


async def test_a_fabric_is_examined_beside_the_infrastructure(simulation):
    simulation.world = replace(simulation.world, fabrics=Fabrics(MemoryFabric()))
    found = {one.subject: one for one in await examine(simulation)}
    assert found["NSX-T: memory"].is_well


async def test_a_fabric_that_fails_says_so(simulation):
    class Away(MemoryFabric):
        async def diagnose(self):
            raise FabricFailure("No manager answers.")

    simulation.world = replace(simulation.world, fabrics=Fabrics(Away()))
    assert wrong(await examine(simulation))["NSX-T"] == "No manager answers."
