"""What the command makes of variables; that BOSH makes the same is held by tests/e2e/test_interpolate.py."""

import pytest

from director.manifest.interpolate import interpolate
from director.model.problem import Refused

DEFINED = {"a": "((p))", "variables": [{"name": "p", "type": "password"}, {"name": "q", "type": "password"}]}


def test_a_definition_whose_value_is_given_leaves_the_manifest():
    assert interpolate(DEFINED, {"p": "s"}) == {"a": "s", "variables": [{"name": "q", "type": "password"}]}
    assert interpolate(DEFINED, {"p": 1, "q": 2})["variables"] == []
    assert interpolate(DEFINED, {}) == DEFINED


def test_a_definition_asks_for_its_variable():
    with pytest.raises(Refused) as refused:
        interpolate(DEFINED, {"p": "s"}, must_fill=True)
    assert [problem.detail for problem in refused.value.problems] == ["((q)) has no value."]
    assert interpolate(DEFINED, {"p": 1, "q": 2}, must_use=True)["a"] == 1


def test_options_of_a_definition_are_filled():
    tree = {"variables": [{"name": "c", "type": "certificate", "options": {"common_name": "((host))"}}]}
    assert interpolate(tree, {"host": "x.y"})["variables"][0]["options"] == {"common_name": "x.y"}


def test_names_with_dots_give_parts():
    assert interpolate("((a.b))/((a.c))", {"a.b": "1", "a": {"c": "2"}}) == "1/2"
    assert interpolate("((a.b.c))", {"a": "text", "a.b.c": 1}) == 1


@pytest.mark.parametrize("variables", [None, 1, ["p"], [{"name": 1}], {"name": "p"}])
def test_odd_definitions_are_left_for_the_check(variables):
    assert interpolate({"variables": variables}, {"p": 1}) == {"variables": variables}


def test_a_text_that_is_no_map_is_filled_too():
    assert interpolate(["((a))"], {"a": 1}) == [1]
    assert interpolate({"k": "((a))"}, {"a": {"x": 1}}) == {"k": {"x": 1}}
