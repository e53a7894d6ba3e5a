"""What counts as lost lately, and what was no loss in the end."""

import pytest

from director.model.health import Condition, Finding
from director.reconcile.losses import Losses

C = Condition
WINDOW_S = 600.0


def found(condition, vm="vm-1"):
    finding = Finding(
        deployment="d", instance="i", label="web/0", group="web", az="z1", vm=vm, condition=condition, since=0.0
    )  # fmt: skip
    return {"i": finding}


def counted(*looks, treated_after=None):
    """How many losses there are after looks of (time, condition, isolated)."""
    losses = Losses(WINDOW_S)
    for number, (at, condition, is_isolated) in enumerate(looks):
        losses.note(found(condition), at, is_isolated=is_isolated)
        if number == treated_after:
            losses.treat(["i"])
    return len(losses.recent)


def test_a_loss_is_counted_once_however_often_it_is_seen():
    assert counted((0.0, C.OFF, False), (1.0, C.OFF, False), (2.0, C.MISSING, False)) == 1


def test_another_vm_that_is_lost_is_another_loss():
    losses = Losses(WINDOW_S)
    assert losses.note(found(C.OFF), 0.0, is_isolated=False)
    assert losses.note(found(C.OFF, "vm-2"), 1.0, is_isolated=False)
    assert len(losses.recent) == 2


def test_who_is_well_again_unasked_was_no_loss_and_who_was_repaired_was():
    looks = ((0.0, C.UNRESPONSIVE, False), (1.0, C.RUNNING, False))
    assert counted(*looks) == 0
    assert counted(*looks, treated_after=0) == 1


def test_losses_grow_old():
    assert counted((0.0, C.OFF, False), (WINDOW_S, C.OFF, False)) == 1
    assert counted((0.0, C.OFF, False), (WINDOW_S + 1, C.OFF, False)) == 0


@pytest.mark.parametrize("condition", [C.UNRESPONSIVE, C.UNKNOWN])
def test_silence_counts_only_while_the_director_trusts_its_ears(condition):
    assert counted((0.0, condition, True)) == 0
    assert counted((0.0, condition, True), (1.0, condition, False)) == 1
    assert counted((0.0, condition, False), (1.0, condition, True)) == 1


@pytest.mark.parametrize("condition", [C.OFF, C.MISSING])
def test_what_is_proven_counts_also_while_it_does_not_and_after_it_was_silent(condition):
    assert counted((0.0, condition, True)) == 1
    assert counted((0.0, C.UNRESPONSIVE, True), (1.0, condition, True)) == 1
