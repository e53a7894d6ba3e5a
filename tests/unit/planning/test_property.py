"""property: only what is declared, nested, with defaults; null is missing, false and empty are not (1.7)."""

import pytest

from director.model.release import PropertySpec
from director.planning.property import bind, pick
from tests.unit.planning.samples import group, job, job_ref


def bound(declared, given, *, of_group=None):
    problems = []
    properties = {name: PropertySpec(default=default) for name, default in declared.items()}
    ref = job_ref("app", properties=given)
    found = bind(job("app", properties=properties), group("g", properties=of_group or {}), ref, problems)
    return found, problems


def test_dotted_names_nest_and_the_undeclared_is_left_out():
    found, problems = bound({"a.b": None, "a.c.d": None}, {"a": {"b": 1, "c": {"d": 2, "x": 3}, "y": 4}, "z": 5})
    assert (found, problems) == ({"a": {"b": 1, "c": {"d": 2}}}, [])


@pytest.mark.parametrize(
    ("given", "value"),
    [({}, "d"), ({"p": None}, "d"), ({"p": False}, False), ({"p": ""}, ""), ({"p": 0}, 0), ({"p": []}, [])],
)
def test_the_default_stands_only_where_nothing_or_null_is_given(given, value):
    assert bound({"p": "d"}, given)[0] == {"p": value}


def test_what_has_neither_value_nor_default_is_null():
    assert bound({"a.b": None}, {})[0] == {"a": {"b": None}}


def test_null_on_the_way_is_missing():
    assert bound({"a.b": 7}, {"a": None}) == ({"a": {"b": 7}}, [])


def test_a_job_s_properties_replace_the_group_s_even_when_empty():
    declared = {"p": "default"}
    assert bound(declared, None, of_group={"p": "group"})[0] == {"p": "group"}
    assert bound(declared, {}, of_group={"p": "group"})[0] == {"p": "default"}


@pytest.mark.parametrize(
    ("value", "kind"), [(5, "a number"), ("x", "text"), ([], "a list"), (True, "a boolean"), (False, "a boolean")]
)
def test_something_else_than_a_map_on_the_way_is_refused_once(value, kind):
    _, problems = bound({"a.b.c": None, "a.b.d": None, "e": 1}, {"a": {"b": value}})
    assert len(problems) == 1
    assert problems[0].number == 80006
    assert f'"a.b" of job "app" in instance group "g" is {kind}' in problems[0].detail


def test_a_problem_does_not_show_the_value():
    _, problems = bound({"a.b": None}, {"a": "hunter2"})
    assert "hunter2" not in str(problems[0])


def test_placeholders_stay_as_they_are():
    assert bound({"p": None, "q": "((d))"}, {"p": "pre-((x))"})[0] == {"p": "pre-((x))", "q": "((d))"}


def test_a_placeholder_in_place_of_a_map_is_asked_for_its_part():
    assert bound({"tls.ca": None, "tls.key": None}, {"tls": "((cert))"}) == (
        {"tls": {"ca": "((cert.ca))", "key": "((cert.key))"}},
        [],
    )


def test_a_map_and_a_part_of_it_may_both_be_declared():
    assert bound({"a": None, "a.b": 9}, {"a": {"c": 1}})[0] == {"a": {"b": 9, "c": 1}}
    assert bound({"a": {"b": 1}, "a.b": None}, {})[0] == {"a": {"b": 1}}


def test_order_does_not_matter_and_nothing_given_is_shared():
    given = {"b": {"y": [1], "x": 2}, "a": 1}
    found, _ = bound({"b": None, "a": None}, given)
    other, _ = bound({"a": None, "b": None}, {"a": 1, "b": {"x": 2, "y": [1]}})
    assert repr(found) == repr(other)
    found["b"]["y"].append(2)
    assert given["b"]["y"] == [1]


def test_a_provider_exposes_only_what_it_lists():
    assert pick({"a": {"b": 1, "c": 2}, "d": 3}, ("a.c", "e")) == {"a": {"c": 2}, "e": None}
