"""Decides what becomes of the tasks that were running when the last director stopped: gone on with, or ended in words.

A task is gone on with when doing so can do nothing twice. Whether its plan still holds is ``resume``'s to see, once
its turn has come.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from director.execution.lifecycle import TaskEvent, advance
from director.execution.progress import count_of, forgetting
from director.execution.report import Stages
from director.execution.world import World
from director.model.record import Event, Task, TaskState
from director.ports.store import AddEvent, DropSetting, PutSetting, PutTask, TaskQuery
from director.reconcile.requests import (
    ApplyNetworks,
    DeleteDeployment,
    Deploy,
    ExportRelease,
    FetchLogs,
    ListInstances,
    Repair,
    Request,
    RunErrand,
    from_tree,
)

TIMES_MAX: Final = 3
"""How often a task is taken up again without having come any further: it may be what stops the director."""
GOES_ON: Final = "The director stopped and goes on with this task."
STOPPED: Final = "The director stopped during this task."
AGAIN: Final = "What it had done is recorded: run the same command again."

_GOES_ON_WITH: Final = (
    Deploy,
    DeleteDeployment,
    RunErrand,
    Repair,
    ExportRelease,
    ApplyNetworks,
    ListInstances,
    FetchLogs,
)
"""They have a plan to go on with, or read only. The others take in or remove files: to be asked for again."""


async def take_up(world: World, *, resumes: bool) -> None:
    """Every task that was running is queued again or has ended when this returns."""
    states = (TaskState.PROCESSING, TaskState.CANCELLING)
    for task in reversed(await world.store.tasks(TaskQuery(states=states))):
        if task.state is TaskState.CANCELLING:
            await _end(task, TaskEvent.STOP, f"task cancelled. {STOPPED}", world)
        elif not resumes or not isinstance(_request_of(task), _GOES_ON_WITH):
            await _end(task, TaskEvent.FAIL, f"{STOPPED} {AGAIN}", world)
        else:
            await _resume(task, world)


def _request_of(task: Task) -> Request | None:
    """None for one that this director does not know: an older or newer one wrote it."""
    try:
        return from_tree(task.type, task.options)
    except (KeyError, TypeError):
        return None


async def _resume(task: Task, world: World) -> None:
    name = counter_of(task)
    former = await world.store.setting(name) or {}
    done = await count_of(task.id, world.store)
    times = 1 if done > _number(former, "done") else 1 + _number(former, "times")
    if times > TIMES_MAX:
        words = f"{STOPPED} It was taken up again {TIMES_MAX} times without coming any further. {AGAIN}"
        await _end(task, TaskEvent.FAIL, words, world)
        return
    resumed = replace(task, state=advance(task.state, TaskEvent.RESUME), changed_at=world.clock.now())
    counter = PutSetting(name=name, value={"times": times, "done": max(done, _number(former, "done"))})
    await world.store.commit(
        PutTask(record=resumed), counter, _told(task, "resume", world, context={"done": str(done)})
    )
    Stages(task.id, world).warn(GOES_ON)


async def _end(task: Task, event: TaskEvent, words: str, world: World) -> None:
    ended = replace(task, state=advance(task.state, event), result=words, changed_at=world.clock.now())
    error = words if event is TaskEvent.FAIL else None
    await world.store.commit(
        PutTask(record=ended), *await leaving(ended, world), _told(task, "end", world, error=error)
    )
    Stages(task.id, world).fail(10002 if error else 10001, words)
    world.tasklog.close(task.id)


async def leaving(task: Task, world: World) -> tuple[DropSetting, ...]:
    """What is forgotten with the end of a task."""
    return (*await forgetting(task.id, world.store), DropSetting(name=counter_of(task)))


def counter_of(task: Task) -> str:
    """The setting that counts how often it was taken up."""
    return f"resumed:{task.id}"


def _number(tree: Mapping[str, object], key: str) -> int:
    value = tree.get(key, 0)
    assert isinstance(value, int)
    return value


def _told(
    task: Task, action: str, world: World, *, error: str | None = None, context: Mapping[str, str] | None = None
) -> AddEvent:
    return AddEvent(
        event=Event(
            at=world.clock.now(),
            user="director",
            action=action,
            object_type="task",
            object_name=str(task.id),
            error=error,
            task=task.id,
            deployment=task.deployment,
            context=dict(context or {}),
        )
    )
