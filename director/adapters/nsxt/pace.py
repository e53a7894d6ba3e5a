"""When to ask about what NSX tells nobody of: about when it usually is done, then ever more seldom. Pure."""

from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 0.3
LEAST_S: Final = 0.1
PAUSE_MAX_S: Final = 5.0
GROWTH: Final = 1.6
_LEARNS: Final = 0.3
"""How much the newest wait counts in what is expected of the next."""
_SHRINKS: Final = 0.9
"""Done at the first question: perhaps the question could have come a little sooner."""


@dataclass(slots=True, kw_only=True)
class Pace:
    """``usual_s`` is the next first pause. Only pauses count: time in our own line of requests says nothing of NSX."""

    usual_s: float = FIRST_S

    def pause_s(self, asked: int) -> float:
        """The pause before the next question, ``asked`` having been asked."""
        return self.usual_s if asked == 0 else min(FIRST_S * GROWTH ** (asked - 1), PAUSE_MAX_S)

    def learn(self, asked: int, paused_s: float) -> None:
        """It was done at question ``asked``, after pauses of ``paused_s`` together."""
        if asked <= 1:
            self.usual_s = max(self.usual_s * _SHRINKS, LEAST_S)
        else:
            self.usual_s += _LEARNS * (min(paused_s, PAUSE_MAX_S) - self.usual_s)
