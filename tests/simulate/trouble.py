"""What may go wrong, and what was seen of it: fates of calls, lives of directors, the chronicle of one run."""

import hashlib
import random
from dataclasses import dataclass, field
from enum import Enum


class Killed(BaseException):
    """The process is gone: no handler may run after it."""


class Fate(Enum):
    DO = "done"
    FAIL = "failed"
    LOSE_REPLY = "done, and the reply lost"
    LATE = "done after nobody waits any more"
    FORGET = "said to be done"


@dataclass(slots=True, kw_only=True)
class Weather:
    """How likely what is, now. ``pace`` multiplies every delay."""

    fail: float = 0.0
    lose_reply: float = 0.0
    late: float = 0.0
    forget: float = 0.0
    agent_error: float = 0.0
    agent_silence: float = 0.0
    pace: float = 1.0
    is_down: bool = False
    """No call reaches the infrastructure at all."""


CALM = Weather()


@dataclass(slots=True, eq=False)
class Life:
    """One director process. Dead, it can neither read nor write nor call."""

    number: int
    is_dead: bool = False

    def check(self) -> None:
        if self.is_dead:
            raise Killed


@dataclass(slots=True)
class Chronicle:
    """Everything in order, with its virtual time; ``digest`` tells two runs apart."""

    lines: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def say(self, at: float, text: str) -> None:
        self.lines.append(f"{at:10.3f} {text}")

    def blame(self, at: float, text: str) -> None:
        """An invariant is broken."""
        self.say(at, f"VIOLATION {text}")
        self.violations.append(f"{at:.3f} {text}")

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()


class Dice:
    """One source of chance per purpose, so that one more throw of one does not change all others."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made: dict[str, random.Random] = {}

    def __getitem__(self, purpose: str) -> random.Random:
        if purpose not in self._made:
            self._made[purpose] = random.Random(f"{self._seed} {purpose}")
        return self._made[purpose]
