"""A group with disks: what is lost is repaired up to its budget, what serves goes only while enough others do."""

import pytest

from director.model.health import Condition, Finding, Remedy, Repairing, Verdict
from director.planning.quorum import Quorum, Quorums

C = Condition
KEY = ("d", "db")


def finding(number, condition=C.RUNNING, group="db"):
    label = f"{group}/{number}"
    return Finding(
        deployment="d", instance=f"d-{label}", label=label, group=group, az=None, vm=None,
        condition=condition, since=0.0,
    )  # fmt: skip


def group(*conditions):
    return [finding(number, condition) for number, condition in enumerate(conditions)]


def hold(findings, remedy=Remedy.RECREATE, *, budget=1, repairing=(), stopped=()):
    """Of the first one's repair, as a reason; empty when it may begin."""
    verdicts = [Verdict(finding=one, remedy=remedy) for one in findings]
    under_way = [Repairing(finding=findings[n], remedy=remedy, task=1, since=0.0) for n in repairing]
    started = {one.instance for n, one in enumerate(findings) if n not in stopped}
    quorums = Quorums({KEY: Quorum(size=len(findings), budget=budget)}, verdicts, under_way, started)
    found = quorums.hold(verdicts[0])
    return found.reason if found else ""


@pytest.mark.parametrize("condition", [c for c in Condition if c is not C.RUNNING])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_one_that_is_unwell_alone_is_repaired_whatever_it_has(condition, size):
    assert hold(group(condition, *[C.RUNNING] * (size - 1))) == ""


@pytest.mark.parametrize("gone", [C.OFF, C.MISSING, C.NO_VM, C.SETTLING, C.STOPPED, C.UNRESPONSIVE, C.UNKNOWN])
def test_one_that_serves_is_not_taken_away_while_another_is_gone(gone):
    reason = hold(group(C.EMPTY, gone, C.RUNNING))
    assert reason.startswith(f"db/1 is {gone.value}; of the 3 instances of db")
    assert "no more than 1 may be away" in reason


@pytest.mark.parametrize("condition", [C.EMPTY, C.FAILING, C.STARTING])
def test_one_that_serves_is_not_taken_away_while_another_is_repaired(condition):
    assert hold(group(condition, C.FAILING, C.RUNNING), repairing=[1]).startswith("db/1 is being repaired;")


def test_what_is_lost_is_repaired_though_others_are_lost_up_to_the_budget():
    lost = group(C.OFF, C.MISSING, C.OFF, C.RUNNING, C.RUNNING)
    assert hold(lost) == ""
    assert "db/1 is being repaired" in hold(lost, repairing=[1])
    assert hold(lost, repairing=[1], budget=2) == ""
    assert "db/1 is being repaired, db/2 is being repaired" in hold(lost, repairing=[1, 2], budget=2)


def test_no_budget_lets_a_majority_be_taken_away():
    assert hold(group(C.EMPTY, C.EMPTY, *[C.RUNNING] * 3), repairing=[1], budget=5) == ""
    assert "no more than 2 may" in hold(group(C.EMPTY, *[C.EMPTY] * 2, *[C.RUNNING] * 2), repairing=[1, 2], budget=5)
    assert "no more than 1 may" in hold(group(C.EMPTY, C.OFF, C.RUNNING), budget=3)


def test_vms_that_are_on_may_serve_though_nobody_hears_of_them():
    silent = group(*[C.UNRESPONSIVE] * 3)
    assert hold(silent, budget=3) == "", "others that are silent do not stand in its way"
    assert "db/1 is being repaired" in hold(silent, budget=3, repairing=[1])
    assert hold(group(*[C.OFF] * 3), budget=3, repairing=[1, 2]) == "", "nothing of these can be taken away"


def test_restarting_jobs_takes_nothing_from_a_group():
    assert hold(group(C.FAILING, C.OFF, C.RUNNING), Remedy.RESTART) == ""
    assert hold(group(C.FAILING, C.FAILING, C.RUNNING), Remedy.RESTART, repairing=[1]) != "", "but has its turn, too"


def test_a_restart_waits_where_one_that_serves_is_taken_away_and_others_are_gone():
    every = group(C.FAILING, C.EMPTY, C.OFF, C.RUNNING, C.RUNNING)
    verdicts = [Verdict(finding=one, remedy=Remedy.RESTART) for one in every]
    quorums = Quorums({KEY: Quorum(size=5, budget=2)}, verdicts, (), {one.instance for one in every})
    assert quorums.hold(verdicts[0]) is None
    quorums.take(every[1], Remedy.REBOOT)
    assert "db/1 is being repaired, db/2 is off" in quorums.hold(verdicts[0]).reason


def test_two_that_fail_do_not_wait_for_each_other():
    assert hold(group(C.FAILING, C.FAILING, C.RUNNING)) == ""


def test_whom_a_person_stopped_serves_nothing_but_is_in_nobodys_budget():
    assert "db/1 is stopped" in hold(group(C.EMPTY, C.STOPPED, C.RUNNING), stopped=[1])
    assert hold(group(C.EMPTY, C.STOPPED, *[C.RUNNING] * 3), stopped=[1]) == ""
    assert hold(group(C.EMPTY, C.STOPPED), stopped=[1]) == "", "two have no majority to lose"


def test_groups_without_disks_have_no_budget():
    verdict = Verdict(finding=finding(0, C.EMPTY, group="web"), remedy=Remedy.REBOOT)
    assert Quorums({KEY: Quorum(size=3, budget=1)}, [verdict], (), ()).hold(verdict) is None
