"""Time for the simulator: the wall's, or one that tests move by hand. Timers only; nothing here polls."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """`now()` is seconds since the epoch; `later(delay_s, call)` calls once, at once when the delay is not above 0."""

    def now(self) -> float: ...
    def later(self, delay_s: float, call: Callable[..., object], *args: Any) -> Timer: ...


class _Done:
    def cancel(self) -> None:
        """Nothing to cancel: it was called at once."""


DONE = _Done()


class RealClock:
    """The wall's clock; timers run on the running event loop."""

    def now(self) -> float:
        return time.time()

    def later(self, delay_s: float, call: Callable[..., object], *args: Any) -> Timer:
        if delay_s <= 0:
            call(*args)
            return DONE
        return asyncio.get_running_loop().call_later(delay_s, call, *args)


class _Entry:
    __slots__ = ("args", "call", "cancelled")

    def __init__(self, call: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.call, self.args, self.cancelled = call, args, False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualClock:
    """Stands still until `advance(seconds)`, which fires what falls due, in order."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._order = itertools.count()
        self._due: list[tuple[float, int, _Entry]] = []

    def now(self) -> float:
        return self._now

    def later(self, delay_s: float, call: Callable[..., object], *args: Any) -> Timer:
        if delay_s <= 0:
            call(*args)
            return DONE
        entry = _Entry(call, args)
        heapq.heappush(self._due, (self._now + delay_s, next(self._order), entry))
        return entry

    def advance(self, seconds: float) -> None:
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            when, _, entry = heapq.heappop(self._due)
            self._now = when
            if not entry.cancelled:
                entry.call(*entry.args)
        self._now = until
