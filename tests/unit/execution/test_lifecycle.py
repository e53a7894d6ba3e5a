"""The task state table."""

import pytest

from director.execution.lifecycle import TRANSITIONS, IllegalTransition, TaskEvent, advance
from director.model.record import TaskState


def test_no_final_state_is_left_again():
    assert not [state for state, _ in TRANSITIONS if state.is_final]


def test_every_state_that_is_not_final_can_end():
    for state in TaskState:
        if not state.is_final:
            assert any(target.is_final for (source, _), target in TRANSITIONS.items() if source is state)


def test_a_done_task_cannot_be_cancelled():
    with pytest.raises(IllegalTransition, match="done cannot ask to cancel"):
        advance(TaskState.DONE, TaskEvent.ASK_TO_CANCEL)
