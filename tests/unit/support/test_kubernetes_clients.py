"""Whoever asks all the time: what failed is counted with its reason, and the longest gap is known."""

import threading
import time

from tests.support.kubernetes_clients import Asking
from tests.support.kubernetes_cluster import Wrong
from tests.support.kubernetes_etcd import BEHIND, Member, are_in_sync


def member(name, *, index, is_learner=False):
    return Member(name=name, id=1, is_learner=is_learner, is_leader=False, index=index)


def test_failed_requests_are_counted_and_the_gap_is_as_long_as_they_failed():
    away = threading.Event()

    def ask():
        if away.is_set():
            raise Wrong("away")

    with Asking(ask) as asking:
        time.sleep(0.05)
        began = time.monotonic()
        away.set()
        time.sleep(0.1)
        away.clear()
        ended = time.monotonic()
        time.sleep(0.05)
    assert set(asking.failed) == {"away"}
    assert 0 < asking.failed["away"] < asking.asked
    assert asking.gap[0] < ended
    assert asking.gap[1] > began
    assert asking.gap_s > 0.05


def test_a_gap_that_is_open_at_the_end_counts():
    def ask():
        raise Wrong("away")

    with Asking(ask) as asking:
        time.sleep(0.05)
    assert asking.gap_s >= 0.05
    assert asking.failed["away"] == asking.asked


def test_members_are_in_sync_when_all_answer_and_vote_and_none_is_far_behind():
    assert are_in_sync((member("a", index=500), member("b", index=500 + BEHIND)))
    assert not are_in_sync((member("a", index=500), member("b", index=501 + BEHIND)))
    assert not are_in_sync((member("a", index=500), member("b", index=None)))
    assert not are_in_sync((member("a", index=500), member("b", index=500, is_learner=True)))
