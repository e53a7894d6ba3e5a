"""Whether a plan that nobody asked for is applied: plan and policy in, apply or a reason to wait out.

Decides only that. A plan within all limits is applied; any other stays pending with every reason, so that a person sees
at once all that stands in its way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from director.model.health import Condition
from director.model.names import InstanceId
from director.model.plan import Move, Plan
from director.model.record import DeploymentRecord, TaskState
from director.model.steady import Mode, Policy, State
from director.model.step import EnsureStack, MigrateDisk, OrphanDisk, RecordDeployment, RemoveStack
from director.model.tree import digest_of

FAILURES_MAX: Final = 2
"""A wish that failed so often in a row is not tried again before a person or the source changes something."""
BACK_OFF_S: Final = 60.0
"""Between the first failure and the second try."""
APPLIES_MAX: Final = 3
WINDOW_S: Final = 3600.0
"""What must be applied more often within this does not stay: doing it again and again would only hide that."""
RECHECK_S: Final = 10.0
"""What the watch and the director's own doubts say is asked again after this."""
NAMED_MAX: Final = 5
"""Names in one reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be: a manifest's text and what it was read with, as one ``digest``.

    ``is_recorded``: the record says that just this was deployed last.
    """

    digest: str
    is_recorded: bool

    @property
    def context(self) -> str:
        """By this its tasks are found again, also by the next director."""
        return f"steady:{self.digest[:32]}"


def wish_of(plan: Plan, text: str, config_ids: Sequence[int], recorded: DeploymentRecord) -> Wish:
    """Releases and stemcells count as the plan chose them: ``latest`` is another wish once something newer is there."""
    chosen = [step.step for step in plan.steps if isinstance(step.step, RecordDeployment)]
    software = [[list(step.releases), list(step.stemcells)] for step in chosen]
    ids = tuple(sorted(config_ids))
    return Wish(
        digest=digest_of([text, list(ids), software]),
        is_recorded=recorded.manifest == text and recorded.config_ids == ids,
    )


class Ending(Enum):
    """How a former task for the same wish ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDINGS: Final[Mapping[TaskState, Ending]] = {
    TaskState.DONE: Ending.DONE,
    TaskState.ERROR: Ending.FAILED,
    TaskState.TIMEOUT: Ending.FAILED,
    TaskState.CANCELLED: Ending.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A deploy that has ended, at ``at`` (wall clock seconds), and how. ``is_same``: for this wish."""

    at: float
    ending: Ending
    is_same: bool
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What else counts just now. ``size`` is the number of instances, ``now`` wall clock seconds.

    ``unwell`` are instances as the watch of health finds them, by id, without those that are well; ``doubts`` are why
    the director trusts its own eyes less than usual. ``attempts`` stand newest first. No task is at the deployment.
    """

    now: float
    size: int
    unwell: Mapping[InstanceId, Condition] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """``state`` APPLYING: to be applied now. ``again_at``: when time alone may change this."""

    state: State
    reasons: tuple[str, ...] = ()
    again_at: float | None = None


def judge(plan: Plan, wish: Wish, policy: Policy, moment: Moment) -> Judged:
    """What becomes of ``plan``."""
    if _changes_nothing(plan) and (wish.is_recorded or policy.mode is Mode.PROPOSE):
        return _rest(plan)
    if policy.mode is Mode.PROPOSE:
        return Judged(state=State.PENDING, reasons=("only proposed: deploy it by hand, or switch to --apply",))
    later = (*_doubted(moment), *_healed_first(plan, wish, moment), *_failed_once(moment), *_restless(moment))
    never = (*beyond(plan, changes_max(policy, moment.size), allows_deletes=policy.allows_deletes), *_given_up(moment))
    reasons = (*never, *(reason for reason, _ in later))
    if not reasons:
        return Judged(state=State.APPLYING)
    return Judged(state=State.PENDING, reasons=reasons, again_at=None if never else min(at for _, at in later))


def changes_max(policy: Policy, size: int) -> int | None:
    """How many of ``size`` instances may change; None: any number."""
    if policy.changes_max is None:
        return None
    # A percentage that comes to nothing would forbid everything, which is what --propose is for.
    return max(policy.changes_max.of(size), 1 if policy.changes_max.percent else 0)


def beyond(plan: Plan, most: int | None, *, allows_deletes: bool) -> tuple[str, ...]:
    """Every limit that the plan does not keep to, in words."""
    return (*_too_many(plan, most), *(() if allows_deletes else _deletes(plan)))


def deletions(plan: Plan) -> tuple[str, ...]:
    """Every instance, disk and network object that would go for good. A VM's replacement is none."""
    instances = [change.label for change in plan.changes if change.move is Move.DELETE]
    disks = {f"disk {step.step.disk}" for step in plan.steps if isinstance(step.step, OrphanDisk)}
    disks |= {f"disk {step.step.old}" for step in plan.steps if isinstance(step.step, MigrateDisk)}
    stacks = {f"networks {step.step.stack.name}" for step in plan.steps if isinstance(step.step, RemoveStack)}
    stacks |= {f"parts of {s.step.stack.name}" for s in plan.steps if isinstance(s.step, EnsureStack) and s.step.gone}
    return (*sorted(instances), *sorted(disks), *sorted(stacks))


