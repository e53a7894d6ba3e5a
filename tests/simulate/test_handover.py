"""Static addresses that change hands within one deployment: never two VMs at one address."""

import pytest

from director.model.record import TaskState
from director.reconcile.requests import Deploy
from tests.simulate.simulation import Simulation

TEXT = """
name: demo
releases: [{{name: sample, version: "1"}}]
stemcells: [{{alias: default, os: local, version: "1"}}]
update: {{canaries: 0, max_in_flight: 5, canary_watch_time: 0-5000, update_watch_time: 0-5000}}
instance_groups: [{groups}]
"""
GROUP = (
    "{{name: {name}, instances: 1, azs: [z1], stemcell: default, vm_type: small, "
    "networks: [{{name: private, static_ips: [{ip}]}}], jobs: [{{name: plain, release: sample}}]}}"
)
CLOUD_STATIC = "{range: 10.0.1.0/24, gateway: 10.0.1.1, az: z1, static: [10.0.1.100-10.0.1.110]}"


def text(**ips):
    return TEXT.format(groups=", ".join(GROUP.format(name=name, ip=f"10.0.1.{ip}") for name, ip in ips.items()))


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    cloud = (await made.store.configs("cloud"))[0].content
    changed = cloud.replace("{range: 10.0.1.0/24, gateway: 10.0.1.1, az: z1}", CLOUD_STATIC)
    await made.store.add_config("cloud", "default", changed, 0.0)
    return made


async def deploy(simulation, manifest):
    return await simulation.direct(Deploy(deployment="demo", manifest=manifest))


def live_addresses(simulation):
    return {vm.request.shape.networks["private"]["ip"]: name for name, vm in simulation.iron.vms.items()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 100}, {"b": 100}),
        ({"a": 100, "b": 101}, {"b": 100}),
        ({"a": 100, "b": 101}, {"a": 102, "b": 100}),
        ({"a": 100}, {"a": 101, "b": 100}),
    ],
)
async def test_the_old_owner_is_gone_before_the_new_one_is_made(simulation, before, after):
    assert (await deploy(simulation, text(**before))).state is TaskState.DONE
    most = []
    infrastructure, create = simulation.world.infrastructures.of(""), simulation.world.infrastructures.of("")._create_vm

    def watched(request):
        ip = request.shape.networks["private"]["ip"]
        most.append([name for at, name in live_addresses(simulation).items() if at == ip and name != request.name])
        create(request)

    infrastructure._create_vm = watched
    task = await deploy(simulation, text(**after))
    assert task.state is TaskState.DONE, task.result
    assert most
    assert not any(most), "a VM was made at an address another still had"
    await simulation.check_invariants()
    assert {ip.rpartition(".")[2] for ip in live_addresses(simulation)} == {str(ip) for ip in after.values()}


async def test_a_swap_between_groups_that_wait_for_each_other_is_refused_with_what_to_do(simulation):
    assert (await deploy(simulation, text(a=100, b=101))).state is TaskState.DONE
    before = live_addresses(simulation)
    task = await deploy(simulation, text(a=101, b=100))
    assert task.state is TaskState.ERROR
    assert "use two deploys" in task.result
    assert live_addresses(simulation) == before
