"""``director networks``, ``drift`` and ``clean-up`` on the adapter and the simulator: what looks show."""

import base64
import json
import urllib.request
from dataclasses import replace

import pytest

pytest.importorskip("httpx")

from director.adapters.nsxt import NsxtFabric
from director.execution.fabrics import Fabrics
from director.model.fabric import Carving, PoolAddress, Router, Segment, StackRecord, StackState
from director.model.sighting import Sighting
from director.model.step import EnsureStack
from director.planning.drift import DriftKind
from director.planning.fabric_repair import choose_networks, make_network_repair
from director.ports.fabric import StackChange
from director.ports.store import DropStack, JoinStack, PutStack
from director.reconcile.drift import look_for_drift
from director.reconcile.fabric_report import Announced, Standing
from director.reconcile.fabric_tidy import GRACE_S, tidy_networks
from director.reconcile.fabric_view import show_networks
from director.reconcile.networks import look_at_fabrics
from tests.support.networks import SHOP, deploy, id_of, instance, managed, member, new_world, theirs
from tests.support.nsxsim import PASSWORD, USER
from tests.support.nsxsim_fixtures import nsx  # noqa: F401  (a fixture)
from tests.unit.reconcile.test_fabric_tidy import FakeClock, FakeJob


def web():
    """The sample stack with names that the simulator's seed has."""
    stack = managed("web", "172.20.4.0/24", topology="nat", outside="198.51.100.20", vip="198.51.100.21")
    return replace(stack, objects=tuple(_fitted(one) for one in stack.objects))


def _fitted(one):
    match one:
        case Router():
            return replace(one, tier0=theirs("Provider"), edge_cluster=theirs("edge-cluster-1"))
        case Carving():
            return replace(one, block=theirs("nodes-block"))
        case PoolAddress():
            return replace(one, pool=theirs("Floating addresses"))
        case Segment():
            return replace(one, transport_zone=theirs("overlay-tz"))
        case _:
            return one


@pytest.fixture
async def world(nsx):  # noqa: F811
    nsx.settings(delete_lag_s=0.05, search_lag_s=0.05)
    fabric = NsxtFabric({"host": nsx.url, "username": USER, "password": PASSWORD}, director_uuid="u-1")
    made = replace(new_world(), fabrics=Fabrics(fabric), clock=FakeClock())
    stack = web()
    await fabric.ensure(StackChange(stack=stack))
    await made.store.commit(JoinStack(stack=stack, user=SHOP))
    await made.store.commit(PutStack(record=StackRecord(stack=stack, state=StackState.READY)))
    yield made
    await fabric.close()


def stranger(nsx, path, body, *, method="PATCH"):  # noqa: F811
    """Somebody else writes to NSX."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{nsx.url}/policy/api/v1{path}", data=data, method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("X-Allow-Overwrite", "true")
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
    urllib.request.urlopen(request, timeout=30).close()


def objects(fabric):
    routers = [*fabric.routers, *(r for outer in fabric.routers for r in outer.routers)]
    found = [one for r in routers for one in (r.object, *r.nat, *(s.object for s in r.segments)) if one]
    return {one.id: one for one in (*found, *fabric.others)}


async def test_what_was_made_is_seen_as_realised(world):
    one = member("web", "shop-web-0", "172.20.4.10")
    await deploy(world, instance("web", 0, ("web", "172.20.4.10"), members=(one,)))
    await world.fabrics.of("").announce([one])
    (fabric,) = (await show_networks(world, None, True)).fabrics
    assert (fabric.unseen, fabric.problems, fabric.unrecorded) == ("", (), ())
    assert {found.state for found in objects(fabric).values()} == {Standing.REALISED}
    router = fabric.routers[0].routers[0]
    assert [(s.range, s.topology, len(s.instances)) for s in router.segments] == [("172.20.4.0/24", "nat", 1)]
    pool = router.balancers[0].virtual_servers[0].pool
    assert [(m.instance, m.state) for m in pool.members] == [("web/0", Announced.ANNOUNCED)]


async def test_a_strangers_change_is_told_in_networks_and_in_drift(world, nsx):  # noqa: F811
    rule = id_of("snat", "web")
    stranger(nsx, f"/infra/tier-1s/{id_of('t1', 'web')}/nat/USER/nat-rules/{rule}", {"enabled": False})
    (fabric,) = (await show_networks(world, None, True)).fabrics
    assert objects(fabric)[rule].state is Standing.CHANGED
    assert objects(fabric)[rule].reason
    report = await look_for_drift(world)
    assert [(one.kind, one.subject) for one in report.drifts] == [(DriftKind.NETWORK_CHANGED, "nat rule web-snat")]


async def networks_wrong(world):
    return [one for one in (await look_for_drift(world, SHOP)).drifts if one.stack]


async def test_what_a_stranger_changed_and_removed_is_set_back_by_the_record_alone(world, nsx):  # noqa: F811
    await deploy(world, instance("web", 0, ("web", "172.20.4.10")))
    before = set(nsx.state())
    router, server = id_of("t1", "web"), id_of("vs", "web")
    stranger(nsx, f"/infra/tier-1s/{router}/nat/USER/nat-rules/{id_of('snat', 'web')}", {"enabled": False})
    stranger(nsx, f"/infra/lb-virtual-servers/{server}", None, method="DELETE")
    found = await networks_wrong(world)
    assert {(one.kind, one.subject) for one in found} == {
        (DriftKind.NETWORK_CHANGED, "nat rule web-snat"),
        (DriftKind.NETWORK_MISSING, "virtual server web"),
    }
    record = await world.store.record(SHOP)
    fix = choose_networks(record, found, (), {})
    fabrics = await look_at_fabrics([one.stack for one in fix.stacks], fix.stacks, world)
    plan = make_network_repair("p", record, fix, Sighting(at=0.0, fabrics=fabrics))
    (step,) = [one.step for one in plan.steps if isinstance(one.step, EnsureStack)]
    change = StackChange(stack=step.stack, gone=step.gone, revisions=step.revisions)
    await world.fabrics.of("").ensure(change)
    assert await networks_wrong(world) == []
    assert set(nsx.state()) == before


async def test_what_the_record_lost_is_found_and_cleaned_up_after_an_hour(world, nsx):  # noqa: F811
    before = set(nsx.state())
    await world.store.commit(DropStack(name=web().name))
    found = [one for one in (await look_for_drift(world)).drifts if one.kind is DriftKind.NETWORK_UNRECORDED]
    assert {one.subject for one in found} >= {"router web", "nat rule web-snat", "address web", "monitor web"}
    job = FakeJob()
    waiting = (await tidy_networks(world, job, takes_unrecorded=True)).waiting
    assert waiting == len(found) == len(web().objects)
    assert set(nsx.state()) == before
    world.clock.at += GRACE_S
    assert (await tidy_networks(world, job, takes_unrecorded=True)).objects == waiting, job.warnings
    left = {path for path in nsx.state() if "0a1b2c3d" in path}
    assert left == set()
    assert any("strangers-segment" in path for path in nsx.state())
