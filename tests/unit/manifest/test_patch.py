"""Ops files, go-patch's way (bosh-director.md 1.15)."""

import copy

import pytest

from director.manifest.patch import find, patch, read_ops
from director.manifest.read import read_any
from director.model.problem import Refused

TREE = {
    "name": "demo",
    "groups": [
        {"name": "a", "instances": 1, "jobs": [{"name": "j1"}, {"name": "j2"}]},
        {"name": "b", "instances": 2},
        {"name": "c", "instances": 3},
    ],
    "odd/key~x:y": {"": 5},
}


def op(type_, path, **rest):
    fields = {"type": type_, "path": path, **rest}
    return read_ops(f"- {fields!r}".replace("True", "true").replace("None", "null"), "ops.yml")[0]


def after(path, value, type_="replace"):
    return patch(TREE, [op(type_, path, value=value) if type_ == "replace" else op(type_, path)])


def names(tree):
    return [group["name"] for group in tree["groups"]]


def refusal(*ops):
    with pytest.raises(Refused) as refused:
        patch(TREE, ops)
    return refused.value.problems[0]


def test_an_empty_path_replaces_the_whole_document():
    assert after("", {"new": 1}) == {"new": 1}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/name", "demo"),
        ("/groups/0/name", "a"),
        ("/groups/-1/name", "c"),
        ("/groups/name=b/instances", 2),
        ("/groups/name=b:prev/name", "a"),
        ("/groups/name=b:next/name", "c"),
        ("/groups/0:next:next/name", "c"),
        ("/groups/name=a/jobs/name=j2", {"name": "j2"}),
        ("/odd~1key~0x~7y/", 5),
        ("/nothing?", None),
        ("/groups/name=z?/name", "z"),
    ],
)
def test_a_path_finds(path, found):
    assert find(TREE, path) == found


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nothing", 'no key "nothing"; its keys are: groups, name, odd/key~x:y'),
        ("/groups/7", "/groups has 3 items, none at 7"),
        ("/groups/-4", "/groups has 3 items, none at -1"),
        ("/groups/0:prev", "/groups has 3 items, none at -1"),
        ("/groups/name=z", "/groups has 0 items with name=z, not exactly one"),
        ("/name/x", "/name is text, not a map"),
        ("/name/0", "/name is text, not a list"),
        ("/groups/x", "/groups is a list, not a map"),
        ("/groups/-", "asks for a new item"),
        ("groups", "does not begin with /"),
        ("/name:next", "follows the map key"),
        ("/groups/0:middle", "is none of :prev, :next, :before and :after"),
    ],
)
def test_a_path_that_leads_nowhere_says_how_far_it_came(path, said):
    with pytest.raises(Refused) as refused:
        find(TREE, path)
    assert said in refused.value.problems[0].detail


def test_a_missing_key_must_be_marked_to_be_created():
    assert "no key" in refusal(op("replace", "/new", value=1)).detail
    assert after("/new?", 1)["new"] == 1
    assert after("/new?/deep/er", 1)["new"] == {"deep": {"er": 1}}
    assert after("/new?/-", 1)["new"] == [1]
    assert after("/new?/name=x/size", 1)["new"] == [{"name": "x", "size": 1}]


def test_an_index_cannot_say_what_to_create():
    assert "an index cannot say" in refusal(op("replace", "/new?/0", value=1)).detail


def test_a_match_may_append_what_is_missing():
    assert after("/groups/name=z?/instances", 9)["groups"][-1] == {"name": "z", "instances": 9}
    assert after("/groups/name=z?", {"name": "z"})["groups"][-1] == {"name": "z"}


def test_items_are_inserted_beside_others():
    assert names(after("/groups/name=b:before", {"name": "x"})) == ["a", "x", "b", "c"]
    assert names(after("/groups/name=b:after", {"name": "x"})) == ["a", "b", "x", "c"]
    assert names(after("/groups/0:before", {"name": "x"})) == ["x", "a", "b", "c"]
    assert names(after("/groups/-", {"name": "x"})) == ["a", "b", "c", "x"]
    assert names(after("/groups/-1:after", {"name": "x"})) == ["a", "b", "c", "x"]


def test_removing_takes_keys_and_items_away():
    assert "name" not in after("/name", None, "remove")
    assert names(after("/groups/name=b", None, "remove")) == ["a", "c"]
    assert names(after("/groups/0", None, "remove")) == ["b", "c"]


