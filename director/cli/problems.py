"""Problems as lines: where, what is wrong, what to do. The same for those a director found and those found here."""

from collections.abc import Mapping, Sequence
from typing import Any

from director.cli.errors import CommandFailed, Exit
from director.model.problem import Problem, Refused


def shown(problem: Mapping[str, Any]) -> str:
    """``file:line:column: error: what is wrong`` and, below it, what to do."""
    place = f"{problem['file']}:{problem['line']}:{problem['column']}: " if problem.get("file") else ""
    head = f"{place}{problem.get('severity', 'error')}: {problem.get('detail', '')}"
    return f"{head}\n    to fix it: {problem['fix']}" if problem.get("fix") else head


def refusal(problems: Sequence[Mapping[str, Any]]) -> CommandFailed:
    """Every problem, and how many; nothing was touched."""
    lines = [shown(problem) for problem in problems]
    if len(problems) > 1:
        errors = sum(1 for problem in problems if problem.get("severity") != "warning")
        lines.append(f"{errors} error{'s' if errors != 1 else ''}; nothing was changed.")
    codes = tuple(str(problem.get("code", "")) for problem in problems)
    return CommandFailed("\n".join(lines), Exit.BAD_INPUT, problems=codes)


def refused(error: Refused) -> CommandFailed:
    """What a reader of ours refused, as the command's end."""
    return refusal([_tree(problem) for problem in error.problems])


def _tree(problem: Problem) -> dict[str, object]:
    mark = problem.mark
    return {
        "code": problem.code,
        "file": mark.file if mark else "",
        "line": mark.line if mark else 0,
        "column": mark.column if mark else 0,
        "severity": problem.severity.value,
        "detail": problem.detail,
        "fix": problem.fix,
    }
