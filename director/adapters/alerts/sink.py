"""A way by which alerts leave the director, and how it fails."""

from collections.abc import Sequence
from typing import Protocol

from director.model.alert import Alert
from director.ports.failure import Failure


class SinkFailure(Failure):
    """These alerts could not be delivered. ``retry`` says whether the same ones may be tried again."""


class Sink(Protocol):
    """One lane calls ``deliver``, and never twice at once."""

    @property
    def name(self) -> str:
        """``webhook``, ``mail``, ``program``: for logs and numbers."""
        ...

    @property
    def pace_s(self) -> float:
        """The least time between two deliveries that worked: what comes meanwhile goes together."""
        ...

    async def deliver(self, alerts: Sequence[Alert]) -> None:
        """All of them, oldest first, within a deadline of its own. Raises SinkFailure, or is cancelled."""
        ...

    async def close(self) -> None: ...
