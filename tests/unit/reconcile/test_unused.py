"""Which orphaned disks have been kept for long enough."""

import pytest

from director.model.record import DiskState
from director.reconcile.unused import ORPHANS_KEPT_S, expired
from tests.unit.api.samples import disk, instance

NOW = 1_000_000.0


def orphan(name, state=DiskState.ORPHANED, at=NOW):
    return disk(instance(0), name, state, orphaned_at=at)


YOUNG = orphan("d-young", at=NOW - ORPHANS_KEPT_S + 1)
OLD = orphan("c-old", at=NOW - ORPHANS_KEPT_S)
GOING = orphan("b-going", DiskState.DELETING)
AGELESS = orphan("a-ageless", at=None)
EVERY = (YOUNG, OLD, GOING, AGELESS)


@pytest.mark.parametrize("kept_s,gone", [(ORPHANS_KEPT_S, (GOING, OLD)), (0.0, (AGELESS, GOING, OLD, YOUNG))])
def test_what_was_orphaned_long_ago_goes_and_what_is_going_already_and_with_no_time_to_wait_all(kept_s, gone):
    assert expired(EVERY, NOW, kept_s) == gone


def test_a_clock_set_back_makes_nothing_older():
    assert expired([orphan("a", at=NOW + 10 * ORPHANS_KEPT_S)], NOW, ORPHANS_KEPT_S) == ()
