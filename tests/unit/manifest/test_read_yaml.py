"""YAML as BOSH's users know it, with places and limits (performance-reliability.md 3.2)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from director.manifest.read import read, read_any
from director.manifest.write import write
from director.model.problem import Refused, Severity

TEXT = """\
name: demo
instance_groups:
- name: web
  networks:
  - name: private
    default: [dns,
      gateway]
  properties: {a: 1}
"""


def value(text):
    return read(f"v: {text}", "m.yml").root["v"]


def problems(text):
    with pytest.raises(Refused) as refused:
        read(text, "m.yml")
    return refused.value.problems


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("name",), (1, 7)),
        (("instance_groups",), (2, 1)),
        (("instance_groups", 0), (3, 3)),
        (("instance_groups", 0, "networks"), (4, 3)),
        (("instance_groups", 0, "networks", 0, "name"), (5, 11)),
        (("instance_groups", 0, "networks", 0, "default", 1), (7, 7)),
        (("instance_groups", 0, "missing", "deeper"), (3, 3)),
        ((), (1, 1)),
    ],
)
def test_every_node_has_its_place(path, place):
    mark = read(TEXT, "m.yml").mark(path)
    assert (mark.file, mark.line, mark.column) == ("m.yml", *place)


def test_keys_have_places_too():
    mark = read("a:\n  b: |\n    text\n", "m.yml").key_mark(("a", "b"))
    assert (mark.line, mark.column) == (2, 3)


def test_a_path_is_said_with_names():
    doc = read(TEXT, "m.yml")
    assert (
        doc.words(("instance_groups", 0, "networks", 0, "default", 1))
        == "instance_groups/web/networks/private/default/1"
    )
    assert doc.words(()) == "m.yml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True), ("False", False), ("~", None), ("", None), ("null", None),
        ("12", 12), ("-7", -7), ("0x1F", 31), ("017", 15), ("0o17", 15), ("0b11", 3), ("1_000", 1000), ("08", "08"),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("-1.", -1.0), ("1.2.3", "1.2.3"), (".", "."), ("-x", "-x"),
        ("22:22", "22:22"), ("2001-12-14", "2001-12-14"), ("=", "="), ("((secret))", "((secret))"), ("'yes'", "yes"),
        ('"12"', "12"), ("!!str 12", "12"), ("!!int '12'", 12), ("!!float 3", 3), ("! 12", "12"), ("!!bool yes", True),
        ("18446744073709551615", 2**64 - 1), ("-9223372036854775808", -(2**63)), ("[1, {a: b}]", [1, {"a": "b"}]),
        ("|\n  two\n  lines\n", "two\nlines\n"), (">-\n  one\n  line", "one line"),
    ],
)  # fmt: skip
def test_scalars_mean_what_bosh_takes_them_for(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("word", ["y", "Y", "n", "N", "yes", "No", "ON", "off"])
def test_a_word_that_becomes_a_boolean_is_warned_of(word):
    doc = read(f"a: 1\nv: {word}\n", "m.yml")
    assert doc.root["v"] is (word.lower() in {"y", "yes", "on"})
    (warning,) = doc.warnings
    assert (warning.code, warning.severity, warning.mark.line) == ("yaml.looks-boolean", Severity.WARNING, 2)
    assert "quote it" in warning.fix


@pytest.mark.parametrize("word", ["true", "FALSE", "'yes'", "!!bool yes", "yes sir", "none"])
def test_other_words_are_not(word):
    assert read(f"v: {word}", "m.yml").warnings == ()


def test_anchors_and_merge_keys_work_and_what_is_written_wins():
    doc = read("a: &a {x: 1, z: 1}\nb: &b {z: 2, w: 2}\nc: {<<: [*a, *b], x: 9}\nd: {<<: *b}\n", "m.yml")
    assert doc.root["c"] == {"x": 9, "z": 1, "w": 2}
    assert doc.root["d"] == {"z": 2, "w": 2}
    assert doc.mark(("c", "w")).line == 2


def test_a_quoted_merge_key_is_a_key():
    assert read("a: {'<<': 1}", "m.yml").root == {"a": {"<<": 1}}


def test_a_redefined_anchor_counts_from_there():
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n", "m.yml").root == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_several_mistakes_are_told_at_once():
    found = problems("a: 1\na: 2\nn: 3\nb: !x 1\nc: .inf\nd: {e: 1, e: 2}\n")
    assert [(problem.code, problem.mark.line) for problem in found] == [
        ("yaml.duplicate-key", 2),
        ("yaml.key-not-text", 3),
        ("yaml.unknown-tag", 4),
        ("yaml.bad-number", 5),
        ("yaml.duplicate-key", 6),
    ]
    assert 'quote it: "n":' in found[1].fix


def test_a_syntax_error_tells_the_parsers_words_and_what_was_found_before():
    found = problems("a: 1\na: 2\nb: [1\nc: 3\n")
    assert [problem.code for problem in found] == ["yaml.duplicate-key", "yaml.syntax"]
    assert "expected ',' or ']'" in found[1].detail


def test_an_empty_text_is_told():
    assert problems("")[0].code == "yaml.empty"
    assert problems("# nothing\n")[0].code == "yaml.empty"
    assert problems("--- \n")[0].code == "yaml.empty"


def test_a_document_of_any_kind_can_be_read_where_asked_for():
    assert read_any("- 1", "ops.yml").node == [1]
    assert read_any("", "ops.yml").node is None


def test_a_document_does_not_show_its_secrets():
    assert "SECRET" not in repr(read("a: SECRET", "m.yml"))


@settings(deadline=None)
@given(
    st.text(alphabet=st.characters(), max_size=60) | st.text(alphabet=" \n:-[]{}&*!|>'\"#%@`,?<=~.0yna", max_size=60)
)
def test_reading_never_raises_anything_but_refused(text):
    found = told_or_read(text)
    if isinstance(found, Refused):
        assert all(problem.mark and problem.mark.line >= 1 and problem.fix for problem in found.problems)
        assert found.problems
    else:
        assert isinstance(found.root, dict)


def told_or_read(text):
    try:
        return read(text, "m.yml")
    except Refused as refused:
        return refused


WORDS = st.text("abcyn", min_size=1) | st.sampled_from(["on", "1", "~", "0o7", "1e3", "<<", "="])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8) | WORDS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(WORDS, below, max_size=3),
    max_leaves=10,
)  # fmt: skip


@settings(deadline=None)
@given(st.dictionaries(WORDS, PLAIN, max_size=3))
def test_what_was_written_is_read_back(tree):
    assert read(write(tree), "m.yml").root == tree


@pytest.mark.parametrize(
    "word", ["y", "n", "on", "1e3", "0o7", "017", "22:22", "2001-12-14", "~", "", "1_0", ".5", "<<"]
)
def test_text_that_looks_like_something_else_is_written_in_quotes(word):
    assert read(write({"v": word, word: "v"}), "m.yml").root == {"v": word, word: "v"}


def test_shared_parts_are_written_out():
    assert write(read("a: &a [1]\nb: *a\n", "m.yml").node) == "a:\n- 1\nb:\n- 1\n"
