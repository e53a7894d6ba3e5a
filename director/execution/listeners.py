"""Those who are told of a walk beside its report: numbers and traces of every step."""

from director.execution.walk import Listener
from director.execution.world import World
from director.model.names import TaskId
from director.model.outcome import End, Outcome
from director.model.plan import PlannedStep
from director.model.step import Gate


class Listeners:
    """Tells several, in their order."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def began(self, step: PlannedStep) -> None:
        for listener in self._listeners:
            listener.began(step)

    def ended(self, step: PlannedStep, outcome: Outcome) -> None:
        for listener in self._listeners:
            listener.ended(step, outcome)


class StepNumbers:
    """Counts and traces steps that were begun. To be made as the walk begins: outcomes count from then."""

    def __init__(self, task: TaskId, world: World) -> None:
        self._task = task
        self._world = world
        self._start = world.clock.now()

    def began(self, step: PlannedStep) -> None:
        """Only its end is told."""

    def ended(self, step: PlannedStep, outcome: Outcome) -> None:
        if isinstance(step.step, Gate) or outcome.end not in {End.DONE, End.FAILED}:
            return
        kind = type(step.step).__name__
        took_s = outcome.ended_s - outcome.started_s
        self._world.meter.observe("step_seconds", took_s, kind=kind, outcome=outcome.end.value)
        began, ended = self._start + outcome.started_s, self._start + outcome.ended_s
        facts = {"director.step": step.key, "director.unit": step.unit or ""}
        self._world.tracer.span(self._task, kind, began, ended, outcome.error, facts)
