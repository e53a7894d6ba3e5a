"""Decides which repairs may begin now, looking at all of them: when much is lost at once, the loss is not a VM's.

Meltdown (bosh-director.md 5.3, on by default): so many and so great a part lost within a window, per deployment, zone
and whole director, holds every repair there; it ends when no more are lost, not by a person. Beside it so many repairs
at a time, and of a group with disks no more than ``quorum`` lets.

Note: a deployment has one repair task at a time. Were that cut at what may begin now, all would wait for the slowest of
them again and again. So what is proven gone rides along in the task, and begins when one of it has ended. What may come
back by itself does not: it would be replaced without anybody having looked again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from director.model.health import Condition, Finding, Repairing, Verdict
from director.model.names import DeploymentName, InstanceId
from director.model.plan import Hold
from director.planning.quorum import GroupKey, Quorum, Quorums

GONE: Final = frozenset({Condition.MISSING, Condition.OFF, Condition.NO_VM})
"""Nothing of it runs, for sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brakes:
    """Meltdown from ``count`` losses that are at least ``fraction`` of all, within ``window_s``."""

    count: int = 5
    fraction: float = 0.2
    window_s: float = 600.0
    repairs_max: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One instance was found lost ``at`` (monotonic)."""

    at: float
    instance: InstanceId
    deployment: DeploymentName
    az: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Every instance that should be started: deployment and zone by id; and the groups that keep data on disks."""

    places: Mapping[InstanceId, tuple[DeploymentName, str | None]]
    quorums: Mapping[GroupKey, Quorum] = field(default_factory=dict)


def braked(
    verdicts: Sequence[Verdict],
    fleet: Fleet,
    losses: Sequence[Loss],
    repairing: Sequence[Repairing],
    brakes: Brakes,
    now: float,
) -> tuple[Verdict, ...]:
    """The same verdicts, those that must not begin now with a hold. Worst first: what serves nothing goes before what
    serves badly; of what is left every deployment gets its share, so that all end together.
    """
    melted = meltdowns(fleet, losses, brakes, now)
    free = brakes.repairs_max - _at_once(repairing)
    begun: set[DeploymentName] = set()
    quorums = Quorums(fleet.quorums, verdicts, repairing, fleet.places)
    changed: dict[InstanceId, Verdict] = {}
    for verdict in _in_turn(verdict for verdict in verdicts if verdict.is_due):
        finding = verdict.finding
        hold, until = _meltdown_hold(finding, melted)
        if hold is None:
            hold = quorums.hold(verdict)
        rides = free <= 0 and finding.deployment in begun and finding.condition in GONE
        if hold is None and free <= 0 and not rides:
            hold = _hold(finding, "hold.busy", f"{brakes.repairs_max} repairs are under way already")
        if hold is not None:
            changed[finding.instance] = replace(verdict, hold=hold, not_before=until)
            continue
        if rides:
            changed[finding.instance] = replace(verdict, rides=True)
        else:
            free -= 1
        begun.add(finding.deployment)
        quorums.take(finding, verdict.remedy)
    return tuple(changed.get(one.finding.instance) or _told(one, quorums) for one in verdicts)


def _told(verdict: Verdict, quorums: Quorums) -> Verdict:
    """Who waits for a task that repairs another of its group waits for the group: that is what has to be known."""
    hold = quorums.hold(verdict) if verdict.hold and verdict.hold.code == "hold.task" else None
    return replace(verdict, hold=hold) if hold else verdict


def _at_once(repairing: Sequence[Repairing]) -> int:
    """How many of the repairs under way can be going on at the same moment."""
    sizes = Counter(one.task for one in repairing)
    limits = {one.task: one.at_once for one in repairing}
    return sum(min(size, limits[task] or size) for task, size in sizes.items())


def _in_turn(due: Iterable[Verdict]) -> list[Verdict]:
    """However many of them are taken from the front, each deployment has a share of those by its part of all."""
    lines: dict[tuple[bool, DeploymentName], list[Verdict]] = defaultdict(list)
    for verdict in sorted(due, key=_urgency):
        lines[_serves(verdict), verdict.finding.deployment].append(verdict)
    places = [
        (serves, place / len(line), number, place)
        for number, ((serves, _), line) in enumerate(lines.items())
        for place in range(len(line))
    ]
    ordered = list(lines.values())
    return [ordered[number][place] for _, _, number, place in sorted(places)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meltdown:
    """``where`` in words; ``until`` it lasts when nothing more is lost (monotonic)."""

    where: str
    lost: int
    size: int
    until: float


def meltdowns(fleet: Fleet, losses: Iterable[Loss], brakes: Brakes, now: float) -> Mapping[tuple[str, str], Meltdown]:
    """By (kind, name): ("deployment", …), ("zone", …), ("director", "")."""
    sizes: Counter[tuple[str, str]] = Counter()
    for deployment, az in fleet.places.values():
        sizes.update(_scopes(deployment, az))
    recent = {loss.instance: loss for loss in losses if now - loss.at <= brakes.window_s}
    lost: dict[tuple[str, str], list[float]] = {}
    for loss in recent.values():
        for scope in _scopes(loss.deployment, loss.az):
            lost.setdefault(scope, []).append(loss.at)
    return {
        scope: Meltdown(
            where=_words(scope), lost=len(times), size=sizes[scope], until=_end(times, sizes[scope], brakes)
        )
        for scope, times in lost.items()
        if _is_meltdown(len(times), sizes[scope], brakes)
    }


def _is_meltdown(lost: int, size: int, brakes: Brakes) -> bool:
    return lost >= brakes.count and lost >= brakes.fraction * size


def _end(times: Sequence[float], size: int, brakes: Brakes) -> float:
    """When so many of the losses have left the window that it is none any more."""
    ordered = sorted(times)
    left = next(n for n in range(len(ordered) + 1) if not _is_meltdown(len(ordered) - n, size, brakes))
    return ordered[left - 1] + brakes.window_s


def _scopes(deployment: DeploymentName, az: str | None) -> tuple[tuple[str, str], ...]:
    zone = (("zone", az),) if az else ()
    return (("deployment", str(deployment)), *zone, ("director", ""))


def _words(scope: tuple[str, str]) -> str:
    kind, name = scope
    return "all deployments together" if kind == "director" else f"the {kind} {name}"


def _meltdown_hold(finding: Finding, melted: Mapping[tuple[str, str], Meltdown]) -> tuple[Hold | None, float | None]:
    found = [melted[scope] for scope in _scopes(finding.deployment, finding.az) if scope in melted]
    if not found:
        return None, None
    last = max(found, key=lambda meltdown: meltdown.until)
    words = (
        f"meltdown: {last.lost} of {last.size} instances of {last.where} were lost shortly one after the other. "
        "It is held until no more are lost for a while; `director cloud-check` repairs at once"
    )
    return _hold(finding, "hold.meltdown", words), last.until


def _urgency(verdict: Verdict) -> tuple[bool, str, str, str]:
    finding = verdict.finding
    return _serves(verdict), str(finding.deployment), finding.group, finding.label


def _serves(verdict: Verdict) -> bool:
    condition = verdict.finding.condition
    return not (condition.is_loss or condition is Condition.NO_VM)


def _hold(finding: Finding, code: str, words: str) -> Hold:
    return Hold(code=code, subject=finding.label, reason=words)
