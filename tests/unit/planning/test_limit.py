"""limit: canaries, zones and how much may be in flight (bosh-director.md 1.5, 4.1)."""

import pytest

from director.model.deployment import AzStrategy, Count, UpdateRules, Watch
from director.planning.limit import group_limit, waves
from tests.unit.planning.test_diff import WANTED, replace

WATCH = Watch(min_ms=0, max_ms=1000)


def rules(canaries=1, in_flight=2, **more):
    return UpdateRules(
        canaries=Count(number=canaries),
        max_in_flight=Count(number=in_flight),
        canary_watch=WATCH,
        update_watch=WATCH,
        **more,
    )


def instances(*places):
    return [
        replace(WANTED, id=f"id-{index}", index=index, az=az, is_bootstrap=index == 0)
        for index, az in enumerate(places)
    ]


def shown(found):
    return [("canary" if w.are_canaries else "rest", [f"{i.index}@{i.az}" for i in w.instances]) for w in found]


def test_canaries_come_out_of_the_first_zone_and_the_bootstraps_zone_is_first():
    changed = instances("z2", "z1", "z2", "z1")
    found = waves("web", changed, 4, rules(), canaries=None, is_first_deploy=False)
    assert shown(found) == [("canary", ["0@z2"]), ("rest", ["2@z2"]), ("rest", ["1@z1", "3@z1"])]


def test_without_canaries_the_first_zone_goes_at_once():
    found = waves("web", instances("z1", "z1"), 2, rules(0), canaries=None, is_first_deploy=False)
    assert shown(found) == [("rest", ["0@z1", "1@z1"])]


def test_parallel_zones_are_for_the_first_deploy_only():
    asked = rules(az_strategy=AzStrategy.PARALLEL)
    changed = instances("z1", "z2")
    assert len(waves("web", changed, 2, asked, canaries=Count(number=0), is_first_deploy=True)) == 1
    assert len(waves("web", changed, 2, asked, canaries=Count(number=0), is_first_deploy=False)) == 2


def test_who_is_away_comes_before_anybody_who_serves_and_canaries_are_of_them():
    changed = instances("z1", "z2", "z3", "z1")
    found = waves("db", changed, 4, rules(), canaries=None, is_first_deploy=False, away={"id-2", "id-1"})
    assert shown(found) == [("canary", ["1@z2"]), ("rest", ["2@z3"]), ("rest", ["0@z1", "3@z1"])]
    found = waves("db", changed[:1], 1, rules(), canaries=None, is_first_deploy=False, away={"id-0"})
    assert shown(found) == [("canary", ["0@z1"])]


def test_nothing_changed_means_no_wave():
    assert waves("web", [], 3, rules(), canaries=None, is_first_deploy=False) == ()


@pytest.mark.parametrize(
    ("count", "size", "most"),
    [(Count(number=0), 3, 1), (Count(percent=50), 5, 2), (Count(number=9), 3, 3), (Count(percent=10), 5, 1)],
)
def test_max_in_flight_is_of_the_group_rounded_down_and_never_below_one(count, size, most):
    limit = group_limit("web", rules(), size, count)
    assert (limit.max, limit.stops_on_failure) == (most, True)
