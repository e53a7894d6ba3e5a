"""Tells what the watch found: an event in the audit trail, an alert, a number; each change of condition once."""

from collections.abc import Sequence
from typing import Final

from director.execution.world import World
from director.model.alert import Alert, Severity
from director.model.health import Condition, Finding, Verdict
from director.model.names import InstanceId, TaskId
from director.model.plan import Hold
from director.model.record import Event
from director.model.tree import Tree
from director.planning.isolation import Isolation
from director.ports.store import AddEvent

USER: Final = "watch"
PASSING: Final = frozenset({Condition.RUNNING, Condition.SUSPECT, Condition.STARTING, Condition.SETTLING})
"""What passes by itself, or is the doing of a task, is not worth a line."""
GRAVE: Final = frozenset({"hold.meltdown", "hold.unproven", "hold.given-up", "hold.crash-loop"})
"""Holds that a person should hear of; all others somebody wished for, or they end soon."""


class Notices:
    """Remembers what was told of each instance, so that it is told once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: dict[InstanceId, Finding] = {}
        self._held: dict[InstanceId, Hold] = {}
        self._isolation: Isolation | None = None

    async def tell(self, verdicts: Sequence[Verdict], wall: float) -> None:
        """Compares with what was told before."""
        lines: list[AddEvent] = []
        for verdict in verdicts:
            lines += self._conditions(verdict, wall)
            self._holds(verdict, wall)
        known = {verdict.finding.instance for verdict in verdicts}
        self._told = {key: value for key, value in self._told.items() if key in known}
        self._held = {key: value for key, value in self._held.items() if key in known}
        if lines:
            await self._world.store.commit(*lines)

    def tell_isolation(self, found: Isolation | None, wall: float) -> None:
        """The director doubts its own network, or no longer: one alert, not one for each instance."""
        if (found is None) != (self._isolation is None):
            words = "Agents are heard again." if found is None else f"{found.words[:1].upper()}{found.words[1:]}."
            self._world.alerts.ring(
                Alert(
                    at=wall,
                    severity=Severity.CRITICAL,
                    code="director.isolated",
                    subject="director",
                    words=words,
                    is_over=found is None,
                )
            )
        self._isolation = found

    async def begun(self, verdicts: Sequence[Verdict], task: TaskId, wall: float) -> None:
        """Repairs were decided on; their task tells the rest."""
        lines = [
            _event(v.finding, "repair", wall, {"remedy": v.remedy.value, "condition": v.finding.condition.value}, task)
            for v in verdicts
        ]
        for verdict in verdicts:
            self._world.meter.count("repairs_decided", remedy=verdict.remedy.name.lower())
        await self._world.store.commit(*lines)

    def _conditions(self, verdict: Verdict, wall: float) -> list[AddEvent]:
        finding, former = verdict.finding, self._told.get(verdict.finding.instance)
        if finding.condition.is_well:
            if former is not None:
                del self._told[finding.instance]
                self._ring(former, wall, is_over=True)
                return [_event(finding, "recover", wall, {"was": former.condition.value})]
            return []
        is_wished = not verdict.remedy.is_action and verdict.hold is None
        same = former is not None and (former.condition, former.vm) == (finding.condition, finding.vm)
        if (
            finding.condition in PASSING
            or same
            or (is_wished and not finding.condition.is_loss)
            or _is_done_to(verdict)
        ):
            return []
        if former is not None and former.condition is not finding.condition:
            self._ring(former, wall, is_over=True)
        self._told[finding.instance] = finding
        self._ring(finding, wall)
        self._world.meter.count("instances_found_unwell", condition=finding.condition.name.lower())
        return [_event(finding, "notice", wall, {"condition": finding.condition.value, "why": list(finding.evidence)})]

    def _ring(self, finding: Finding, wall: float, *, is_over: bool = False) -> None:
        subject = f"{finding.deployment}/{finding.label}"
        words = (
            f"{subject} runs again."
            if is_over
            else f"{subject}: {finding.condition.value}; {'; '.join(finding.evidence)}."
        )
        self._world.alerts.ring(
            Alert(
                at=wall,
                severity=Severity.ERROR if finding.condition.is_loss else Severity.WARNING,
                code=f"instance.{finding.condition.name.lower().replace('_', '-')}",
                subject=subject,
                words=words,
                deployment=str(finding.deployment),
                instance=str(finding.instance),
                group=finding.group,
                is_over=is_over,
            )
        )

    def _holds(self, verdict: Verdict, wall: float) -> None:
        finding, former = verdict.finding, self._held.pop(verdict.finding.instance, None)
        hold = verdict.hold if verdict.hold is not None and verdict.hold.code in GRAVE else None
        if hold is not None:
            self._held[finding.instance] = hold
        if (former and former.code) == (hold and hold.code):
            return
        if former is not None:
            self._ring_hold(finding, former, wall, is_over=True)
        if hold is not None:
            self._ring_hold(finding, hold, wall)

    def _ring_hold(self, finding: Finding, hold: Hold, wall: float, *, is_over: bool = False) -> None:
        subject = f"{finding.deployment}/{finding.label}"
        self._world.alerts.ring(
            Alert(
                at=wall,
                severity=Severity.CRITICAL,
                code=hold.code,
                subject=subject,
                words=f"{subject} is held back no longer." if is_over else f"{subject} is not repaired: {hold.reason}.",
                deployment=str(finding.deployment),
                instance=str(finding.instance),
                group=finding.group,
                is_over=is_over,
            )
        )


def _is_done_to(verdict: Verdict) -> bool:
    """A task that changes a deployment stops jobs and starts them again. What it leaves stopped is told afterwards."""
    is_changed = verdict.hold is not None and verdict.hold.code == "hold.task"
    return is_changed and verdict.finding.condition is Condition.STOPPED


def _event(finding: Finding, action: str, at: float, context: Tree, task: TaskId | None = None) -> AddEvent:
    name = f"{finding.group}/{finding.instance}"
    return AddEvent(
        event=Event(
            at=at,
            user=USER,
            action=action,
            object_type="instance",
            object_name=name,
            task=task,
            deployment=finding.deployment,
            instance=name,
            context=context,
        )
    )
