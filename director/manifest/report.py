"""Collects the problems of one document. Knows how a problem gets its place; decides nothing about manifests."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from director.manifest import faults
from director.manifest.document import Document, Path
from director.manifest.faults import Fault
from director.model.problem import Mark, Problem, Severity

PROBLEMS_MAX: Final = 500
"""Nobody reads more, and looking for likely words for each would take time that a hostile text could use up."""


class Enough(Exception):
    """So many problems were found that the check ends here; the last of them says so."""


@dataclass(slots=True)
class Report:
    """Problems of one document, with the path of each, so that a consequence of an earlier mistake is left out."""

    document: Document
    found: list[tuple[Path, Problem]] = field(default_factory=list)
    _broken: set[Path] = field(default_factory=set)

    def error(self, path: Path, fault: Fault, detail: str, fix: str) -> None:
        self.add(path, problem_of(fault, detail, fix, self.document.mark(path)))

    def warn(self, path: Path, fault: Fault, detail: str, fix: str) -> None:
        self.add(path, problem_of(fault, detail, fix, self.document.mark(path), Severity.WARNING))

    def at_key(self, path: Path, fault: Fault, detail: str, fix: str, severity: Severity = Severity.ERROR) -> None:
        """A problem of a key, not of its value."""
        self.add(path, problem_of(fault, detail, fix, self.document.key_mark(path), severity))

    def add(self, path: Path, problem: Problem) -> None:
        """Raises Enough when there are too many."""
        if len(self.found) >= PROBLEMS_MAX:
            detail = f"{self.document.file} has more than {PROBLEMS_MAX} problems; the rest is not shown."
            fix = "correct those told, then try again."
            self.found.append(((), problem_of(faults.TOO_MANY, detail, fix, self.document.mark(()))))
            raise Enough
        self.found.append((path, problem))
        if problem.severity is Severity.ERROR:
            self._broken.update(path[:length] for length in range(1, len(path) + 1))

    def words(self, path: Path) -> str:
        return self.document.words(path)

    def is_broken(self, path: Path) -> bool:
        """Whether an error stands at ``path`` or below it: what follows from it is not worth telling."""
        return path in self._broken

    def problems(self) -> tuple[Problem, ...]:
        """All of them in order; at a placeholder that was not filled in, only that."""
        unfilled = {path for path, problem in self.found if problem.code == faults.UNFILLED.code}
        return in_order(
            problem for path, problem in self.found if path not in unfilled or problem.code == faults.UNFILLED.code
        )


def problem_of(fault: Fault, detail: str, fix: str, mark: Mark | None, severity: Severity = Severity.ERROR) -> Problem:
    """A problem of a kind from the table, at a place."""
    return Problem(
        code=fault.code,
        summary=fault.summary,
        number=fault.number,
        detail=detail,
        fix=fix,
        mark=mark,
        severity=severity,
    )


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sorted by file and line, each once."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=_place))


def errors_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


def warnings_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.severity is Severity.WARNING)


def _place(problem: Problem) -> tuple[str, int, int, str, str]:
    mark = problem.mark
    where = (mark.file, mark.line, mark.column) if mark else ("", 0, 0)
    return (*where, problem.code, problem.detail)
