"""Semi-semantic versions (bosh-director.md 1.3)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from director.manifest.version import compare_versions, highest, is_version, is_wish, resolve_version

ASCENDING = [
    "0",
    "0.9",
    "1.0-alpha",
    "1.0-rc.1",
    "1.0-rc.2",
    "1",
    "1+dev.1",
    "1+dev.2",
    "1.2",
    "1.10",
    "1.a",
    "2",
    "10",
]
VERSIONS = st.from_regex(r"[0-9a-c]{1,2}(\.[0-9a-c]{1,2}){0,2}(-[0-9a-b]{1,2})?(\+[0-9a-b]{1,2})?", fullmatch=True)


def test_versions_stand_in_this_order():
    for position, lower in enumerate(ASCENDING):
        for higher in ASCENDING[position + 1 :]:
            assert compare_versions(lower, higher) < 0, (lower, higher)
            assert compare_versions(higher, lower) > 0, (lower, higher)


@pytest.mark.parametrize(("one", "other"), [("1", "1.0.0"), ("1.3-dev", "1+dev.3"), ("01", "1")])
def test_versions_that_are_written_differently_may_be_equal(one, other):
    assert compare_versions(one, other) == 0


@settings(deadline=None)
@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(one, two, three):
    assert compare_versions(one, one) == 0
    assert compare_versions(one, two) == -compare_versions(two, one)
    if compare_versions(one, two) <= 0 and compare_versions(two, three) <= 0:
        assert compare_versions(one, three) <= 0


@pytest.mark.parametrize("text", ["", "1 2", "1..2", "-1", "1+", "1/2", ".1", "1" * 300, "1-a..b"])
def test_what_is_no_version(text):
    assert not is_version(text)
    with pytest.raises(ValueError, match="not a version"):
        compare_versions(text, "1")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("1.2", "1.2"),
        ("latest", "2.0-rc.1"),
        ("1.latest", "1.10"),
        ("1.1.latest", None),
        ("1.10.latest", "1.10"),
        ("2.latest", "2.0-rc.1"),
        ("3", None),
        ("1.9-dev", "1+dev.9"),
    ],
)
def test_a_wish_becomes_an_exact_version(wanted, found):
    assert resolve_version(wanted, ["1.2", "1.10", "0.9", "2.0-rc.1", "1+dev.9", "not a version"]) == found


def test_nothing_uploaded_means_no_version():
    assert resolve_version("latest", []) is None
    assert highest(["? ?"]) is None


def test_what_is_a_wish():
    assert is_wish("latest")
    assert is_wish("1.2.latest")
    assert not is_wish("1.latest.2")
    assert not is_wish(" .latest")