@pytest.mark.parametrize("path", ["/nothing?", "/nothing?/deeper", "/groups/name=z?", "/groups/name=z?/instances"])
def test_removing_what_may_be_missing_changes_nothing(path):
    assert patch(TREE, [op("remove", path)]) == TREE


def test_two_items_of_one_name_are_not_chosen_between():
    tree = {"groups": [{"name": "a"}, {"name": "a"}]}
    with pytest.raises(Refused, match="has 2 items with name=a"):
        patch(tree, [op("remove", "/groups/name=a")])


def test_a_test_compares_and_changes_nothing():
    assert patch(TREE, [op("test", "/name", value="demo")]) is TREE
    assert "differs" in refusal(op("test", "/name", value="other")).detail
    assert "differs" in refusal(op("test", "/groups/0/instances", value="1")).detail


def test_absence_holds_only_for_the_last_step():
    assert patch(TREE, [op("test", "/nothing", absent=True)]) is TREE
    assert patch(TREE, [op("test", "/groups/name=z", absent=True)]) is TREE
    assert "something is there" in refusal(op("test", "/name", absent=True)).detail
    assert "no key" in refusal(op("test", "/nothing/deeper", absent=True)).detail


def test_operations_follow_each_other_and_the_failing_one_is_named():
    first, second = read_ops(
        "- {type: replace, path: /name, value: x}\n- {type: remove, path: /gone, error: Too old}\n", "ops.yml"
    )
    problem = refusal(first, second)
    assert problem.detail.startswith("Too old: Operation 2 (remove /gone) failed: / has no key")
    assert problem.mark.line == 2
    assert problem.mark.file == "ops.yml"


def test_the_tree_given_is_never_changed():
    before = copy.deepcopy(TREE)
    after("/groups/name=a/jobs/name=j1/name", "other")
    after("/groups/name=a", None, "remove")
    assert before == TREE


def test_shared_parts_are_changed_in_one_place_only():
    tree = read_any("a: &x {n1: 1}\nb: *x\n", "m.yml").node
    assert patch(tree, [op("replace", "/b/n1", value=2)]) == {"a": {"n1": 1}, "b": {"n1": 2}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {type: replace, path: /a}", 'a replace needs a "value"'),
        ("- {type: remove, path: /a, value: 1}", 'a remove has no "value"'),
        ("- {type: test, path: /a}", 'a test needs either a "value" or absent: true'),
        ("- {type: test, path: /a, value: 1, absent: true}", 'a test needs either a "value" or absent: true'),
        ("- {type: replace, path: /a, value: 1, absent: true}", "only a test may have absent: true"),
        ("- {type: swap, path: /a, value: 1}", "none of replace, remove and test"),
        ("- {type: replace, value: 1}", 'no text under "path"'),
        ("- {type: replace, path: a, value: 1}", "does not begin with /"),
        ("- {type: remove, path: ''}", "the whole document cannot be removed"),
        ("- {type: remove, path: /a/-}", "only a replace may add items"),
        ("- {type: test, path: '/a/0:after', value: 1}", "only a replace may add items"),
        ("- {type: replace, path: '/a/0:after/b', value: 1}", "nothing may follow"),
        ("- {type: replace, path: /a, value: 1, valeu: 2}", 'unknown key "valeu"'),
        ("- just text", "it is text, not a map"),
        ("a: 1", "not a list of operations"),
    ],
)
def test_an_operation_that_cannot_be_meant_is_refused_while_reading(text, said):
    with pytest.raises(Refused) as refused:
        read_ops(text, "ops.yml")
    assert said in str(refused.value)


def test_every_unreadable_operation_is_told():
    with pytest.raises(Refused) as refused:
        read_ops("- {type: swap, path: /a}\n- 1\n- {type: remove, path: /a}\n", "ops.yml")
    assert [problem.mark.line for problem in refused.value.problems] == [1, 2]


def test_an_empty_ops_file_does_nothing():
    assert read_ops("", "ops.yml") == ()
    assert read_ops("[]", "ops.yml") == ()


def test_a_dash_inside_a_path_is_a_key():
    assert find({"-": {"a": 1}}, "/-/a") == 1


def test_a_key_that_looks_like_a_number_is_an_index():
    with pytest.raises(Refused, match="not a list"):
        find({"0": 1}, "/0")
