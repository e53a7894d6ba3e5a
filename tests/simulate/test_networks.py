"""A deployment with a network of its own, the director dying at every commit: nothing is left or unrecorded."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from director.adapters.memory.fabric import MemoryFabric
from director.model.fabric import PoolAddress, Router, Stack, StackRecord, StackState
from director.model.problem import Problem
from director.model.record import TaskState
from director.ports.fabric import Taken
from director.ports.store import PutStack
from director.reconcile.requests import DeleteDeployment, Deploy
from tests.simulate.simulation import CLOUD, MANIFEST, Killed, Simulation

WEB = """
- name: web
  managed: true
  subnets:
  - range: 10.20.0.0/24
    azs: [z1, z2]
    cloud_properties:
      t0_router_id: tier0
      transport_zone_id: overlay
      edge_cluster: edges
      topology: nat
      snat: {pool: floating}
      load_balancer:
        server_pools: [{name: web, port: 80}]
        virtual_servers: [{name: web, pool: floating, ports: [80], server_pool: web}]
"""
EXTENSIONS = """
vm_extensions:
- name: behind-lb
  cloud_properties: {nsxt: {ns_groups: [existing], lb: {server_pools: [{name: web, port: 80}]}}}
"""
NETWORKS, REST = CLOUD.split("compilation:")
SITE = f"{NETWORKS.rstrip()}{WEB}compilation:{REST.rstrip()}{EXTENSIONS}"
FORWARDING = "      dnat: [{name: ssh, pool: floating, to: 10.20.0.5, port: 22}]\n      load_balancer:"
WIDER = SITE.replace("      load_balancer:", FORWARDING)
BEHIND = MANIFEST.replace(
    "networks: [{name: private}]\n  jobs: [{name: app", "networks: [{name: web}]\n  jobs: [{name: app"
).replace("instances: 3", "instances: 3\n  vm_extensions: [behind-lb]")
assert BEHIND != MANIFEST

SCENARIOS = {
    "first": (None, Deploy(deployment="demo", manifest=BEHIND), SITE),
    "recreate": (
        BEHIND,
        Deploy(deployment="demo", manifest=BEHIND.replace("vm_type: small", "vm_type: large")),
        SITE,
    ),
    "wider": (BEHIND, Deploy(deployment="demo", manifest=BEHIND), WIDER),
    "regroup": (
        BEHIND,
        Deploy(deployment="demo", manifest=BEHIND),
        SITE.replace("ns_groups: [existing]", "ns_groups: [existing, another], tags: [{scope: env, tag: prod}]"),
    ),
    "elsewhere": (BEHIND, Deploy(deployment="demo", manifest=MANIFEST), SITE),
    "delete": (BEHIND, DeleteDeployment(deployment="demo"), SITE),
}


async def _site(folder, scenario="first"):
    fabric = MemoryFabric()
    fabric.world.names["group"].add("another")
    simulation = Simulation(folder, fabric=fabric)
    await simulation.prepare(SITE)
    before, request, cloud = SCENARIOS[scenario]
    if before is not None:
        task = await simulation.direct(Deploy(deployment="demo", manifest=before))
        assert task.state is TaskState.DONE, task.result
    await simulation.store.add_config("cloud", "default", cloud, 1.0)
    return simulation, fabric.world, request


async def _check(simulation, there):
    record = await simulation.check_invariants()
    stacks = await simulation.store.stacks()
    assert set(there.objects) == {one.id for stack in stacks for one in stack.stack.objects}
    assert all((stack.state, stack.users) == (StackState.READY, ("demo",)) for stack in stacks)
    vms = simulation.iron.vms.values()
    behind = [vm.request for vm in vms if "web" in vm.request.shape.networks]
    assert set(there.ports) == {request.name for request in behind}
    for name, ports in there.ports.items():
        (asked,) = (i.attachment for i in record.instances for vm in record.vms_of(i.id) if vm.name == name)
        assert (ports.groups, ports.tags) == (asked.groups, asked.tags)
    ips = sorted(str(request.shape.networks["web"]["ip"]) for request in behind)
    assert sorted(member.ip for pool in there.members.values() for member in pool) == ips
    assert (stacks == ()) is (behind == [])
    return record


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
async def test_killed_at_every_commit_the_same_request_ends_it_well(tmp_path, scenario):
    total = 0
    for kill_at in range(1, 400):
        simulation, there, request = await _site(tmp_path / str(kill_at), scenario)
        simulation.store.dies_at = kill_at
        try:
            task = await simulation.direct(request)
        except Killed:
            simulation.agents.lose_director()
            simulation.store.dies_at = 0
            known = {one.id for stack in await simulation.store.stacks() for one in stack.stack.objects}
            assert set(there.objects) <= known, "made, but not recorded"
            simulation.agents.find_director()
            task = await simulation.direct(request)
            is_gone = scenario == "delete" and "no deployment" in task.result
            assert is_gone or task.state is TaskState.DONE, (kill_at, task.result)
            await _check(simulation, there)
            total += 1
        else:
            assert task.state is TaskState.DONE, task.result
            await _check(simulation, there)
            break
    assert total > 5


async def test_a_deploy_then_the_same_deploy_changes_nothing(tmp_path):
    simulation, there, request = await _site(tmp_path)
    assert (await simulation.direct(request)).state is TaskState.DONE
    record = await _check(simulation, there)
    assert there.objects
    done = len(there.calls)
    assert (await simulation.direct(request)).state is TaskState.DONE
    assert {call for call, _ in there.calls[done:]} <= {"look", "rooms"}
    assert await simulation.store.record("demo") == record


async def test_a_stranger_who_writes_between_look_and_write_is_looked_at_again(tmp_path):
    simulation, there, request = await _site(tmp_path, "wider")
    fabric = simulation.world.fabrics.of("")
    (router,) = [key for key, made in there.objects.items() if isinstance(made.object, Router)]
    ensure = fabric.ensure
    strangers = iter(["theirs"])

    async def ensure_late(change):
        for name in strangers:
            there.change(router, failover=name)
        await ensure(change)

    fabric.ensure = ensure_late
    task = await simulation.direct(request)
    assert task.state is TaskState.DONE, task.result
    assert sum(1 for call, _ in there.calls if call == "ensure") == 3
    assert there.objects[router].object.failover != "theirs"
    await _check(simulation, there)


async def test_addresses_that_only_looked_free_are_ruled_out_one_after_the_other(tmp_path):
    """As after a restart within NSX's ip_release_delay: it keeps what was given back a moment ago, and shows nobody."""
    simulation, there, request = await _site(tmp_path)
    fabric = simulation.world.fabrics.of("")
    room = (await fabric.rooms(["pool:floating"]))[0]["pool:floating"]
    first = room.ranges[0][0]
    hidden = set(range(first, first + 9))
    ensure = fabric.ensure

    async def ensure_where_free(change):
        for thing in change.stack.objects:
            if isinstance(thing, PoolAddress) and int(ip_address(thing.ip)) in hidden:
                there.taken.setdefault("floating", []).append((int(ip_address(thing.ip)),) * 2)
                hidden.discard(int(ip_address(thing.ip)))
                raise Taken(f"{thing.ip} is already allocated.", thing)
        await ensure(change)

    fabric.ensure = ensure_where_free
    task = await simulation.direct(request)
    assert task.state is TaskState.DONE, task.result
    assert hidden == set()
    await _check(simulation, there)
    given = {int(ip_address(made.object.ip)) for made in there.objects.values() if isinstance(made.object, PoolAddress)}
    assert min(given) == first + 9


async def test_what_does_not_fit_as_another_task_was_faster_is_read_again(tmp_path):
    simulation, _, request = await _site(tmp_path)
    fabric, others = simulation.world.fabrics.of(""), iter(["network/other/0"])
    look = fabric.look

    async def look_late(wish):
        seen = await look(wish)
        for name in others:
            stack = Stack(name=name, cpi="", owner="other", objects=(), claims=())
            await simulation.store.commit(PutStack(record=StackRecord(stack=stack, state=StackState.CHANGING)))
            seen = replace(seen, problems=(Problem(code="x", summary="x", detail="an address differs", fix="none"),))
        return seen

    fabric.look = look_late
    task = await simulation.direct(request)
    assert task.state is TaskState.DONE, task.result
