"""Where the director says what a person should hear of."""

from typing import Final, Protocol

from director.model.alert import Alert


class Alerts(Protocol):
    def ring(self, alert: Alert) -> None:
        """Takes it on and returns at once: never blocks, never raises, whatever becomes of the delivery.

        The same condition (code and subject) told again soon is only counted; with ``is_over`` it is told to be over,
        if it was ever told.
        """
        ...


class _Nobody:
    def ring(self, alert: Alert) -> None:
        """Nobody listens."""


NO_ALERTS: Final[Alerts] = _Nobody()
