"""Counts, watch times and names (bosh-director.md 1.2, 1.5, 1.11)."""

import pytest

from director.manifest.values import canonical, is_dns_name, is_name, is_variable_name, parse_count, parse_watch
from director.model.deployment import Count, Watch
from director.model.problem import Refused


@pytest.mark.parametrize(
    ("written", "count"),
    [(0, Count(number=0)), ("+3", Count(number=3)), ("50%", Count(percent=50)), ("100%", Count(percent=100))],
)
def test_a_count_is_a_number_or_a_percentage(written, count):
    assert parse_count(written) == count


@pytest.mark.parametrize("written", [-1, "-1", "150%", "x", "", "1.5", "%", "1 %", True, "9" * 20])
def test_an_impossible_count_is_refused(written):
    with pytest.raises(Refused, match="--canaries"):
        parse_count(written, what="--canaries")


def test_a_count_may_have_a_least():
    assert parse_count(1, at_least=1) == Count(number=1)
    for written in (0, "0%"):
        with pytest.raises(Refused, match="below 1"):
            parse_count(written, at_least=1)


@pytest.mark.parametrize(
    ("written", "watch"), [(5, (5, 5)), ("5", (5, 5)), ("1-9", (1, 9)), ("1 - 9", (1, 9)), ("7-7", (7, 7))]
)
def test_a_watch_time_is_a_number_or_a_range(written, watch):
    assert parse_watch(written) == Watch(min_ms=watch[0], max_ms=watch[1])


@pytest.mark.parametrize("written", ["9-1", "30s", "", -1, "1-", True, "1-2-3"])
def test_an_impossible_watch_time_is_refused(written):
    with pytest.raises(Refused):
        parse_watch(written)


def test_a_name_in_dns_is_lower_case_with_dashes():
    assert canonical("My_App.1") == "my-app1"
    assert is_dns_name("My_App")
    assert not is_dns_name("app_")
    assert not is_dns_name("++")


def test_names_have_no_spaces_or_slashes():
    assert is_name("my-app_1+x.y")
    assert not is_name("we b/1")
    assert not is_name("")


@pytest.mark.parametrize("name", ["a", "/dir/dep/a", "a/b.c.d", "a-b_c", "!x", "übung"])
def test_names_of_variables(name):
    assert is_variable_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a/", "a//b", "a.b/c", ".a", "a.", "a..b", "/"])
def test_names_no_variable_can_have(name):
    assert not is_variable_name(name)
