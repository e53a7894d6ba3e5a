"""The states of a task, as a table (bosh-director.md section 4.4)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from director.model.record import TaskState


class TaskEvent(Enum):
    BEGIN = "begin"
    SUCCEED = "succeed"
    FAIL = "fail"
    ASK_TO_CANCEL = "ask to cancel"
    RESUME = "be taken up again"
    STOP = "stop at a step boundary"


class IllegalTransition(AssertionError):
    """The director tried what the table does not have."""


TRANSITIONS: Final[Mapping[tuple[TaskState, TaskEvent], TaskState]] = {
    (TaskState.QUEUED, TaskEvent.BEGIN): TaskState.PROCESSING,
    (TaskState.QUEUED, TaskEvent.ASK_TO_CANCEL): TaskState.CANCELLED,
    (TaskState.QUEUED, TaskEvent.FAIL): TaskState.ERROR,
    (TaskState.PROCESSING, TaskEvent.SUCCEED): TaskState.DONE,
    (TaskState.PROCESSING, TaskEvent.FAIL): TaskState.ERROR,
    # Its director stopped; the next one goes on with it.
    (TaskState.PROCESSING, TaskEvent.RESUME): TaskState.QUEUED,
    (TaskState.PROCESSING, TaskEvent.ASK_TO_CANCEL): TaskState.CANCELLING,
    (TaskState.CANCELLING, TaskEvent.ASK_TO_CANCEL): TaskState.CANCELLING,
    (TaskState.CANCELLING, TaskEvent.STOP): TaskState.CANCELLED,
    # Its last step ended before the wish to cancel could stop anything.
    (TaskState.CANCELLING, TaskEvent.SUCCEED): TaskState.DONE,
    (TaskState.CANCELLING, TaskEvent.FAIL): TaskState.ERROR,
}


def advance(state: TaskState, event: TaskEvent) -> TaskState:
    """The next state. Raises IllegalTransition."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a task that is {state.value} cannot {event.value}") from None
