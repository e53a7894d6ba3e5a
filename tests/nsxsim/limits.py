"""How much one user, and all users, may ask at once: 429 and 503. Reference 5.4 and 5.9."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.nsxsim.clock import Clock
from tests.nsxsim.problems import Refusal
from tests.nsxsim.settings import Settings


class Limits:
    """A bucket of `rate_per_s` requests per user that fills evenly, and counts of requests under way."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self.clock, self.settings = clock, settings
        self._buckets: dict[str, tuple[float, float]] = {}
        self._in_flight: dict[str, int] = {}
        self._all = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Counts a request of anybody's. Raises 503 when the managers are overloaded."""
        most = self.settings.overload_in_flight_max
        if most and self._all >= most:
            raise Refusal(503, 503, "The service is overloaded", module="common-services", headers={"Retry-After": "1"})
        self._all += 1
        try:
            yield
        finally:
            self._all -= 1

    @contextmanager
    def of(self, user: str) -> Iterator[None]:
        """Counts a request of one user's. Raises 429 over the rate or over the number at once."""
        most = self.settings.in_flight_max
        under_way = self._in_flight.get(user, 0)
        if most and under_way >= most:
            raise self._too_many(user, f"{most} concurrent requests")
        self._take(user)
        self._in_flight[user] = under_way + 1
        try:
            yield
        finally:
            self._in_flight[user] -= 1

    def _take(self, user: str) -> None:
        rate = self.settings.rate_per_s
        if not rate:
            return
        now = self.clock.now()
        tokens, since = self._buckets.get(user, (float(rate), now))
        tokens = min(float(rate), tokens + (now - since) * rate)
        if tokens < 1:
            self._buckets[user] = (tokens, now)
            raise self._too_many(user, f"{rate} requests per second")
        self._buckets[user] = (tokens - 1, now)

    def _too_many(self, user: str, limit: str) -> Refusal:
        return Refusal(
            429,
            102,
            f"Client '{user}' exceeded request rate of {limit}.",
            module="common-services",
            headers={"Retry-After": "1"},
        )
