"""What is said of a deployment that is kept: to people, to the log, to whoever listens for alerts."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from director.model.alert import Alert, Severity
from director.model.names import DeploymentName
from director.model.plan import Plan
from director.model.problem import Refused
from director.model.record import Task
from director.model.steady import Mode, Standing, State
from director.ports.failure import Failure

log = structlog.get_logger()

USER: Final = "steady"
"""Who did it, where tasks and events name somebody."""


async def within(seconds: float, work: Awaitable[Plan]) -> Plan:
    async with asyncio.timeout(seconds):
        return await work


def why(found: BaseException, deployment: DeploymentName, limit_s: float) -> tuple[str, ...]:
    """In words for a person; what nobody foresaw goes to the log as well."""
    match found:
        case Refused():
            return tuple(str(problem) for problem in found.problems)
        case Failure():
            return (str(found),)
        case TimeoutError():
            return (f"no plan could be made within {limit_s:g} s",)
        case Exception():
            log.error("a plan could not be made", deployment=deployment, exc_info=found)
            return (f"the director itself failed ({type(found).__name__}); its log has the details",)
        case _:
            raise found


def stuck(standing: Standing, reasons: Sequence[str]) -> Standing:
    """Without a plan; it is looked at again with the next look."""
    return replace(standing, state=State.PENDING, reasons=tuple(reasons), summary="", plan="", again_at=None)


def while_at(task: Task, standing: Standing) -> Standing:
    """A task is at it: its end wakes us."""
    if task.user == USER:
        return replace(standing, state=State.APPLYING, reasons=(), again_at=None, task=task.id)
    reason = f"task {task.id} ({task.description}) is at it"
    return replace(standing, state=State.BUSY, reasons=(reason,), again_at=None)


def alert_of(standing: Standing, at: float, *, is_over: bool) -> Alert:
    policy = standing.policy
    return Alert(
        at=at,
        severity=Severity.WARNING if policy.mode is Mode.APPLY else Severity.INFO,
        code="steady.pending",
        subject=policy.deployment,
        words=f"{policy.deployment} is not as wanted, and is not made so: {'; '.join(standing.reasons)}."
        if not is_over
        else f"{policy.deployment} is as wanted, or is being made so.",
        deployment=policy.deployment,
        is_over=is_over,
    )
