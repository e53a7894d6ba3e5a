"""Decides which repairs of a group with persistent disks must wait: its other members may be all that holds its data.

Such a group has a budget, the ``max_in_flight`` it is deployed with: so many of it are repaired at a time. What still
serves is taken away (rebooted, made anew) only while no more than that are away, for whatever reason, and most of the
group keeps serving. What is lost already is always repaired, up to the budget at a time. How many repairs the director
does at all is ``brake``'s.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from director.model.health import Condition, Finding, Remedy, Repairing, Verdict
from director.model.names import DeploymentName, InstanceId
from director.model.plan import Hold

GroupKey: TypeAlias = tuple[DeploymentName, str]
"""A deployment's instance group."""

SERVING: Final = frozenset({Condition.RUNNING, Condition.STARTING, Condition.FAILING, Condition.EMPTY})
"""It serves, at least in part; all others are away."""
TAKING: Final = frozenset({Remedy.REBOOT, Remedy.RECREATE})
"""What takes away an instance that serves. Jobs that fail are restarted by their agent anyway."""
DOUBTFUL: Final = SERVING | {Condition.UNRESPONSIVE}
"""Not proven gone: its VM is on, so that it may serve though nobody hears of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """A group with disks: how many instances it has, and how many of those may be repaired at a time, at least 1."""

    size: int
    budget: int

    @property
    def spare(self) -> int:
        """How many may be away while most of it serves. A group of one or two has no majority to lose."""
        return (self.size - 1) // 2


class Quorums:
    """Who is away of every group with disks, in one look: ``hold`` asks, ``take`` writes down a repair that begins.

    ``started`` has everybody who should run; whom a person stopped is no trouble, but serves nothing.
    """

    def __init__(
        self,
        quorums: Mapping[GroupKey, Quorum],
        verdicts: Iterable[Verdict],
        repairing: Iterable[Repairing],
        started: Container[InstanceId],
    ) -> None:
        self._quorums = quorums
        self._repaired: dict[GroupKey, dict[str, str]] = {key: {} for key in quorums}
        self._away: dict[GroupKey, dict[str, str]] = {key: {} for key in quorums}
        self._reduced: set[GroupKey] = set()
        self._stopped: dict[GroupKey, dict[str, str]] = {key: {} for key in quorums}
        for finding in (verdict.finding for verdict in verdicts):
            if group_of(finding) in quorums and finding.condition not in SERVING:
                kept = self._away if finding.instance in started else self._stopped
                kept[group_of(finding)][finding.label] = f"is {finding.condition.value}"
        for one in repairing:
            self.take(one.finding, one.remedy)

    def take(self, finding: Finding, remedy: Remedy) -> None:
        """Its repair begins, or is under way."""
        key = group_of(finding)
        if key in self._quorums:
            self._repaired[key][finding.label] = "is being repaired"
            if finding.condition in SERVING and remedy in TAKING:
                self._reduced.add(key)

    def hold(self, verdict: Verdict) -> Hold | None:
        """Why its repair must not begin now; None when it may."""
        finding, key = verdict.finding, group_of(verdict.finding)
        quorum = self._quorums.get(key)
        if quorum is None:
            return None
        repaired, away = self._repaired[key], self._away[key] | self._repaired[key]
        # While one that serves is away for its repair, even a restart is one more.
        takes = finding.condition in SERVING and (verdict.remedy in TAKING or key in self._reduced)
        if self._is_full(away if takes else repaired, quorum.budget, finding):
            return _hold(finding, away if takes else repaired, quorum, quorum.budget)
        stopped = self._stopped[key] if quorum.spare else {}
        most = max(1, quorum.spare)
        gone = stopped | away if takes else repaired
        if finding.condition in DOUBTFUL and self._is_full(gone, most, finding):
            return _hold(finding, gone, quorum, most)
        return None

    def _is_full(self, gone: Mapping[str, str], most: int, finding: Finding) -> bool:
        return len(gone.keys() - {finding.label}) >= most


def group_of(finding: Finding) -> GroupKey:
    return finding.deployment, finding.group


def _hold(finding: Finding, gone: Mapping[str, str], quorum: Quorum, most: int) -> Hold:
    others: Sequence[str] = [f"{label} {how}" for label, how in sorted(gone.items()) if label != finding.label]
    words = (
        f"{', '.join(others)}; of the {quorum.size} instances of {finding.group}, which have persistent disks, "
        f"no more than {most} may be away at a time for a repair"
    )
    return Hold(code="hold.quorum", subject=finding.label, reason=words)
