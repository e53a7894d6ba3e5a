"""Network configs carried out, changed and taken back on a world in memory; what was left over cleaned up."""

import pytest

from director.adapters.memory.fabric import MemoryFabric
from director.adapters.memory.fabric_world import FabricWorld
from director.model.record import TaskState
from director.planning.drift import DriftKind
from director.ports.store import DropConfig, LeaveStack
from director.reconcile.drift import look_for_drift
from director.reconcile.fabric_view import show_networks
from director.reconcile.requests import ApplyNetworks, CleanUp
from tests.simulate.simulation import Simulation
from tests.support.networks import SHOP, managed, record

SHARED = """
networks:
  ip_pools:
  - {name: vips, cidr: 203.0.113.0/24, ranges: [203.0.113.10-203.0.113.20]}
  routers:
  - {name: shared, tier0: tier0, edge_cluster: edges}
  segments:
  - {name: dmz, router: shared, gateway: 10.30.0.1/24}
"""
SMALLER = SHARED.partition("  segments:")[0]


@pytest.fixture
def fabric():
    return FabricWorld()


@pytest.fixture
async def simulation(tmp_path, fabric):
    made = Simulation(tmp_path, fabric=MemoryFabric(fabric))
    await made.prepare()
    await made.store.add_config("network", "default", SHARED, 0.0)
    return made


async def apply(simulation, **more):
    return await simulation.direct(ApplyNetworks(**more))


def names(fabric):
    return sorted(made.object.kind for made in fabric.objects.values())


async def test_what_a_config_says_is_made_once(simulation, fabric):
    assert (await apply(simulation)).state is TaskState.DONE
    assert names(fabric) == ["ip pool", "router", "segment"]
    before = dict(fabric.objects)
    assert (await apply(simulation)).state is TaskState.DONE
    assert fabric.objects == before
    (shown,) = (await show_networks(simulation.world, None, True)).fabrics
    assert [r.name for r in shown.routers[0].routers]
    assert (await look_for_drift(simulation.world)).is_clean


async def test_a_dry_run_makes_nothing(simulation, fabric):
    assert (await apply(simulation, dry_run=True)).state is TaskState.DONE
    assert fabric.objects == {}


async def test_what_it_says_no_more_goes_only_when_that_is_said(simulation, fabric):
    await apply(simulation)
    await simulation.store.add_config("network", "default", SMALLER, 1.0)
    refused = await apply(simulation)
    assert refused.state is TaskState.ERROR
    assert "say --remove" in refused.result
    assert "segment" in names(fabric)
    assert (await apply(simulation, remove=True)).state is TaskState.DONE
    assert names(fabric) == ["ip pool", "router"]


async def test_without_any_config_all_of_it_goes(simulation, fabric):
    await apply(simulation)
    await simulation.store.commit(DropConfig(type="network", name="default"))
    assert (await apply(simulation, remove=True)).state is TaskState.DONE
    assert (fabric.objects, await simulation.store.stacks()) == ({}, ())


async def test_what_somebody_deleted_is_drift_and_comes_back(simulation, fabric):
    await apply(simulation)
    fabric.drop(next(key for key, made in fabric.objects.items() if made.object.kind == "segment"))
    (drift,) = (await look_for_drift(simulation.world)).drifts
    assert (drift.kind, "apply-networks" in drift.fix) == (DriftKind.NETWORK_MISSING, True)
    await apply(simulation)
    assert names(fabric) == ["ip pool", "router", "segment"]


async def test_clean_up_takes_a_network_its_last_users_left(simulation, fabric):
    stack = managed("web", "10.20.0.0/24")
    await record(simulation.world, stack)
    await simulation.store.commit(LeaveStack(name=stack.name, user=SHOP))
    assert [one.kind for one in (await look_for_drift(simulation.world)).drifts] == [DriftKind.NETWORK_UNUSED]
    ended = await simulation.direct(CleanUp())
    assert "1 network stack(s)" in ended.result
    assert (fabric.objects, await simulation.store.stacks()) == ({}, ())
    assert (await look_for_drift(simulation.world)).is_clean
