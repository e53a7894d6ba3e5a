"""How a plan speaks of networks."""

from typing import get_args

import pytest

from director.model.plan import Change, Hold, Move, Plan, PlannedStep, StackMove
from director.model.step import Step
from director.planning.explain import MARKS, describe, explain, summary
from tests.formats.samples import STEPS

MADE = StackMove(
    stack="network/web/0",
    move=Move.CREATE,
    reasons=("new",),
    objects=("+ router web", "+ segment web"),
)
GONE = StackMove(stack="network/old/0", move=Move.DELETE, reasons=("no longer used",), objects=("- segment old",))
CHANGED = StackMove(stack="group/shop/web", move=Move.UPDATE, reasons=("not as it should be", "and more"))


def plan(*moves, **more):
    return Plan(id="p", deployment="shop", parent=0, stack_moves=moves, **more)


def test_networks_are_told_with_their_objects_and_reasons():
    change = Change(instance="i", label="web/0", move=Move.ATTACH, reasons=("joins a pool",))
    assert explain(plan(MADE, CHANGED, GONE, changes=(change,)), steps=False).splitlines() == [
        "Instances: attach 1; Networks: create 1, update 1, delete 1",
        "  ~ web/0  attach: joins a pool",
        "Networks:",
        "  + network/web/0   create: new",
        "      + router web",
        "      + segment web",
        "  ~ group/shop/web  update: not as it should be; and more",
        "  - network/old/0   delete: no longer used",
        "      - segment old",
    ]


def test_a_plan_of_networks_alone_shows_its_steps():
    assert explain(plan(GONE)).splitlines()[:2] == [
        "Networks: delete 1",
        "  - network/old/0  delete: no longer used",
    ]
    step = next(step for step in STEPS if type(step).__name__ == "EnsureStack")
    planned = PlannedStep(key="n:ensure", step=step, subject="network/web/1")
    assert "make 14 network objects of network/web/1, remove one network object" in explain(
        plan(MADE, steps=(planned,))
    )


def test_a_plan_without_networks_does_not_speak_of_them():
    change = Change(instance="i", label="web/0", move=Move.CREATE, reasons=("new",))
    assert summary(plan(changes=(change,))) == "Instances: create 1"
    assert summary(plan(MADE, changes=(change,))) == "Instances: create 1; Networks: create 1"
    assert "Networks" not in explain(plan(changes=(change,)))
    hold = Hold(code="hold.x", subject="s", reason="r")
    assert summary(plan(GONE, holds=(hold,))) == "Networks: delete 1; 1 held back"
    assert summary(plan()) == "No changes: everything is as the manifest says."


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_every_step_has_words(step):
    assert describe(step).strip()


def test_no_step_is_left_out():
    assert {type(step) for step in STEPS} == set(get_args(Step))


def test_every_move_has_a_mark():
    assert set(MARKS) == set(Move) - {Move.NOTHING}
