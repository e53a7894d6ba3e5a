"""Waits between tries: full jitter, so that a director coming back is not met by every agent at once."""

import os
from collections.abc import Iterator

FIRST_S = 0.1
MAX_S = 10.0


def waits_s(first_s: float = FIRST_S, max_s: float = MAX_S) -> Iterator[float]:
    """Endless: each anywhere between 0 and a bound that doubles from ``first_s`` to ``max_s``."""
    bound_s = first_s
    while True:
        yield bound_s * int.from_bytes(os.urandom(4), "big") / 2**32
        bound_s = min(max_s, bound_s * 2)
