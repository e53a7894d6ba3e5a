"""The record of requests: what was asked, by whom, and what came of it. Bounded; the oldest go first."""

from collections import Counter, deque
from typing import Final

from tests.nsxsim.problems import Json

KEPT_MAX: Final = 200_000


class Calls:
    def __init__(self) -> None:
        self.kept: deque[Json] = deque(maxlen=KEPT_MAX)
        self.count = 0

    def note(self, **said: object) -> None:
        self.count += 1
        self.kept.append({"n": self.count, **said})

    def reset(self) -> None:
        self.kept.clear()
        self.count = 0

    def shown(self) -> Json:
        """{count, by_status, by_method, calls[{n, at, seconds, method, path, query, status, code, user, manager}]}."""
        return {
            "count": self.count,
            "by_status": dict(sorted(Counter(str(each["status"]) for each in self.kept).items())),
            "by_method": dict(sorted(Counter(each["method"] for each in self.kept).items())),
            "calls": list(self.kept),
        }
