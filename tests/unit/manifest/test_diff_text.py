"""The lines shown before a deploy (bosh-director.md 3.10)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from director.manifest.diff_text import diff_lines

OLD = {
    "name": "demo",
    "instance_groups": [
        {"name": "web", "instances": 2, "jobs": [{"name": "app", "properties": {"port": 80, "pw": "OLDSECRET"}}]},
        {"name": "gone", "instances": 1},
    ],
    "releases": [{"name": "r", "version": "1", "url": "https://me:PASS@host/r.tgz"}],
}
NEW = {
    "name": "demo",
    "instance_groups": [
        {"name": "web", "instances": 3, "jobs": [{"name": "app", "properties": {"port": 80, "pw": "NEWSECRET"}}]},
        {"name": "new", "env": {"bosh": {"password": "CRYPT"}}},
    ],
    "releases": [{"name": "r", "version": "2", "url": "https://me:PASS@host/r.tgz"}],
}


def shown(old, new, *, redact=True):
    sign = {None: " ", "added": "+", "removed": "-"}
    return [f"{sign[what]} {text}".rstrip() for text, what in diff_lines(old, new, redact)]


def test_a_change_stands_below_what_it_belongs_to():
    assert shown(OLD, NEW) == [
        "  releases:",
        "  - name: r",
        "-   version: '1'",
        "+   version: '2'",
        "",
        "  instance_groups:",
        "- - name: gone",
        "-   instances: 1",
        "  - name: web",
        "-   instances: 2",
        "+   instances: 3",
        "    jobs:",
        "    - name: app",
        "      properties:",
        "-       pw: <redacted>",
        "+       pw: <redacted>",
        "+ - name: new",
        "+   env:",
        "+     bosh:",
        "+       password: <redacted>",
    ]


def test_secrets_are_hidden_and_shown_only_when_asked_for():
    hidden = "\n".join(shown(OLD, NEW) + shown(None, OLD))
    assert not [word for word in ("OLDSECRET", "NEWSECRET", "CRYPT", "PASS") if word in hidden]
    assert "https://<redacted>@host" in hidden
    assert "NEWSECRET" in "\n".join(shown(OLD, NEW, redact=False))


def test_everything_is_added_when_there_was_nothing():
    lines = diff_lines(None, {"name": "demo", "tags": {"a": "b"}}, redact=True)
    assert lines == (("name: demo", "added"), ("", None), ("tags:", "added"), ("  a: b", "added"))


def test_nothing_changed_means_no_lines():
    assert diff_lines(OLD, OLD, redact=True) == ()
    assert diff_lines({"a": 1, "b": 2}, {"b": 2, "a": 1}, redact=True) == ()


def test_another_order_of_named_items_is_not_worth_a_line():
    groups = OLD["instance_groups"]
    assert diff_lines({"instance_groups": groups}, {"instance_groups": groups[::-1]}, redact=True) == ()


def test_a_changed_type_is_a_change():
    assert shown({"a": 1}, {"a": True}) == ["- a: 1", "+ a: true"]
    assert shown({"a": {"b": 1}}, {"a": []}) == ["- a:", "-   b: 1", "+ a: []"]


def test_lists_without_names_are_compared_by_content():
    assert shown({"a": ["p", "q"]}, {"a": ["q", "r"]}) == ["  a:", "- - p", "+ - r"]
    assert shown({"a": ["p", "q"]}, {"a": ["q", "p"]}) == ["  a:", "- - p", "- - q", "+ - q", "+ - p"]


def test_items_of_one_name_are_all_compared():
    old = {"a": [{"name": "x", "v": 1}, {"name": "x", "v": 2}]}
    new = {"a": [{"name": "x", "v": 9}, {"name": "x", "v": 2}]}
    assert shown(old, new) == ["  a:", "- - name: x", "-   v: 1", "+ - name: x", "+   v: 9"]


def test_subnets_are_known_by_their_range():
    old = {"networks": [{"name": "n", "subnets": [{"range": "10.0.0.0/24", "gateway": "10.0.0.1"}]}]}
    new = {"networks": [{"name": "n", "subnets": [{"range": "10.0.0.0/24", "gateway": "10.0.0.2"}]}]}
    assert shown(old, new)[3:] == ["    - range: 10.0.0.0/24", "-     gateway: 10.0.0.1", "+     gateway: 10.0.0.2"]


NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["name", "a", "b"]), below, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(st.sampled_from(["name", "a", "properties"]), NODES, max_size=3)


@settings(deadline=None)
@given(TREES, TREES)
def test_any_two_trees_can_be_compared(old, new):
    lines = diff_lines(old, new, redact=True)
    assert all("\n" not in text for text, _ in lines)
    assert not diff_lines(new, new, redact=True)
