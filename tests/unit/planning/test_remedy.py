"""What is done about a finding: a complete table, ladders, and everything that stands in the way."""

from dataclasses import replace

import pytest

from director.model.health import Attempt, Condition, Finding, Remedy
from director.model.wanted import Want
from director.planning.remedy import HOPELESS, LADDERS, LOOP_S, PATIENCE_S, Guards, decide, ladder_of

NOW, WALL = 1000.0, 50_000.0
FREE = Guards(want=Want.STARTED)


def finding(condition, age_s=10_000.0):
    return Finding(
        deployment="d",
        instance="i",
        label="web/0",
        group="web",
        az="z1",
        vm="v",
        condition=condition,
        since=NOW - age_s,
    )


def verdict(condition, guards=FREE, attempts=(), age_s=10_000.0):
    return decide(finding(condition, age_s), guards, attempts, now=NOW, wall=WALL)


def tried(*ages_s, error=""):
    return tuple(
        Attempt(at=WALL - age - 1, remedy=Remedy.RECREATE, task=1, ended_at=WALL - age, error=error) for age in ages_s
    )


def test_every_condition_has_its_ladder_for_every_wish():
    assert set(LADDERS) == set(Condition)
    for condition in Condition:
        for want in Want:
            found = decide(finding(condition), Guards(want=want), (), now=NOW, wall=WALL)
            assert found.remedy.is_action is bool(
                want is Want.STARTED and (ladder_of(condition, want) or condition is Condition.UNKNOWN)
            )


@pytest.mark.parametrize("want", [Want.STOPPED, Want.DETACHED])
@pytest.mark.parametrize("condition", Condition)
def test_what_need_not_run_is_left_alone(condition, want):
    assert not verdict(condition, Guards(want=want)).remedy.is_action


@pytest.mark.parametrize("ladder", [c for c in Condition if len(LADDERS[c]) > 1])
def test_a_ladder_takes_away_more_with_every_rung(ladder):
    order = list(Remedy)
    rungs = [order.index(remedy) for remedy in LADDERS[ladder]]
    assert rungs == sorted(rungs)


@pytest.mark.parametrize("condition", [c for c in Condition if LADDERS[c]])
def test_each_repair_that_did_not_help_is_a_rung(condition):
    for number, remedy in enumerate(LADDERS[condition]):
        found = verdict(condition, attempts=tried(*[5000.0] * number))
        assert (found.remedy, found.is_due) == (remedy, True)


@pytest.mark.parametrize("condition", sorted(HOPELESS, key=lambda condition: condition.value))
def test_after_the_last_rung_a_person_is_needed_where_the_fault_is_in_the_jobs(condition):
    given_up = verdict(condition, attempts=tried(*[5000.0] * len(LADDERS[condition]), error="no place"))
    assert given_up.hold.code == "hold.given-up"
    assert "no place" in given_up.hold.reason


@pytest.mark.parametrize("condition", [c for c in Condition if LADDERS[c] and c not in HOPELESS])
def test_what_is_lost_is_never_given_up_only_tried_more_seldom(condition):
    many = len(LADDERS[condition]) + 3
    found = verdict(condition, attempts=tried(*[301.0] * many, error="no place"))
    assert (found.remedy, found.is_due) == (LADDERS[condition][-1], True)
    assert verdict(condition, attempts=tried(*[299.0] * many)).not_before == NOW + 1


@pytest.mark.parametrize(
    ("guards", "code"),
    [
        (replace(FREE, is_ignored=True), "hold.ignored"),
        (replace(FREE, is_paused=True), "hold.paused"),
        (replace(FREE, is_allowed=False), "hold.rule"),
        (replace(FREE, was_applied=False), "hold.never-deployed"),
        (replace(FREE, task=7), "hold.task"),
    ],
)
@pytest.mark.parametrize("condition", [c for c in Condition if LADDERS[c]])
def test_what_somebody_wishes_or_does_holds_it_and_says_so(condition, guards, code):
    found = verdict(condition, guards)
    assert found.hold.code == code
    assert found.remedy.is_action
    assert not found.is_due


def test_where_nothing_is_proven_only_a_persons_word_lets_another_vm_begin():
    held = verdict(Condition.UNKNOWN)
    assert held.hold.code == "hold.unproven"
    assert "director -d d fence web/0" in held.hold.reason
    fenced = verdict(Condition.UNKNOWN, replace(FREE, is_fenced=True))
    assert (fenced.remedy, fenced.is_due) == (Remedy.RECREATE, True)


@pytest.mark.parametrize("condition", PATIENCE_S)
def test_it_is_given_time_to_become_well_by_itself(condition):
    patience_s = PATIENCE_S[condition]
    early = verdict(condition, age_s=patience_s - 1)
    assert (early.hold.code, early.not_before) == ("hold.early", NOW + 1)
    assert verdict(condition, age_s=patience_s).is_due
    assert verdict(condition, replace(FREE, patience_s=0.0), age_s=0.0).is_due


def test_after_a_repair_the_next_one_waits_longer_each_time():
    assert verdict(Condition.MISSING, attempts=tried(9.0)).not_before == NOW + 1
    assert verdict(Condition.MISSING, attempts=tried(10.0)).is_due
    assert verdict(Condition.MISSING, attempts=tried(80.0, 59.0)).not_before == NOW + 1
    assert verdict(Condition.MISSING, attempts=tried(80.0, 60.0)).is_due


def test_a_wall_clock_that_was_put_back_holds_nothing_up():
    ahead = (Attempt(at=WALL + 3600, remedy=Remedy.RECREATE, task=1, ended_at=WALL + 3600),)
    assert verdict(Condition.MISSING, attempts=ahead).is_due


def helped(*ages_s):
    return tuple(replace(one, has_helped=True) for one in tried(*ages_s))


@pytest.mark.parametrize("condition", sorted(HOPELESS, key=lambda condition: condition.value))
@pytest.mark.parametrize("times", [1, 3, 8])
def test_a_repair_after_which_it_ran_for_a_while_is_no_rung(condition, times):
    found = verdict(condition, attempts=helped(*[5000.0] * times))
    assert (found.remedy, found.is_due) == (LADDERS[condition][0], True)


def test_what_helped_once_and_then_no_more_climbs_from_there_and_is_given_up():
    ladder = LADDERS[Condition.FAILING]
    for vain in range(len(ladder)):
        attempts = (*tried(5000.0), *helped(5000.0), *tried(*[5000.0] * vain))
        assert verdict(Condition.FAILING, attempts=attempts).remedy is ladder[vain]
    attempts = (*helped(5000.0), *tried(*[5000.0] * len(ladder)))
    assert verdict(Condition.FAILING, attempts=attempts).hold.code == "hold.given-up"


@pytest.mark.parametrize("times", range(1, len(LOOP_S)))
def test_a_crash_loop_is_helped_ever_more_seldom(times):
    pause_s = LOOP_S[times]
    found = verdict(Condition.FAILING, attempts=helped(*[pause_s - 1] * times))
    assert (found.not_before, found.hold.code) == (NOW + 1, "hold.early" if times < 3 else "hold.crash-loop")
    assert verdict(Condition.FAILING, attempts=helped(*[pause_s] * times)).is_due


def test_the_pauses_of_a_crash_loop_double_up_to_an_hour():
    assert LOOP_S[3:] == (300.0, 600.0, 1200.0, 2400.0, 3600.0)
