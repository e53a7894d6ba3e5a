"""Since when the director can trust its own ears: it doubts itself before it doubts anybody else.

A stall of its loop (SIGSTOP, a starved machine) or a jump of time means that words may have come which it has not read
yet; its start means that agents are still on their way back (performance-reliability.md 4.5, 4.6, faults 9 and 11).
"""

from typing import Final

from director.planning.health import Moment
from director.ports.clock import Clock

TICK_S: Final = 1.0
LAG_S: Final = 2.0
"""A tick that comes so late was a stall."""
RECONNECT_S: Final = 30.0
"""Agents come back within this after a start or a stall."""


class Doubt:
    """Lives as long as the director. ``tick`` runs beside everything else, on the same loop."""

    def __init__(self, clock: Clock, *, reconnect_s: float = RECONNECT_S) -> None:
        self._clock = clock
        self._reconnect_s = reconnect_s
        self._trusted_since = clock.monotonic() + reconnect_s
        self._reason = (clock.monotonic(), "the director came up")
        self.lag_s = 0.0

    @property
    def moment(self) -> Moment:
        return Moment(now=self._clock.monotonic(), wall=self._clock.now(), trusted_since=self._trusted_since)

    @property
    def words(self) -> tuple[str, ...]:
        """Why it doubts itself now; none while it does not."""
        now = self._clock.monotonic()
        at, why = self._reason
        return (f"{why} {now - at:.0f} s ago",) if now < self._trusted_since else ()

    def begin_anew(self) -> None:
        """Agents are heard again after the director was cut off: who is silent now is so from now on."""
        self._trusted_since = max(self._trusted_since, self._clock.monotonic())

    async def tick(self) -> None:
        """Measures its own lateness, for ever."""
        while True:
            began, wall = self._clock.monotonic(), self._clock.now()
            await self._clock.sleep(TICK_S)
            passed_s = self._clock.monotonic() - began
            self.lag_s = max(0.0, passed_s - TICK_S)
            if self.lag_s > LAG_S:
                self._begin(f"the director stood still for {self.lag_s:.0f} s")
            elif abs(self._clock.now() - wall - passed_s) > LAG_S:
                self._begin("the clock jumped")

    def _begin(self, why: str) -> None:
        """What was silent meanwhile gets as long as after a start."""
        now = self._clock.monotonic()
        self._trusted_since = now + self._reconnect_s
        self._reason = (now, why)
