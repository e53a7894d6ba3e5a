"""A plan: every step, its order, its limits, what is left out and why. Immutable, printable, storable."""

from dataclasses import dataclass
from enum import Enum

from director.model.fabric import Stack
from director.model.names import DeploymentName, InstanceId, PlanId, StackName, StepKey
from director.model.problem import Problem
from director.model.record import InstanceRecord
from director.model.step import Step


class Move(Enum):
    """What happens to one instance; ``planning/diff.py`` decides it by table."""

    NOTHING = "nothing"
    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    REBOOT = "reboot"
    DETACH = "detach"
    DELETE = "delete"
    RUN_ERRAND = "run errand"
    ATTACH = "attach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of what a plan will do, and each reason for it in words an operator knows."""

    instance: InstanceId
    label: str
    move: Move
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackMove:
    """What happens to one stack of network objects: CREATE, UPDATE or DELETE. ``objects`` are a line each."""

    stack: StackName
    move: Move
    reasons: tuple[str, ...]
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A wished change that this plan leaves out."""

    code: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``max`` holders at once. With ``stops_on_failure`` nothing new begins under it once one has failed."""

    name: str
    max: int
    stops_on_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Steps that count as one under a limit, from the first one's start to the last one's end.

    ``stage`` and ``task`` are how BOSH's event log names it: "Updating instance web", "web/uuid (0) (canary)".
    """

    name: str
    stage: str
    task: str
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """``needs`` must have succeeded before it begins; ``after`` must have ended, however they ended.

    A step with ``after`` cleans up: it also runs when the task was cancelled, but not when none of those it
    comes after ever began. ``limits`` bound this step alone, beside its unit's.
    """

    key: StepKey
    step: Step
    subject: str
    needs: tuple[StepKey, ...] = ()
    after: tuple[StepKey, ...] = ()
    unit: str | None = None
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``parent`` is the serial of the record it was made from. Steps stand in an order that respects needs.

    ``reserve`` are the instances, with their addresses, written in the transaction that adopts the plan, and ``joins``
    the stacks it begins to use, with their claims.
    """

    id: PlanId
    deployment: DeploymentName
    parent: int
    steps: tuple[PlannedStep, ...] = ()
    units: tuple[Unit, ...] = ()
    limits: tuple[Limit, ...] = ()
    changes: tuple[Change, ...] = ()
    holds: tuple[Hold, ...] = ()
    warnings: tuple[Problem, ...] = ()
    reserve: tuple[InstanceRecord, ...] = ()
    stack_moves: tuple[StackMove, ...] = ()
    joins: tuple[Stack, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Nothing to do and nothing held back: the only meaning of settled."""
        return not self.changes and not self.stack_moves and not self.holds
