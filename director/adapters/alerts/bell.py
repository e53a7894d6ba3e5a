"""Takes alerts from whoever rings, drops what repeats, and hands the rest to every sink's own queue."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from director.adapters.alerts.lane import QUEUE_MAX, Lane
from director.adapters.alerts.repeats import Repeats, is_worse
from director.adapters.alerts.sink import Sink
from director.model.alert import Alert, Severity
from director.ports.clock import Clock
from director.ports.meter import NO_METER, Meter

RECENT_MAX: Final = 100
QUIET_S: Final = 900.0

log = structlog.get_logger()


class Bell:
    """Implements ``ports.alerts.Alerts``. Every alert that is not a repetition is also logged and kept for a look.

    ``least``: what is less severe goes to no sink. ``start`` inside the running loop; alerts rung before wait.
    """

    def __init__(
        self,
        sinks: Sequence[Sink] = (),
        *,
        clock: Clock,
        meter: Meter = NO_METER,
        quiet_s: float = QUIET_S,
        least: Severity = Severity.INFO,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        self._clock = clock
        self._meter = meter
        self._least = least
        self._repeats = Repeats(quiet_s)
        self._recent: deque[Alert] = deque(maxlen=RECENT_MAX)
        self._lanes = tuple(Lane(sink, clock=clock, meter=meter, queue_max=queue_max) for sink in sinks)
        meter.gauge("alerts_waiting", lambda: [({"sink": lane.sink.name}, float(len(lane))) for lane in self._lanes])

    def start(self) -> None:
        for lane in self._lanes:
            lane.start()

    def ring(self, alert: Alert) -> None:
        said = self._repeats.take(alert, self._clock.monotonic())
        if said is None:
            if not alert.is_over:
                self._meter.count("alerts_repeated", severity=alert.severity.value)
            return
        self._meter.count("alerts", severity=said.severity.value, is_over=str(said.is_over).lower())
        self._recent.append(said)
        _note(said)
        if not is_worse(self._least, said.severity):
            for lane in self._lanes:
                lane.put(said)

    def recent(self) -> tuple[Alert, ...]:
        """The last ones, newest first."""
        return tuple(reversed(self._recent))

    async def close(self) -> None:
        await asyncio.gather(*(lane.close() for lane in self._lanes))


def _note(alert: Alert) -> None:
    tell = log.info if alert.is_over or alert.severity is Severity.INFO else log.warning
    facts = {"severity": alert.severity.value, "code": alert.code, "subject": alert.subject, "words": alert.words}
    tell("an alert is over" if alert.is_over else "alert", **facts)
