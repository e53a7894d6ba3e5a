"""An operator's mistake as a value: where it is, what is wrong, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """An error stops the pass before anything is touched; a warning is shown and the pass goes on."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mark:
    """A place in a text the operator wrote. Line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with what was asked.

    ``code`` is greppable and never reused (``manifest.unknown-network``); ``summary`` is fixed words
    without user data; ``detail`` is whole sentences with the offending value; ``fix`` an imperative.
    ``number`` is BOSH's numeric code where BOSH has one for this mistake (bosh-director.md appendix A).
    """

    code: str
    summary: str
    detail: str
    fix: str
    mark: Mark | None = None
    severity: Severity = Severity.ERROR
    number: int = 440001

    def __str__(self) -> str:
        where = f"{self.mark}: " if self.mark else ""
        return f"{where}{self.detail} To fix it: {self.fix}"


class Refused(Exception):
    """What was asked cannot be done as asked; carries every problem found, never only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))
