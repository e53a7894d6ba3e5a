"""What the fabric adapter costs NSX, and how it comes through NSX's faults and other writers; against the simulator."""

import asyncio
import time
from dataclasses import replace

import pytest

from director.model.fabric import Member, Ref
from director.ports.fabric import FabricFailure, FabricWish, StackChange, Stale
from tests.contract.fabric_ground import nsx_ground
from tests.contract.test_fabric import Web, change_of, looked, put
from tests.support.nsxsim_fixtures import shared_nsx

__all__ = ["shared_nsx"]

ERRORS = (
    "aborted",
    "backend-down",
    "backend-not-found",
    "bad-session",
    "certificate-untrusted",
    "gateway-timeout",
    "in-use",
    "invalid",
    "licence",
    "not-found",
    "overlap",
    "overloaded",
    "pending-delete",
    "ports-left",
    "search-timeout",
    "stale-404",
    "stale-412",
    "stale-500087",
    "throttled",
    "vlan-overlap",
)


@pytest.fixture
async def ground(shared_nsx):
    with nsx_ground(shared_nsx) as made:
        yield made
        await made.fabric.close()


@pytest.fixture
def web(ground):
    return Web(ground)


def several(ground, count):
    found = []
    for place in range(count):
        web = Web(ground, f"w{place}x")
        found.append(web.of(web.router, web.segment, web.balancer, web.monitor, web.pool))
    return found


async def cost(ground, call):
    before = ground.fabric.client.requests
    await call
    return ground.fabric.client.requests - before


async def test_a_look_costs_no_more_for_twenty_stacks_than_for_ten(ground):
    stacks = several(ground, 20)
    await asyncio.gather(*(put(ground, stack) for stack in stacks))
    await looked(ground, *stacks)
    costs = [await cost(ground, looked(ground, *stacks[:count])) for count in (10, 20)]
    assert costs[0] == costs[1] <= 8
    seen = await looked(ground, *stacks)
    assert len(seen.objects) == 100
    assert {each.differences for each in seen.objects} == {()}


async def test_making_and_removing_costs_less_than_a_request_for_each_object(ground, web):
    await looked(ground, web.stack)
    assert await cost(ground, put(ground, web.stack)) <= len(web.stack.objects)
    # Alone it pays for every list that removals at the same time would share.
    assert await cost(ground, ground.fabric.remove(web.stack.objects)) <= 2 * len(web.stack.objects)


async def test_removals_at_the_same_time_share_their_waiting(ground):
    stacks = several(ground, 10)
    await asyncio.gather(*(put(ground, stack) for stack in stacks))
    together = asyncio.gather(*(ground.fabric.remove(stack.objects) for stack in stacks))
    assert await cost(ground, together) <= 10 * 5 * 1.5
    assert (await looked(ground, *stacks)).objects == ()


async def meanwhile(ground, change, hand):
    """The stranger's hand moves while our write is on its way."""
    ground.sim.fault(effect="delay", method="PATCH", path="/infra\\?", delay_s=0.5)
    writing = asyncio.create_task(ground.fabric.ensure(change))
    await asyncio.sleep(0.25)
    await asyncio.to_thread(hand)
    return await writing


async def test_a_stranger_between_our_reading_and_writing_keeps_what_is_his(ground, web):
    stack = web.of(web.router, web.segment)
    await put(ground, stack)
    moved = web.of(web.router, replace(web.segment, gateway=f"{web.net}.254/24"))
    await meanwhile(ground, await change_of(ground, moved), lambda: ground.touch(web.segment))
    assert ground.is_touched(web.segment)
    assert {each.differences for each in (await looked(ground, moved)).objects} == {()}


async def test_a_stranger_between_our_reading_and_writing_is_never_overwritten(ground, web):
    stack = web.of(web.router, web.segment)
    await put(ground, stack)
    moved = web.of(web.router, replace(web.segment, gateway=f"{web.net}.254/24"))
    with pytest.raises(Stale, match=r"admin changed the segment"):
        await meanwhile(ground, await change_of(ground, moved), lambda: ground.change(web.segment))
    assert "10.250.0.1/24" in " ".join((await looked(ground, moved)).of(web.segment.id).differences)


async def passes(ground, stack):
    """As a pass does it: look, then change what is not as wished."""
    seen = await ground.fabric.look(FabricWish(stacks=(stack,)))
    revisions = {each.id: each.revision for each in seen.objects}
    await ground.fabric.ensure(StackChange(stack=stack, revisions=revisions))


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("error", ERRORS)
async def test_every_fault_of_a_create_and_a_delete_is_settled_by_one_more_run(ground, web, error, nth):
    stack = web.of(web.router, web.segment, web.balancer, web.monitor)
    method = "PATCH" if nth == 1 else "GET"
    for run, is_done in ((lambda: passes(ground, stack), 4), (lambda: ground.fabric.remove(stack.objects), 0)):
        ground.sim.fault(effect="error", error=error, method=method, path="/policy/api", nth=nth, count=1)
        try:
            await run()
        except FabricFailure:
            ground.sim.clear_faults()
            await run()
        ground.sim.clear_faults()
        seen = await looked(ground, stack)
        assert len(seen.objects) == is_done
        assert {each.differences for each in seen.objects} <= {()}


async def test_sixty_members_at_once_cost_few_writes(ground):

    pool = Ref(to=ground.server_pool, is_ours=False)
    members = [Member(pool=pool, label=f"web-{n}", ip=f"10.0.0.{n}", port=80) for n in range(1, 61)]
    began = time.monotonic()
    assert await cost(ground, asyncio.gather(*(ground.fabric.announce((each,)) for each in members))) <= 12
    assert time.monotonic() - began < 10
    assert len(ground.members(pool)) == 60


async def test_a_cancelled_announcement_takes_no_other_along(ground):
    pool = Ref(to=ground.server_pool, is_ours=False)
    first, second = (Member(pool=pool, label=f"web-{n}", ip=f"10.0.0.{n}", port=80) for n in (1, 2))
    await looked(ground, pools=(pool,))
    ground.sim.fault(effect="delay", method="PUT", path="/lb-pools/", delay_s=0.5)
    leading = asyncio.create_task(ground.fabric.announce((first,)))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(ground.fabric.announce((second,)))
    await asyncio.sleep(0.1)
    leading.cancel()
    await waiting
    assert ("web-2", "10.0.0.2", 80) in ground.members(pool)
