"""The managers of one cluster: which one is asked next, and which is left alone for a while. Sends nothing.

A manager that failed rests for a second, then two, up to a minute. When its rest is over the next call goes there,
one at a time until one comes through: that is the whole probe. Time is the running loop's.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

REST_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


class Manager:
    """``name`` is for an operator, ``in_flight`` what it has to answer to this client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = urlsplit(url).netloc
        self.in_flight = 0
        self._failures = 0
        self._failed_at = 0.0
        self._rests_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it may be asked as if nothing had happened; after a rest, by one at a time."""
        return self._failures == 0 or (_now() >= self._rests_until and self.in_flight == 0)

    @property
    def rests_until(self) -> float:
        return self._rests_until

    def rest(self, sent_at: float, *, at_least_s: float = 0.0) -> None:
        """It failed. Many calls sent before that was known are one failure."""
        if self._failures and sent_at < self._failed_at:
            return
        self._failures += 1
        self._failed_at = _now()
        rest_s = REST_S[min(self._failures, len(REST_S)) - 1]
        self._rests_until = self._failed_at + max(rest_s, min(at_least_s, REST_S[-1]))

    def came_through(self) -> None:
        self._failures = 0

    @contextmanager
    def visit(self) -> Iterator[None]:
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1


class Managers:
    def __init__(self, urls: Sequence[str]) -> None:
        self.all = tuple(Manager(url) for url in urls)

    def choose(self) -> Manager:
        """The open one with least in flight, the first named among equals.

        When all rest, the one whose rest ends first: somebody waits for an answer, and it may be back.
        """
        opened = [manager for manager in self.all if manager.is_open]
        if opened:
            return min(opened, key=lambda manager: manager.in_flight)
        return min(self.all, key=lambda manager: manager.rests_until)

    @property
    def has_open(self) -> bool:
        """Whether somebody may be asked at once."""
        return any(manager.is_open for manager in self.all)


def _now() -> float:
    return asyncio.get_running_loop().time()
