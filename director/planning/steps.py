"""A line of steps that grows: how the steps of one instance are written down, one after the other."""

from dataclasses import dataclass, field

from director.model.names import StepKey
from director.model.plan import PlannedStep
from director.model.step import Step
from director.planning.limit import limits_of


@dataclass(slots=True, kw_only=True)
class Chain:
    """Grows a line of steps. Not a value: it lives only while one instance is planned."""

    subject: str
    unit: str
    needs: tuple[StepKey, ...] = ()
    steps: list[PlannedStep] = field(default_factory=list)

    def add(self, verb: str, step: Step, *needs: StepKey) -> None:
        """Appends a step that needs the last one, and ``needs``."""
        before = (self.steps[-1].key,) if self.steps else self.needs
        key = StepKey(f"{self.subject}:{verb}")
        self.steps.append(
            PlannedStep(
                key=key,
                step=step,
                subject=self.subject,
                needs=(*before, *needs),
                unit=self.unit,
                limits=limits_of(step),
            )
        )

    @property
    def last(self) -> tuple[StepKey, ...]:
        return (self.steps[-1].key,) if self.steps else self.needs
