"""Much that is lost at once comes back as fast as so many repairs at a time allow, and never more of them."""

import pytest

from bench.heal_mass import SLOTS, even, heal, uneven


def test_nobody_waits_for_the_slowest_of_a_batch():
    one = heal(uneven, deployments=(120,), lost=80)
    assert (one.tasks, one.most) == (1, SLOTS)
    assert one.seconds <= 1.05 * one.list_s


def test_the_same_for_all_takes_whole_waves():
    one = heal(even, deployments=(120,), lost=80)
    assert one.seconds <= 1.05 * one.bound_s


@pytest.mark.parametrize("sizes", [(100, 20), (40, 40, 40)])
def test_deployments_are_repaired_side_by_side_and_share_what_is_allowed(sizes):
    one = heal(uneven, deployments=sizes, lost=80)
    assert (one.tasks, one.most) == (len(sizes), SLOTS)
    assert one.seconds <= 1.35 * one.list_s