def _changes_nothing(plan: Plan) -> bool:
    return not plan.changes and not plan.stack_moves and not plan.reserve and not plan.joins


def _rest(plan: Plan) -> Judged:
    """Nothing to do now; but what is held back is still not as wanted."""
    if plan.holds:
        return Judged(state=State.PENDING, reasons=tuple(f"held back: {hold.reason}" for hold in plan.holds))
    return Judged(state=State.STEADY)


def _too_many(plan: Plan, most: int | None) -> Iterator[str]:
    if most is not None and len(plan.changes) > most:
        yield f"{len(plan.changes)} instances would change, at most {most} may (--max-changes)"


def _deletes(plan: Plan) -> Iterator[str]:
    gone = deletions(plan)
    if gone:
        yield f"{_named(gone)} would go for good, which is not allowed (--deletes)"


def _doubted(moment: Moment) -> Iterator[tuple[str, float]]:
    for doubt in moment.doubts:
        yield f"the director does not trust its own eyes: {doubt}", moment.now + RECHECK_S


def _healed_first(plan: Plan, wish: Wish, moment: Moment) -> Iterator[tuple[str, float]]:
    """What has died is a matter of the watch, which has brakes of its own; a deploy would go round them."""
    sick = {c.label: moment.unwell[c.instance] for c in plan.changes if c.instance in moment.unwell}
    lost = {label: how for label, how in sick.items() if _is_healed_first(how)}
    if lost:
        yield f"{_listed(lost)}: healed first (`director health`)", moment.now + RECHECK_S
    elif sick and len(sick) == len(plan.changes) and not plan.stack_moves and wish.is_recorded:
        yield f"{_listed(sick)}, and nothing else differs: left to healing (`director health`)", moment.now + RECHECK_S


def _is_healed_first(condition: Condition) -> bool:
    return condition.is_loss or condition in {Condition.SUSPECT, Condition.SETTLING}


def _listed(sick: Mapping[str, Condition]) -> str:
    return _named([f"{label} is {sick[label].value}" for label in sorted(sick)])


def _failed_once(moment: Moment) -> Iterator[tuple[str, float]]:
    failed = _failures(moment)
    if failed and len(failed) < FAILURES_MAX:
        again = failed[0].at + BACK_OFF_S * len(failed)
        if moment.now < again:
            yield f"it failed and is tried again {BACK_OFF_S:g} s later: {failed[0].error}", again


def _given_up(moment: Moment) -> Iterator[str]:
    failed = _failures(moment)
    if len(failed) >= FAILURES_MAX:
        yield f"it failed {len(failed)} times and is not tried again until something changes: {failed[0].error}"
    elif moment.attempts and moment.attempts[0].is_same and moment.attempts[0].ending is Ending.CANCELLED:
        yield "its task was cancelled: it is not begun again until something changes"


def _restless(moment: Moment) -> Iterator[tuple[str, float]]:
    """What was done does not last, or never comes to rest."""
    recent = [a for a in moment.attempts if a.is_same and a.ending is Ending.DONE and moment.now - a.at < WINDOW_S]
    if len(recent) >= APPLIES_MAX:
        why = f"it was applied {len(recent)} times within an hour and does not stay so: somebody else changes it"
        yield why, recent[APPLIES_MAX - 1].at + WINDOW_S


def _failures(moment: Moment) -> list[Attempt]:
    """Of this wish, newest first, since any deploy last went well."""
    found: list[Attempt] = []
    for attempt in moment.attempts:
        if attempt.ending is Ending.DONE:
            break
        if attempt.is_same and attempt.ending is Ending.FAILED:
            found.append(attempt)
    return found


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
