"""Whoever asks all the time: what failed is counted with its reason, and the longest gap is known."""

import threading
import time

from tests.support.kubernetes_clients import Asking, longest_gap
from tests.support.kubernetes_cluster import Wrong
from tests.support.kubernetes_etcd import BEHIND, Member, are_in_sync


def member(name, *, index, is_learner=False):
    return Member(name=name, id=1, is_learner=is_learner, is_leader=False, index=index)


def test_requests_that_fail_are_counted_by_their_reason_and_those_between_good_answers_make_a_gap():
    away, first, last = threading.Event(), threading.Event(), threading.Event()

    def ask():
        if away.is_set():
            first.set()
            raise Wrong("away")
        last.set()

    with Asking(ask) as asking:
        assert last.wait(30)
        away.set()
        assert first.wait(30)
        time.sleep(0.3)
        last.clear()
        away.clear()
        assert last.wait(30)
    assert set(asking.failed) == {"away"}
    assert 0 < asking.failed["away"] < asking.asked
    assert asking.gap_s >= 0.1


def test_a_gap_that_is_open_at_the_end_counts():
    def ask():
        raise Wrong("away")

    with Asking(ask) as asking:
        time.sleep(0.05)
    assert asking.gap_s >= 0.05
    assert asking.failed["away"] == asking.asked


def test_the_longest_gap_is_told_wherever_it_lies():
    assert longest_gap([5.0, 5.5, 8.0, 8.25]) == 2.5
    assert longest_gap([5.0, 5.25]) == 0.25


def test_members_are_in_sync_when_all_answer_and_vote_and_none_is_far_behind():
    assert are_in_sync((member("a", index=500), member("b", index=500 + BEHIND)))
    assert not are_in_sync((member("a", index=500), member("b", index=501 + BEHIND)))
    assert not are_in_sync((member("a", index=500), member("b", index=None)))
    assert not are_in_sync((member("a", index=500), member("b", index=500, is_learner=True)))
