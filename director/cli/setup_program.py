"""Asks ``python -m director.setup`` about an infrastructure: one question, one answer, one process.

The question goes through a pipe, for it holds a password, which no process list or environment may show.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from director.cli.errors import CommandFailed

COMMAND: tuple[str, ...] = (sys.executable, "-m", "director.setup")
ANSWER_S: Final = 180.0
PASSWORD_VARIABLE: Final = "DIRECTOR_VSPHERE_PASSWORD"  # noqa: S105  (its name, not its value)
NSXT_PASSWORD_VARIABLE: Final = "DIRECTOR_NSXT_PASSWORD"  # noqa: S105  (likewise)
SECRET_VARIABLES: Final = frozenset((PASSWORD_VARIABLE, NSXT_PASSWORD_VARIABLE))


def ask_setup(question: Mapping[str, Any]) -> dict[str, Any]:
    """The answer. Raises CommandFailed with what the operator can put right, or with the program's last words."""
    answer = put_to_setup(question)
    if problem := answer.get("problem"):
        raise failed_with(problem)
    return answer


def failed_with(problem: Mapping[str, Any]) -> CommandFailed:
    fix = f"\n    to fix it: {problem['fix']}" if problem["fix"] else ""
    return CommandFailed(f"{problem['detail']}{fix}")


def put_to_setup(question: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, which may be a ``problem``. Raises CommandFailed when there is none."""
    environment = {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}
    try:
        done = subprocess.run(
            COMMAND,
            input=json.dumps(question),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_S,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{question.get('host', 'It')} did not answer within {ANSWER_S:g} s.") from None
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise CommandFailed(f"Looking at the infrastructure failed inside: {words[0]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
