"""Decides what is done about a finding: a table of ladders, and what stands in the way of the next rung.

Each repair that did not help is a rung; the next one takes more away. One after which it ran for a while has helped:
the next begins at the first rung again and nobody is given up for it, but the pauses between them go on growing. It may
not look at other instances: what a whole deployment or director may repair at once is ``brake``'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.model.health import Attempt, Condition, Finding, Remedy, Verdict
from director.model.names import TaskId
from director.model.plan import Hold
from director.model.wanted import Want

RESTART, REBOOT, RECREATE = Remedy.RESTART, Remedy.REBOOT, Remedy.RECREATE

LADDERS: Final[Mapping[Condition, tuple[Remedy, ...]]] = {
    Condition.RUNNING: (),
    # The agent restarts a process by itself, with pauses; a director's restart comes when that has not helped.
    Condition.STARTING: (RESTART, RESTART, RECREATE),
    Condition.FAILING: (RESTART, RESTART, RECREATE),
    Condition.STOPPED: (RESTART, RESTART, RECREATE),
    Condition.EMPTY: (REBOOT, RECREATE),
    Condition.SUSPECT: (),
    Condition.UNRESPONSIVE: (RECREATE, RECREATE, RECREATE),
    Condition.OFF: (REBOOT, RECREATE, RECREATE),
    Condition.MISSING: (RECREATE, RECREATE, RECREATE),
    # It may run and write to its disk: only proof, or a person's word, lets another one begin.
    Condition.UNKNOWN: (),
    Condition.NO_VM: (RECREATE, RECREATE, RECREATE),
    Condition.SETTLING: (RECREATE, RECREATE, RECREATE),
}
"""Of an instance that should be started. Stopped and detached ones are left alone: nobody misses what they do."""

PATIENCE_S: Final[Mapping[Condition, float]] = {
    Condition.STARTING: 300.0,
    Condition.FAILING: 60.0,
    Condition.STOPPED: 60.0,
    Condition.EMPTY: 30.0,
    # Its VM is on: a network that comes back within a minute costs nobody a VM (bench/detect.py).
    Condition.UNRESPONSIVE: 20.0,
    Condition.NO_VM: 30.0,
    Condition.SETTLING: 60.0,
}
"""How long it may be so before anything is done; all else was waited for when it was found."""

HOPELESS: Final = frozenset({Condition.STARTING, Condition.FAILING, Condition.STOPPED, Condition.EMPTY})
"""More of the same does not help where the VM works: after the ladder a person is needed. What is lost may have had no
place, or bad luck; it is tried again for ever, ever more seldom.
"""

BACKOFF_S: Final = (0.0, 10.0, 60.0, 300.0)
"""Since the last repair ended, by how many there were."""

LOOP_S: Final = (*BACKOFF_S, 600.0, 1200.0, 2400.0, 3600.0)
"""The same for jobs that work for a while after each repair and fail again: a crash loop gets ever more seldom help."""

LOOP_FROM: Final = 3
"""So many repairs, the last of them not in vain, are a crash loop: a person should hear of it."""

HELPED_S: Final = 60.0
"""So long must it have run since for a repair to have helped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What may forbid a repair: the operator's wishes, and what is being done. ``task`` changes the deployment now."""

    want: Want
    is_ignored: bool = False
    is_paused: bool = False
    is_allowed: bool = True
    is_fenced: bool = False
    was_applied: bool = True
    task: TaskId | None = None
    patience_s: float | None = None
    """The longest of all patience and pauses; None: as the tables have it."""


def ladder_of(condition: Condition, want: Want, *, is_fenced: bool = False) -> tuple[Remedy, ...]:
    if want is not Want.STARTED:
        return ()
    return LADDERS[Condition.MISSING] if condition is Condition.UNKNOWN and is_fenced else LADDERS[condition]


