"""What numbers and traces are told of a whole task. Changes nothing."""

from director.execution.report import Stages
from director.execution.world import World
from director.model.record import Task, TaskState


def note_begin(task: Task, stages: Stages, world: World) -> None:
    """The trace's id goes into the task's debug log, where there is one."""
    facts = {"director.user": task.user, "director.deployment": task.deployment or ""}
    trace = world.tracer.begin(task.id, task.type, facts)
    if trace:
        stages.debug(f"trace {trace}")


def note_end(task: Task, world: World) -> None:
    """``task`` is in its final state."""
    outcome = task.state.value
    world.meter.count("tasks", type=task.type, outcome=outcome)
    if task.started_at is not None:
        took_s = max(0.0, world.clock.now() - task.started_at)
        world.meter.observe("task_seconds", took_s, type=task.type, outcome=outcome)
    world.tracer.end(task.id, "" if task.state is TaskState.DONE else task.result or task.state.value)
