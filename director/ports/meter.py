"""Numbers about the director's own doing. Counting never fails and never waits."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeAlias

Reading: TypeAlias = Iterable[tuple[Mapping[str, str], float]]
"""What a gauge says now: labels and value, in any order."""


class Meter(Protocol):
    """Names are words with underscores and a unit where there is one: ``heartbeats``, ``step_seconds``.

    One name is one kind and has always the same labels. What its labels may hold is bounded: kinds, outcomes,
    infrastructures, never ids.
    """

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Adds ``by`` to a number that only grows."""
        ...

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """One more duration of this kind."""
        ...

    def gauge(self, name: str, read: Callable[[], Reading]) -> None:
        """``read`` is called on the loop whenever somebody looks and takes no time to speak of. The newest counts."""
        ...


class _Nothing:
    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Nothing is counted."""

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Nothing is kept."""

    def gauge(self, name: str, read: Callable[[], Reading]) -> None:
        """Nobody looks."""


NO_METER: Final[Meter] = _Nothing()
