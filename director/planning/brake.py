"""Decides which repairs may begin now, looking at all of them: when much is lost at once, the loss is not a VM's.

Meltdown (bosh-director.md 5.3, on by default): so many and so great a part lost within a window, per deployment, zone
and whole director, holds every repair there; it ends when no more are lost, not by a person. Beside it so many repairs
at a time, and never two instances with disks of one group: the others may be all that holds its data.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from director.model.health import Condition, Finding, Repairing, Verdict
from director.model.names import DeploymentName, InstanceId
from director.model.plan import Hold


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
    """Every instance that should be started: deployment and zone by id, and who keeps data on a disk."""

    places: Mapping[InstanceId, tuple[DeploymentName, str | None]]
    with_disks: frozenset[InstanceId] = frozenset()


def braked(
    verdicts: Sequence[Verdict],
    fleet: Fleet,
    losses: Sequence[Loss],
    repairing: Sequence[Repairing],
    brakes: Brakes,
    now: float,
) -> tuple[Verdict, ...]:
    """The same verdicts, those that must not begin now with a hold. Worst first: what serves nothing goes before what
    serves badly, then by name.
    """
    melted = meltdowns(fleet, losses, brakes, now)
    under_way = len(repairing)
    busy = {_quorum(one.finding) for one in repairing if one.finding.instance in fleet.with_disks}
    held: dict[InstanceId, Verdict] = {}
    for verdict in sorted((v for v in verdicts if v.is_due), key=_urgency):
        finding = verdict.finding
        hold, until = _meltdown_hold(finding, melted)
        if hold is None and finding.instance in fleet.with_disks and _quorum(finding) in busy:
            hold = _hold(finding, "hold.quorum", f"another instance of {finding.group} with a disk is being repaired")
        if hold is None and under_way >= brakes.repairs_max:
            hold = _hold(finding, "hold.busy", f"{brakes.repairs_max} repairs are under way already")
        if hold is not None:
            held[finding.instance] = replace(verdict, hold=hold, not_before=until)
            continue
        under_way += 1
        if finding.instance in fleet.with_disks:
            busy.add(_quorum(finding))
    return tuple(held.get(verdict.finding.instance, verdict) for verdict in verdicts)


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


def _quorum(finding: Finding) -> tuple[str, str]:
    return str(finding.deployment), finding.group


def _urgency(verdict: Verdict) -> tuple[bool, str, str, str]:
    finding = verdict.finding
    serves = not (finding.condition.is_loss or finding.condition is Condition.NO_VM)
    return serves, str(finding.deployment), finding.group, finding.label


def _hold(finding: Finding, code: str, words: str) -> Hold:
    return Hold(code=code, subject=finding.label, reason=words)
