"""Placeholders and their values (bosh-director.md 1.11)."""

import time

import pytest

from director.manifest.fill import fill, names_in, read_value
from director.model.problem import Refused


def refusals(tree, values, **how):
    with pytest.raises(Refused) as refused:
        fill(tree, values, **how)
    return [problem.detail for problem in refused.value.problems]


def test_a_whole_placeholder_takes_a_value_of_any_type():
    values = {"n": 3, "b": False, "l": [1], "m": {"k": "v"}, "z": None}
    tree = {name: f"(({name}))" for name in values}
    assert fill(tree, values) == values


def test_texts_and_whole_numbers_stand_inside_a_text():
    assert fill("http://((host)):((port))/((host))", {"host": "h", "port": 80}) == "http://h:80/h"


@pytest.mark.parametrize("value", [True, 1.5, None, [1], {"a": 1}])
def test_nothing_else_stands_inside_a_text(value):
    (detail,) = refusals("x((v))", {"v": value})
    assert "cannot stand inside a text" in detail


def test_dots_lead_into_maps_and_lists():
    values = {"tls": {"ca": ["one", {"pem": "two"}]}}
    assert fill("((tls.ca.1.pem))", values) == "two"
    assert fill("a-((tls.ca.0))", values) == "a-one"
    assert fill("((tls.ca.-2))", values) == "one"


def test_a_part_that_is_missing_is_told_without_the_value():
    (detail,) = refusals("((tls.kee))", {"tls": {"key": "SECRET"}})
    assert "kee" in detail
    assert "SECRET" not in detail


def test_an_exclamation_mark_and_padding_do_not_matter():
    assert fill(["((!a))", "(( a ))", "((/dir/dep/a))"], {"a": 1, "/dir/dep/a": 2}) == [1, 1, 2]


@pytest.mark.parametrize("text", ["((a b))", "(a)", "((a", "$((1+2))", "(())", "((a,b))"])
def test_what_is_no_placeholder_stays(text):
    assert fill(text, {"a": 1, "b": 2}, must_fill=True) == text


def test_names_without_a_value_stay_for_the_director():
    assert fill({"p": "((secret))", "q": "x((a))((secret))"}, {"a": 1}) == {"p": "((secret))", "q": "x1((secret))"}


def test_all_names_without_a_value_are_told_at_once_and_sorted():
    details = refusals(["((b))", "((a.c))", "x((b))"], {}, must_fill=True)
    assert details == ["((a)) has no value.", "((b)) has no value."]


def test_a_likely_name_is_offered():
    with pytest.raises(Refused, match='did you mean "password"'):
        fill("((pasword))", {"password": 1}, must_fill=True)


def test_values_that_nothing_uses_are_told():
    details = refusals("((a))", {"a": 1, "c": 2, "b": 3}, must_use=True)
    assert [detail.split('"')[1] for detail in details] == ["b", "c"]


def test_a_value_is_taken_as_it_is():
    assert fill("((a))", {"a": "((b))", "b": 1}) == "((b))"
    assert fill("x-((a))", {"a": "((/director/b))", "b": 1}) == "x-((/director/b))"
    assert fill("((a.k))", {"a": {"k": "((b))"}, "b": 1}) == "((b))"
    assert fill(["((a))"], {"a": "((a))"}) == ["((a))"]


def test_a_bomb_of_values_is_refused_quickly():
    began = time.perf_counter()
    (detail,) = refusals(["((v))"] * 10_000, {"v": [["x"] * 100] * 100})
    assert "more than a manifest can hold" in detail
    assert time.perf_counter() - began < 1


def test_a_bomb_of_texts_is_refused():
    assert "more than a manifest can hold" in refusals(["x((v))" * 100] * 100, {"v": "x" * 10_000})[0]


def test_keys_are_filled_too():
    assert fill({"((k))": 1, "x-((k))": 2}, {"k": "key"}) == {"key": 1, "x-key": 2}
    assert "would become a list" in refusals({"((k))": 1}, {"k": []})[0]
    assert "Two keys" in refusals({"((k))": 1, "key": 2}, {"k": "key"})[0]


def test_the_tree_given_is_never_changed():
    tree = {"a": ["((x))"]}
    fill(tree, {"x": 1})
    assert tree == {"a": ["((x))"]}


def test_the_names_a_tree_asks_for():
    tree = {"a": ["((x))", {"((key))": "b((y.part))((!z))"}], "n": 1, "t": "((/abs/name.k))"}
    assert names_in(tree) == {"x", "key", "y", "z", "/abs/name"}


def test_the_value_of_a_flag_is_yaml():
    assert read_value("[1, two]", "x") == [1, "two"]
    assert read_value("", "x") is None
    with pytest.raises(Refused):
        read_value("[1", "x")
