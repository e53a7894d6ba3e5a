"""Which rules apply to an instance group, and what follows from several (bosh-director.md 2.4)."""

import pytest

from director.model.resurrection import ResurrectionFilter, ResurrectionRule
from director.planning.resurrection import allows


def names(*, d=(), g=()):
    return ResurrectionFilter(deployments=d, instance_groups=g)


def off(*, include=None, exclude=None):
    return ResurrectionRule(is_enabled=False, include=include or names(), exclude=exclude or names())


EVERYTHING = {("shop", "web"), ("shop", "db"), ("blog", "web"), ("blog", "db")}


@pytest.mark.parametrize(
    ("rule", "turned_off"),
    [
        (off(), EVERYTHING),
        (off(include=names(d=("shop",))), {("shop", "web"), ("shop", "db")}),
        (off(include=names(g=("web",))), {("shop", "web"), ("blog", "web")}),
        (off(include=names(d=("shop",), g=("web",))), {("shop", "web")}),
        (off(include=names(d=("shop", "blog"), g=("db",))), {("shop", "db"), ("blog", "db")}),
        (off(exclude=names(d=("shop",))), {("blog", "web"), ("blog", "db")}),
        (off(exclude=names(g=("web",))), {("shop", "db"), ("blog", "db")}),
        (off(exclude=names(d=("shop",), g=("web",))), EVERYTHING - {("shop", "web")}),
        (off(include=names(d=("shop",)), exclude=names(g=("db",))), {("shop", "web")}),
        (off(include=names(d=("shop",)), exclude=names(d=("shop",))), set()),
        (off(include=names(d=("sho",))), set()),
        (off(include=names(d=("Shop",))), set()),
    ],
)
def test_a_rule_applies_to_what_it_includes_and_does_not_exclude(rule, turned_off):
    assert {one for one in EVERYTHING if not allows([rule], *one)} == turned_off


def test_without_a_rule_that_applies_it_is_on():
    assert allows([], "shop", "web")
    assert allows([off(include=names(d=("blog",)))], "shop", "web")


def test_one_rule_that_is_off_outweighs_all_that_are_on_whatever_their_order():
    rules = [ResurrectionRule(is_enabled=True), off(include=names(g=("db",))), ResurrectionRule(is_enabled=True)]
    for each in (rules, rules[::-1]):
        assert allows(each, "shop", "web")
        assert not allows(each, "shop", "db")