def decide(finding: Finding, guards: Guards, attempts: Sequence[Attempt], *, now: float, wall: float) -> Verdict:
    """``attempts`` are those since it last was well for long, oldest first. ``now`` is monotonic, ``wall`` not."""
    ladder = ladder_of(finding.condition, guards.want, is_fenced=guards.is_fenced)
    if guards.want is Want.STARTED and finding.condition is Condition.UNKNOWN and not guards.is_fenced:
        return Verdict(finding=finding, remedy=RECREATE, hold=_unproven(finding))
    if not ladder:
        return Verdict(finding=finding, remedy=Remedy.NOTHING)
    vain = _in_vain(attempts)
    remedy = ladder[min(len(vain), len(ladder) - 1)]
    forbidden = _forbidden(finding, guards) or _exhausted(finding, ladder, vain)
    if forbidden:
        return Verdict(finding=finding, remedy=remedy, hold=forbidden)
    not_before = _not_before(finding, guards, attempts, now=now, wall=wall)
    if not_before > now:
        hold = _waits(finding, attempts, not_before - now)
        return Verdict(finding=finding, remedy=remedy, hold=hold, not_before=not_before)
    return Verdict(finding=finding, remedy=remedy)


def _forbidden(finding: Finding, guards: Guards) -> Hold | None:
    """The first of what forbids it for as long as somebody wants it so, or a task runs."""
    reasons = (
        ("hold.ignored", guards.is_ignored, f"it is ignored; `director unignore {finding.label}` ends that"),
        ("hold.paused", guards.is_paused, "resurrection is off; `director update-resurrection on` ends that"),
        ("hold.rule", not guards.is_allowed, "a rule of a resurrection config turns resurrection off for it"),
        ("hold.never-deployed", not guards.was_applied, "it was never deployed to its end; deploy its manifest again"),
        (
            "hold.task",
            guards.task is not None,
            f"task {guards.task} changes its deployment; afterwards it is looked at",
        ),
    )
    return next((_hold(finding, code, words) for code, is_so, words in reasons if is_so), None)


def _in_vain(attempts: Sequence[Attempt]) -> Sequence[Attempt]:
    """Those since the last one that helped."""
    since = next((n for n in range(len(attempts), 0, -1) if attempts[n - 1].has_helped), 0)
    return attempts[since:]


def _exhausted(finding: Finding, ladder: Sequence[Remedy], attempts: Sequence[Attempt]) -> Hold | None:
    if len(attempts) < len(ladder) or finding.condition not in HOPELESS:
        return None
    last = next((a.error for a in reversed(attempts) if a.error), "it did not become well")
    words = f"{len(attempts)} repairs have not helped ({last}); mend what is behind it, then restart or recreate it"
    return _hold(finding, "hold.given-up", words)


def _not_before(finding: Finding, guards: Guards, attempts: Sequence[Attempt], *, now: float, wall: float) -> float:
    table = PATIENCE_S.get(finding.condition, 0.0)
    patient = finding.since + (table if guards.patience_s is None else min(table, guards.patience_s))
    if not attempts:
        return patient
    last = attempts[-1]
    # A wall clock that was put back since then tells nothing: the pause has been long enough.
    since_s = wall - (last.ended_at or last.at)
    pauses = LOOP_S if finding.condition in HOPELESS else BACKOFF_S
    pause_s = pauses[min(len(attempts), len(pauses) - 1)]
    pause_s = pause_s if guards.patience_s is None else min(pause_s, guards.patience_s)
    return max(patient, now + pause_s - since_s) if since_s >= 0 else patient


def _unproven(finding: Finding) -> Hold:
    words = (
        "its VM may still run, and its infrastructure cannot tell. When you know that it is off, "
        f"`director -d {finding.deployment} fence {finding.label}` lets it be replaced"
    )
    return _hold(finding, "hold.unproven", words)


def _waits(finding: Finding, attempts: Sequence[Attempt], left_s: float) -> Hold:
    if finding.condition in HOPELESS and len(attempts) >= LOOP_FROM:
        words = f"{len(attempts)} repairs helped for a while only; the next one comes in {left_s:.0f} s"
        return _hold(finding, "hold.crash-loop", words)
    return _hold(finding, "hold.early", f"it is given {left_s:.0f} s more to become well by itself")


def _hold(finding: Finding, code: str, words: str) -> Hold:
    return Hold(code=code, subject=finding.label, reason=words)
