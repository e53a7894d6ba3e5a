"""What happens to stacks of network objects, decided without a fabric."""

import pytest

from director.model.fabric import (
    FabricSighting,
    Group,
    ObjectState,
    Router,
    SeenObject,
    Segment,
    Stack,
    StackRecord,
    StackState,
)
from director.model.names import DeploymentName, ObjectId, StackName
from director.model.plan import Move
from director.model.step import EnsureStack, LeaveStack, RemoveStack
from director.planning.fabric import departure_steps, ensure_steps, make_networks_plan, plan_stacks

ME, OTHER = DeploymentName("me"), DeploymentName("other")
ROUTER = Router(id=ObjectId("r"), name="router")
SEGMENT = Segment(id=ObjectId("s"), name="segment")
WEB = StackName("network/web/0")
NEW_ROUTER = "+ router router: distributed only, advertises nothing"


def stack(*objects, name=WEB, **more):
    return Stack(name=name, cpi="", owner=ME, objects=objects or (ROUTER, SEGMENT), **more)


def record(of, *users, state=StackState.READY):
    return StackRecord(stack=of, state=state, users=users or (ME,))


def seen(*objects, **more):
    shown = [
        one if isinstance(one, SeenObject) else SeenObject(id=one.id, kind=one.kind, name=one.name, revision="7")
        for one in objects
    ]
    return {"": FabricSighting(objects=tuple(shown), **more)}


def planned(wanted, recorded, look):
    return plan_stacks(ME, wanted, {r.stack.name: r for r in recorded}, look)


def test_a_stack_nobody_recorded_is_made_and_joined():
    plan = planned([stack()], [], seen())
    assert [(m.move, m.objects) for m in plan.moves] == [(Move.CREATE, (NEW_ROUTER, "+ segment segment: no gateway"))]
    assert plan.joins == (stack(),)
    assert plan.ensures == (EnsureStack(stack=stack()),)


def test_a_stack_that_is_as_it_should_be_is_left_alone():
    plan = planned([stack()], [record(stack())], seen(ROUTER, SEGMENT))
    assert (plan.ensures, plan.moves, plan.joins, plan.departures) == ((), (), (), ())


def test_another_deployments_network_is_joined_without_a_change():
    plan = planned([stack()], [record(stack(), OTHER)], seen(ROUTER, SEGMENT))
    assert (plan.moves, plan.joins) == ((), (stack(),))


def test_what_somebody_removed_or_changed_is_said_and_put_right():
    changed = SeenObject(id=SEGMENT.id, kind="segment", name="segment", differences=("gateway 1 becomes 2",))
    plan = planned([stack()], [record(stack())], seen(changed))
    assert plan.moves[0].move is Move.UPDATE
    assert plan.moves[0].objects == (
        NEW_ROUTER,
        "~ segment segment: gateway 1 becomes 2",
    )


def test_what_failed_to_be_realised_is_written_again_with_its_reason():
    failed = SeenObject(id=SEGMENT.id, kind="segment", name="segment", state=ObjectState.FAILED, error="no edge")
    assert planned([stack()], [record(stack())], seen(ROUTER, failed)).moves[0].objects == (
        "~ segment segment: failed: no edge",
    )


def test_what_is_no_longer_part_of_a_stack_goes_and_the_rest_keeps_its_revision():
    plan = planned([stack(SEGMENT)], [record(stack())], seen(ROUTER, SEGMENT))
    step = plan.ensures[0]
    assert step.gone == (ROUTER,)
    assert step.revisions == {ROUTER.id: "7", SEGMENT.id: "7"}
    assert "- router router" in plan.moves[0].objects


def test_what_is_gone_already_is_still_named_to_the_step_but_not_to_the_operator():
    """The step knows from it what the record held when the plan was made."""
    plan = planned([stack(SEGMENT)], [record(stack())], seen(SEGMENT))
    assert plan.ensures[0].gone == (ROUTER,)
    assert plan.moves[0].objects == ()


def test_a_change_that_was_cut_off_is_carried_on():
    plan = planned([stack()], [record(stack(), state=StackState.CHANGING)], seen(ROUTER, SEGMENT))
    assert plan.moves[0].reasons == ("its last change did not finish",)


@pytest.mark.parametrize(
    ("users", "kind"), [((ME,), RemoveStack), ((ME, OTHER), LeaveStack)], ids=["alone", "with others"]
)
def test_the_last_user_takes_a_stack_along(users, kind):
    plan = planned([], [record(stack(), *users)], seen(ROUTER, SEGMENT))
    assert [type(step) for step in plan.departures] == [kind]
    assert [m.move for m in plan.moves] == ([Move.DELETE] if kind is RemoveStack else [])


def test_a_stack_of_others_only_is_none_of_ours():
    plan = planned([], [record(stack(), OTHER)], seen(ROUTER, SEGMENT))
    assert (plan.departures, plan.moves) == ((), ())


def test_an_object_of_somebody_else_under_our_id_refuses_the_plan():
    foreign = SeenObject(id=SEGMENT.id, kind="segment", name="theirs", is_foreign=True)
    problems = planned([stack()], [], seen(foreign)).problems
    assert [problem.code for problem in problems] == ["network.foreign-object"]


def test_groups_come_first_and_go_last():
    groups = stack(Group(id=ObjectId("g"), name="g"), name=StackName("groups/me"))
    made = dict(_needs(ensure_steps(planned([stack(), groups], [], seen()))))
    assert made["network/web/0:ensure"] == ("groups/me:ensure",)
    gone = planned([], [record(stack()), record(groups)], seen(ROUTER, SEGMENT))
    left = dict(_needs(departure_steps(gone, ())))
    assert left["groups/me:remove"] == ("network/web/0:remove",)


def _needs(steps):
    return [(step.key, step.needs) for step, _ in steps]


def test_network_configs_make_a_plan_of_their_own():
    plan = make_networks_plan("p", 3, planned([stack()], [], seen()))
    assert (plan.deployment, plan.parent, len(plan.steps)) == ("(networks)", 3, 1)
    assert not plan.is_settled
