"""Waiting that ends: what is asked again until it is so, with what was waited for when it never is."""

import sys
import time
from collections.abc import Callable

PAUSE_S = 0.2


class NotYet(Exception):
    """Not so now; the text says how it is."""


class GaveUp(SystemExit):
    """Ends the program with 1; its text goes to stderr."""


def until(what: str, limit_s: float, attempt: Callable[[], object], pause_s: float = PAUSE_S) -> object:
    """The first result of ``attempt`` that is no NotYet."""
    give_up_at = time.monotonic() + limit_s
    while True:
        try:
            return attempt()
        except NotYet as error:
            if time.monotonic() > give_up_at:
                raise GaveUp(f"waited {limit_s:.0f} s for {what}: {error}") from None
        time.sleep(pause_s)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
