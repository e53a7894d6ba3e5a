"""Settles what a stopped director left open.

The row written with each intent says what may exist and under which name (a VM or disk "creating" or
"deleting"), so the next plan adopts or removes it: settling only closes the books of the tasks that ended.
"""

from dataclasses import replace

from director.execution.report import Stages
from director.execution.world import World
from director.model.record import Intent, TaskState
from director.ports.store import CloseIntent, PutTask, TaskQuery


async def settle(world: World) -> tuple[Intent, ...]:
    """Closes every open intent and ends every task that was running. Returns the intents that were open."""
    intents = await world.store.open_intents()
    now = world.clock.now()
    closing = (CloseIntent(task=i.task, step=i.step, at=now, result="the director stopped") for i in intents)
    await world.store.commit(*closing)
    await _end_tasks(world)
    return intents


async def _end_tasks(world: World) -> None:
    states = (TaskState.PROCESSING, TaskState.CANCELLING)
    for task in await world.store.tasks(TaskQuery(states=states)):
        result = "The director stopped during this task. What it had done is recorded: run the same command again."
        ended = replace(task, state=TaskState.ERROR, result=result, changed_at=world.clock.now())
        await world.store.commit(PutTask(record=ended))
        Stages(task.id, world).fail(10002, result)
        world.tasklog.close(task.id)
