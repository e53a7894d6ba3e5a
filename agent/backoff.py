"""Waits between tries: full jitter, so that a director coming back is not met by every agent at once.

A director that was killed is back within seconds, and whatever it was doing waits for the agents: for the first
``BRIEF_TRIES`` they come back within ``BRIEF_S`` of it. One that is away for longer is asked more seldom.
"""

import os
from collections.abc import Iterator

FIRST_S = 0.1
BRIEF_S = 2.0
BRIEF_TRIES = 60
"""About a minute. 10 000 agents that dial at once are all let in within 7 s (performance-reliability.md 0.4)."""
MAX_S = 10.0


def waits_s(first_s: float = FIRST_S, brief_s: float = BRIEF_S, max_s: float = MAX_S) -> Iterator[float]:
    """Endless: each anywhere between 0 and a bound that doubles from ``first_s`` to ``brief_s``, later to ``max_s``."""
    bound_s, tries = first_s, 0
    while True:
        yield bound_s * int.from_bytes(os.urandom(4), "big") / 2**32
        tries += 1
        bound_s = min(brief_s if tries < BRIEF_TRIES else max_s, bound_s * 2)
