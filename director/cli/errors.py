"""How a command ends when it does not end well, and with which exit code (documented in docs/cli.md)."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    """The task or the request failed."""
    BAD_INPUT = 2
    """What was asked cannot be done as asked; nothing was touched."""
    NO_DIRECTOR = 3
    """No director answers, or it does not accept these credentials."""
    INTERRUPTED = 130
    """Ctrl-C. A task that was begun goes on."""


class CommandFailed(Exception):
    """Ends the command with ``message`` on standard error, and no traceback.

    ``problems`` are the codes of the problems it tells of, when a director or a reader found some.
    """

    def __init__(self, message: str, code: Exit = Exit.FAILED, *, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.problems = problems
