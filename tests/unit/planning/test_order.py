"""order: needs first, as given otherwise; a broken plan is named."""

import pytest

from director.model.names import StepKey
from director.model.plan import PlannedStep
from director.model.step import Gate
from director.planning.order import in_order, longest_path


def step(key, *needs, after=()):
    return PlannedStep(key=StepKey(key), step=Gate(name=key), subject=key, needs=needs, after=after)


def test_needs_come_first_and_the_rest_stays_as_given():
    ordered = in_order([step("c", "a"), step("b"), step("a"), step("d", after=("b",))])
    assert [s.key for s in ordered] == ["b", "a", "c", "d"]


def test_a_circle_is_named():
    with pytest.raises(AssertionError, match=r"wait for each other: (a -> b|b -> a)"):
        in_order([step("a", "b"), step("b", "a")])


def test_a_need_nobody_provides_is_named():
    with pytest.raises(AssertionError, match="ghost"):
        in_order([step("a", "ghost")])


def test_the_longest_path_is_the_slowest_chain_not_the_one_with_most_steps():
    steps = [step("a"), step("b", "a"), step("c", "b"), step("slow"), step("end", "c", "slow")]
    path, seconds = longest_path(steps, {"a": 1, "b": 1, "c": 1, "slow": 10, "end": 1})
    assert (path, seconds) == (("slow", "end"), 11)
