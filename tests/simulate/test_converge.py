"""Ten deploys in a row, each of another random manifest: each does what it says, and the same again does nothing."""

import random

import pytest

from director.model.record import TaskState
from director.reconcile.requests import Deploy, Overrides
from tests.simulate.simulation import Simulation

UPDATE = "{{canaries: {canaries}, max_in_flight: {most}, canary_watch_time: 0-5000, update_watch_time: 0-5000}}"


def manifest(dice):
    """Any mix of groups, sizes, zones, disks, VM types, properties, order and update rules."""
    update = UPDATE.format(canaries=dice.randint(0, 2), most=dice.choice([1, 2, "50%", 5]))
    version = dice.choice(["1", "1", "2"])
    groups = [_group(name, dice) for name in dice.sample(["a", "b", "c"], dice.randint(1, 3))]
    db = _group("db", dice, job="db", size=1)
    return "\n".join(
        [
            "name: demo",
            'releases: [{name: sample, version: "1"}]',
            f'stemcells: [{{alias: default, os: local, version: "{version}"}}]',
            f"update: {update}",
            "instance_groups:",
            db,
            *groups,
        ]
    )


def _group(name, dice, *, job=None, size=None):
    job = job or dice.choice(["app", "plain"])
    disk = dice.choice(["", "  persistent_disk_type: ten\n", "  persistent_disk_type: twenty\n"])
    zones = dice.choice(["[z1]", "[z2]", "[z1, z2]"])
    return (
        f"- name: {name}\n"
        f"  instances: {dice.randint(0, 4) if size is None else size}\n"
        f"  azs: {zones}\n"
        f"  stemcell: default\n"
        f"  vm_type: {dice.choice(['small', 'small', 'large'])}\n"
        f"{disk}"
        f"  update: {{serial: {dice.choice(['true', 'false'])}}}\n"
        f"  networks: [{{name: private}}]\n"
        f"  jobs: [{{name: {job}, release: sample, properties: {{port: {dice.randint(80, 82)}}}}}]"
    )


@pytest.mark.parametrize("seed", range(25))
async def test_any_manifest_after_any_other_is_reached_and_then_rests(tmp_path, seed):
    dice = random.Random(seed)
    simulation = Simulation(tmp_path, can_grow_disks=seed % 2 == 0)
    await simulation.prepare()
    for round_number in range(10):
        text = manifest(dice)
        overrides = Overrides(recreate=dice.random() < 0.1, allow_delete_all=True)
        task = await simulation.direct(Deploy(deployment="demo", manifest=text, overrides=overrides))
        assert task.state is TaskState.DONE, (seed, round_number, task.result, text)
        record = await simulation.check_invariants()
        _check_disks(record)
        done, calls = len(simulation.agents.done), len(simulation.iron.calls)
        again = await simulation.direct(
            Deploy(deployment="demo", manifest=text, overrides=Overrides(allow_delete_all=True))
        )
        assert again.state is TaskState.DONE, (seed, round_number, again.result)
        assert len(simulation.agents.done) == done, (seed, round_number, "the second deploy asked agents for something")
        assert {call for call, _ in simulation.iron.calls[calls:]} <= {"find_vms"}, (seed, round_number)
        assert await simulation.store.record("demo") == record


def _check_disks(record):
    """Every owned disk is attached to its instance's one VM (I4)."""
    vm_of = {vm.instance: vm.name for vm in record.vms}
    for disk in record.disks:
        assert disk.vm == vm_of[disk.instance], disk
    owners = [disk.instance for disk in record.disks]
    assert len(owners) == len(set(owners)), "two disks for one instance"


async def test_a_failed_update_stops_its_group_and_the_next_deploy_finishes_it(tmp_path):
    """A canary that fails leaves the others as they were; deploying again goes on with it."""
    from director.adapters.memory.agents import Reply  # noqa: PLC0415
    from director.ports.agents import Start  # noqa: PLC0415

    simulation = Simulation(tmp_path)
    await simulation.prepare()
    text = (
        "name: demo\nreleases: [{name: sample, version: '1'}]\n"
        "stemcells: [{alias: default, os: local, version: '1'}]\n"
        "update: {canaries: 1, max_in_flight: 2, canary_watch_time: 0-5000, update_watch_time: 0-5000}\n"
        "instance_groups:\n"
        "- {name: a, instances: 4, azs: [z1], stemcell: default, vm_type: small, networks: [{name: private}],\n"
        "   jobs: [{name: plain, release: sample, properties: {port: 1}}]}\n"
    )
    assert (await simulation.direct(Deploy(deployment="demo", manifest=text))).state is TaskState.DONE
    simulation.agents.script = lambda _a, _k, request: (
        Reply(error="no such port") if isinstance(request, Start) else Reply()
    )
    before = len(simulation.agents.done)
    failed = await simulation.direct(Deploy(deployment="demo", manifest=text.replace("port: 1", "port: 2")))
    assert failed.state is TaskState.ERROR
    assert failed.result == "a/0: no such port"
    touched = {key.split("/")[1] + "/" + key.split("/")[2].split(":")[0] for _, key in simulation.agents.done[before:]}
    assert touched == {"a/0"}
    simulation.agents.script = lambda _a, _k, _r: Reply()
    assert (await simulation.direct(Deploy(deployment="demo", manifest=text))).state is TaskState.DONE
    record = await simulation.check_invariants()
    assert all(i.is_settled for i in record.instances)
