"""A director's answer, and what an unwelcome one means for the command's end."""

import json
from dataclasses import dataclass
from typing import Any

from director.cli.errors import CommandFailed, Exit
from director.cli.problems import refusal

ASKED_WRONG = frozenset((400, 404, 410, 413, 422))
"""Nothing was begun: what was asked does not exist or cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``location`` is the path a redirect leads to, ``tag`` what to send back to be spared the same answer."""

    status: int
    body: bytes
    location: str = ""
    tag: str = ""

    def json(self) -> Any:
        """Raises CommandFailed when this is no JSON: whoever answered is no director."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError as error:
            said = self.body[:60].decode(errors="replace")
            message = f"The answer is not JSON, so this is hardly a director: {said!r}…"
            raise CommandFailed(message, Exit.NO_DIRECTOR) from error


def failure_of(answer: Answer, what: str) -> CommandFailed:
    """The director's problems, each with its place; its one description; or what little there is."""
    body = _tree(answer)
    code = Exit.BAD_INPUT if answer.status in ASKED_WRONG and body else Exit.FAILED
    problems = [problem for problem in body.get("problems") or [] if isinstance(problem, dict)]
    if problems:
        return refusal(problems)
    if body:
        return CommandFailed(str(body.get("description") or body), code)
    text = answer.body.decode(errors="replace").strip()[:500]
    return CommandFailed(f"{what} was answered with {answer.status}: {text or '(nothing)'}", code)


def _tree(answer: Answer) -> dict[str, Any]:
    """The body when it is a JSON object, else nothing."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
