"""Network drift: every way in which recorded stacks and a fabric can differ, and what is not judged."""

from dataclasses import replace

import pytest

from director.model.fabric import (
    OUTLIVING,
    FabricSighting,
    ObjectState,
    SeenMember,
    SeenObject,
    StackRecord,
    StackState,
)
from director.model.names import DeploymentName, ObjectId, StackName
from director.model.wanted import Want
from director.planning.drift import DriftKind
from director.planning.fabric_drift import LookedFabric, find_network_drift
from tests.support.networks import SHOP, config_stack, id_of, instance, managed, member

WEB = managed("web", "10.20.0.0/24", topology="nat", vip="198.51.100.20")
RECORD = StackRecord(stack=WEB, state=StackState.READY, users=(SHOP,))
SEGMENT = id_of("seg", "web")
IN_POOL = member("web", "shop-web-0", "10.20.0.10")
INSTANCE = replace(instance("web", 0, ("web", "10.20.0.10"), members=(IN_POOL,)), is_settled=True)
LOST = SeenObject(
    id=ObjectId("lost"), kind="segment", name="lost", owner=SHOP, stack=StackName("network/lost/0"),
)  # fmt: skip


def seen(**changed):
    """All of the stack as it should be, but the segment: changed, or with ``gone`` not there."""
    objects = [SeenObject(id=o.id, kind=o.kind, name=o.name, owner=SHOP, stack=WEB.name) for o in WEB.objects]
    kept = [replace(o, **changed) if o.id == SEGMENT else o for o in objects if changed or o.id != SEGMENT]
    return tuple(kept)


ALL = seen(name="web-0a1b2c3d")
THERE = (SeenMember(pool=id_of("pool", "web"), label=IN_POOL.label, ip="10.20.0.10", port=8080),)


def drift(objects=ALL, *, found=(), members=THERE, records=(RECORD,), instances=(INSTANCE,), **more):
    looked = LookedFabric(cpi="", sighting=FabricSighting(objects=objects, members=members), found=(*objects, *found))
    return find_network_drift(records, instances, [looked], **more)


def test_what_is_as_recorded_is_no_drift():
    assert drift() == ()


@pytest.mark.parametrize(
    "objects,kind,words",
    [
        (seen(), DriftKind.NETWORK_MISSING, "gone"),
        (seen(state=ObjectState.ABSENT), DriftKind.NETWORK_MISSING, "gone"),
        (seen(state=ObjectState.LEAVING), DriftKind.NETWORK_MISSING, "gone"),
        (seen(state=ObjectState.FAILED, error="No edge."), DriftKind.NETWORK_FAILED, "failed: No edge."),
        (seen(differences=("gateway is x", "name is y")), DriftKind.NETWORK_CHANGED, "gateway is x; name is y"),
        (seen(is_foreign=True), DriftKind.NETWORK_FOREIGN, "somebody else's object has its id"),
    ],
)
def test_each_difference_is_told_once_with_what_to_do(objects, kind, words):
    (one,) = drift(objects)
    assert (one.kind, one.seen, one.deployment, one.subject) == (kind, words, "shop", "segment web-0a1b2c3d")
    assert one.recorded == "in network/web/0"
    assert one.fix.endswith((".", "does."))


def test_what_is_still_being_realised_is_no_drift():
    assert drift(seen(state=ObjectState.IN_PROGRESS)) == ()


def test_what_is_tagged_ours_but_in_no_stack_is_unrecorded():
    (one,) = drift(found=(LOST,))
    assert (one.kind, one.subject, one.deployment) == (DriftKind.NETWORK_UNRECORDED, "segment lost", "shop")
    assert "clean-up" in one.fix


@pytest.mark.parametrize(
    "stranger",
    [replace(LOST, state=ObjectState.LEAVING), replace(LOST, is_foreign=True), replace(LOST, id=SEGMENT)],
)
def test_what_goes_is_not_ours_or_is_recorded_is_not_unrecorded(stranger):
    assert drift(found=(stranger,)) == ()


def test_a_running_instance_that_is_not_in_its_pool_is_told():
    (one,) = drift(members=())
    assert (one.kind, one.instance, one.subject) == (DriftKind.MEMBER_MISSING, "web/0", "server pool web")
    assert one.recorded == "10.20.0.10:8080 is a member"


@pytest.mark.parametrize("changed", [{"is_settled": False}, {"want": Want.STOPPED}, {"members": ()}])
def test_one_that_is_not_to_serve_is_not_missed(changed):
    assert drift(members=(), instances=(replace(INSTANCE, **changed),)) == ()


def test_of_a_pool_that_is_gone_only_the_pool_is_told():
    objects = tuple(o for o in ALL if o.id != id_of("pool", "web"))
    assert [one.kind for one in drift(objects, members=())] == [DriftKind.NETWORK_MISSING]


@pytest.mark.parametrize("state", [StackState.CHANGING, StackState.REMOVING])
def test_what_a_task_is_at_is_not_judged(state):
    half = replace(RECORD, state=state)
    assert drift((), records=(half,), members=()) == ()
    assert drift((), changing=frozenset({WEB.name}), members=()) == ()
    lost = replace(LOST, stack=WEB.name)
    assert drift(found=(lost,), changing=frozenset({WEB.name})) == ()


@pytest.mark.parametrize("state", list(StackState))
def test_a_stack_that_its_last_users_left_is_told_until_somebody_cleans_up(state):
    left = replace(RECORD, users=(), state=state)
    (one,) = drift(records=(left,), instances=())
    assert (one.kind, one.subject) == (DriftKind.NETWORK_UNUSED, "stack network/web/0")
    assert drift(records=(left,), instances=(), deployment=SHOP) == ()


def test_of_one_deployment_only_what_it_uses_is_told():
    other = DeploymentName("other")
    shared = replace(RECORD, users=(other, SHOP))
    assert len(drift(seen(), records=(shared,), deployment=other)) == 1
    assert drift(seen(), members=(), found=(LOST,), deployment=other) == ()
    assert len(drift(seen(), members=(), found=(LOST,), deployment=SHOP)) == 3


def test_what_outlives_deployments_is_mended_by_applying():
    record = StackRecord(stack=config_stack(), state=StackState.READY, users=(OUTLIVING,))
    found = drift((), records=(record,), instances=())
    assert {one.deployment for one in found} == {""}
    assert all("apply-networks" in one.fix for one in found)


def test_an_owner_that_uses_it_no_more_is_not_asked_to_deploy():
    record = replace(RECORD, users=(DeploymentName("other"),))
    (one,) = drift(seen(), records=(record,), instances=())
    assert (one.deployment, "deploy of other" in one.fix) == ("other", True)


def test_a_fabric_that_was_not_looked_at_is_not_judged():
    assert find_network_drift([RECORD], [INSTANCE], []) == ()
    far = replace(RECORD, stack=replace(WEB, cpi="far"))
    assert find_network_drift([far], [INSTANCE], [LookedFabric(cpi="")]) == ()
