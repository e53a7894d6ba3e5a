"""Decides which alerts are worth sending: one condition once in a while, and its end once."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from director.model.alert import Alert, Severity

CONDITIONS_MAX: Final = 10_000
"""Conditions remembered; beyond it the one told longest ago is forgotten, and would be told again."""

_ORDER: Final = tuple(Severity)

Condition: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class _Told:
    """When it was last sent (monotonic seconds), when it began (wall clock), how often it rang since it was sent."""

    at: float
    since: float
    severity: Severity
    unsent: int = 0


class Repeats:
    """``quiet_s``: a condition that was sent is not sent again for so long, unless it became more severe."""

    def __init__(self, quiet_s: float, conditions_max: int = CONDITIONS_MAX) -> None:
        self._quiet_s = quiet_s
        self._conditions_max = conditions_max
        self._told: OrderedDict[Condition, _Told] = OrderedDict()

    def take(self, alert: Alert, now: float) -> Alert | None:
        """What is to be sent of it, with what was counted in between; None when nothing is. ``now`` is monotonic."""
        condition = (alert.code, alert.subject)
        if alert.is_over:
            return self._over(condition, alert)
        told = self._told.get(condition)
        if told is None:
            return self._first(condition, alert, now)
        if now - told.at < self._quiet_s and not is_worse(alert.severity, told.severity):
            told.unsent += 1
            return None
        said = _with(alert, repeated=told.unsent, since=told.since)
        told.at, told.unsent, told.severity = now, 0, alert.severity
        self._told.move_to_end(condition)
        return said

    def _first(self, condition: Condition, alert: Alert, now: float) -> Alert:
        self._told[condition] = _Told(at=now, since=alert.at, severity=alert.severity)
        if len(self._told) > self._conditions_max:
            self._told.popitem(last=False)
        return alert

    def _over(self, condition: Condition, alert: Alert) -> Alert | None:
        """Nobody wants to hear the end of what they never heard of; who heard of it hears the end."""
        told = self._told.pop(condition, None)
        if told is None:
            return None
        return _with(replace(alert, severity=told.severity), repeated=told.unsent, since=told.since)


def is_worse(one: Severity, other: Severity) -> bool:
    return _ORDER.index(one) > _ORDER.index(other)


def _with(alert: Alert, *, repeated: int, since: float) -> Alert:
    more = {"since": f"{since:.0f}"} | ({"repeated": str(repeated)} if repeated else {})
    return replace(alert, context={**alert.context, **more})
