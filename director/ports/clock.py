"""Time and waiting, so that a test can own both."""

from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Wall clock, seconds since the epoch. For records and certificates, never for deadlines."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump. For deadlines and durations."""
        ...

    async def sleep(self, seconds: float) -> None: ...
