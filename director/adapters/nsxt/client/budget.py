"""How much one NSX user asks of one cluster at once, over all clients of this process. Sends nothing.

NSX counts requests by user: 100 a second and 40 in flight by its defaults, with 429 or 503 for what is more. Here at
most 80 a second and 32 in flight go out, first come, first served.

Note: other directors. Another process with the same user cannot be seen, only met: through NSX's 429. Each then halves
its share of both limits and takes it back slowly (as TCP does), so that several settle at a fair part of what NSX
gives. Answers to what was sent before the last halving say nothing new.

Time is the running loop's.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

RATE_S: Final = 80.0
"""Requests a second. NSX's own default limit is 100."""
IN_FLIGHT: Final = 32
"""NSX's own default limit is 40."""
BURST: Final = 8
"""What may go out at once after a rest: with the rate, 88 in any second."""
SHARE_MIN: Final = 1 / 16
"""5 requests a second, 2 in flight: slow, but never at a stand."""
HOLD_S: Final = 1.0
"""After a halving the share stays for so long, as NSX counts by the second."""
GROWTH_S: Final = 0.04
"""Of the whole, a second: 3.2 requests a second more each second; from half to whole in 12 s."""
REST_MAX_S: Final = 30.0
_INSTANT_S: Final = 1e-6
"""Less is rounding: a timer for it would come back to the same sum."""


class Budget:
    """``share`` is the part (0 to 1) of both limits that is used at present; ``waiting`` who stands in the line."""

    def __init__(self, *, rate_s: float = RATE_S, in_flight_max: int = IN_FLIGHT, burst: int = BURST) -> None:
        self._rate_s = rate_s
        self._in_flight_max = in_flight_max
        self._burst = float(burst)
        self._line: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        now = _now()
        self._tokens = self._burst
        self._filled = now
        self._slowed: float | None = None
        self._rests_until = now
        self._share = 1.0
        self.in_flight = 0

    @property
    def share(self) -> float:
        self._fill()
        return self._share

    @property
    def waiting(self) -> int:
        return len(self._line)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One request: waits in the line for it, however long that is, and holds it while it is in flight."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        self._move()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self._leave()
            raise
        try:
            yield
        finally:
            self._leave()

    def spend(self) -> None:
        """One request more within a turn (a login): never waits, those in the line do."""
        self._fill()
        self._tokens -= 1

    def slow_down(self, sent_at: float, *, rest_s: float = 0.0) -> None:
        """NSX said "too many" to a request sent at that time of the loop; ``rest_s`` is how long it wants peace."""
        now = _now()
        self._fill()
        self._rests_until = max(self._rests_until, now + min(rest_s, REST_MAX_S))
        if self._slowed is None or sent_at >= self._slowed:
            self._share = max(SHARE_MIN, self._share / 2)
            self._slowed = now
            self._tokens = min(self._tokens, 0.0)

    def _leave(self) -> None:
        self.in_flight -= 1
        self._move()

    def _move(self) -> None:
        """Lets go who may, and comes back by a timer when only time is missing."""
        self._fill()
        while self._line and self.in_flight < max(1, int(self._in_flight_max * self._share)):
            wait_s = max(self._rests_until - _now(), (1.0 - self._tokens) / (self._rate_s * self._share))
            if wait_s > _INSTANT_S:
                self._come_back(wait_s)
                return
            place = self._line.popleft()
            if not place.cancelled():
                self._tokens -= 1
                self.in_flight += 1
                place.set_result(None)

    def _come_back(self, wait_s: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._time_came)

    def _time_came(self) -> None:
        self._timer = None
        self._move()

    def _fill(self) -> None:
        now = _now()
        passed_s = now - self._filled
        self._filled = now
        self._tokens = min(self._burst, self._tokens + passed_s * self._rate_s * self._share)
        if self._slowed is not None:
            grew_s = max(0.0, min(passed_s, now - self._slowed - HOLD_S))
            self._share = min(1.0, self._share + grew_s * GROWTH_S)


def _now() -> float:
    return asyncio.get_running_loop().time()
