"""Remembers what was lost lately, for meltdowns to be told from single losses.

Who is well again without having been repaired was no loss in the end. While the director doubts its own hearing,
silence alone is none either; what is proven off or gone is.
"""

from collections.abc import Iterable, Mapping, Sequence

from director.model.health import Finding
from director.model.names import InstanceId, VmName
from director.planning.brake import Loss
from director.planning.isolation import SILENT


class Losses:
    """Those of the last ``window_s`` seconds. Lives as long as the director: the next one finds anew who is lost."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._losses: list[Loss] = []
        self._lost: frozenset[tuple[InstanceId, VmName | None]] = frozenset()
        """Who is, as of the last look."""
        self._treated: set[InstanceId] = set()

    @property
    def recent(self) -> Sequence[Loss]:
        """As of the last look."""
        return tuple(self._losses)

    def treat(self, instances: Iterable[InstanceId]) -> None:
        """They are repaired: that they are well again then says nothing of how they were."""
        self._treated.update(instances)

    def note(self, found: Mapping[InstanceId, Finding], now: float, *, is_isolated: bool) -> Sequence[Finding]:
        """Takes up one look's findings; gives those that are lost since then."""
        recent = [loss for loss in self._losses if now - loss.at <= self._window_s]
        self._treated &= {loss.instance for loss in recent}
        self._losses = [loss for loss in recent if loss.instance in self._treated or not _is_well(found, loss.instance)]
        doubted = SILENT if is_isolated else frozenset()
        lost = {
            (one.instance, one.vm): one
            for one in found.values()
            if one.condition.is_loss and ((one.instance, one.vm) in self._lost or one.condition not in doubted)
        }
        news = [one for key, one in lost.items() if key not in self._lost]
        self._losses += [Loss(at=now, instance=o.instance, deployment=o.deployment, az=o.az) for o in news]
        self._lost = frozenset(lost)
        return news


def _is_well(found: Mapping[InstanceId, Finding], instance: InstanceId) -> bool:
    return instance not in found or found[instance].condition.is_well
