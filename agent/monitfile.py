"""Reads rendered monit files: the process checks in them, and of these what the agent acts on (1.13).

Resource and network tests (``if … then``), dependencies, schedules and other checks are read over: the agent
restarts what has ended and nothing else.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from agent.failure import Failed
from agent.program import START_TIMEOUT_S

_TOKEN: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|\#[^\n]*|[^\s"'\#=,]+""")
_UNITS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One ``check process``. Programs are argument lists; empty when the file gives none."""

    name: str
    pidfile: str = ""
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    start_timeout_s: float = START_TIMEOUT_S
    user: str = ""


def read(text: str, job: str) -> tuple[Check, ...]:
    """The process checks in the order of the file. Raises Failed, naming the job, for one without pid file or start."""
    words = [word for word in _TOKEN.findall(text) if not word.startswith("#")]
    return tuple(_check(block, job) for block in _blocks(words))


def _blocks(words: list[str]) -> Iterator[list[str]]:
    """The words of each process check, from its name on."""
    starts = [at for at, word in enumerate(words) if word.lower() == "check"] + [len(words)]
    for begin, end in pairwise(starts):
        if begin + 2 < len(words) and words[begin + 1].lower() == "process":
            yield words[begin + 2 : end]


def _check(words: list[str], job: str) -> Check:
    found: dict[str, tuple[str, ...]] = {}
    name, at = _word(words, 0), 1
    timeout_s, user = START_TIMEOUT_S, ""
    while at < len(words):
        word = words[at].lower()
        if word in ("start", "stop") and _is_program(words, at):
            found[word] = _command(_word(words, at + 2), job, name)
            at, options = _options(words, at + 3)
            if word == "start":
                timeout_s, user = _timeout_s(options), options.get("uid", "")
        elif word == "pidfile":
            found["pidfile"] = (_word(words, at + 1),)
            at += 2
        else:
            at = _after(words, at)
    if "pidfile" not in found or "start" not in found:
        raise Failed(f'job "{job}": its monit file gives process "{name}" no pidfile or no start program')
    return Check(
        name=name,
        pidfile=found["pidfile"][0],
        start=found["start"],
        stop=found.get("stop", ()),
        start_timeout_s=timeout_s,
        user=user,
    )


def _is_program(words: list[str], at: int) -> bool:
    return at + 2 < len(words) and words[at + 1].lower() == "program"


def _word(words: list[str], at: int) -> str:
    """Without the quotes it may stand in; "" past the end."""
    if at >= len(words):
        return ""
    word = words[at]
    return word[1:-1] if word[0] in "\"'" and word[0] == word[-1] else word


def _command(word: str, job: str, name: str) -> tuple[str, ...]:
    try:
        argv = tuple(shlex.split(word))
    except ValueError as error:
        raise Failed(f'job "{job}": a program of process "{name}" in its monit file: {error}') from error
    if not argv:
        raise Failed(f'job "{job}": a program of process "{name}" in its monit file is empty')
    return argv


def _options(words: list[str], at: int) -> tuple[int, dict[str, str]]:
    """``as uid X and gid Y with timeout N seconds``, in any order; where they end."""
    options: dict[str, str] = {}
    while at < len(words):
        word = words[at].lower()
        if word in ("as", "and", "with", "using"):
            at += 1
        elif word in ("uid", "gid"):
            options[word] = _word(words, at + 1)
            at += 2
        elif word == "timeout":
            options["timeout"] = _word(words, at + 1)
            options["unit"] = _word(words, at + 2).lower().rstrip("s")
            at += 3
        else:
            break
    return at, options


def _timeout_s(options: dict[str, str]) -> float:
    count = options.get("timeout", "")
    if not count.isdecimal():
        return START_TIMEOUT_S
    return int(count) * _UNITS.get(options.get("unit", ""), 1.0)


def _after(words: list[str], at: int) -> int:
    """Past a statement the agent does not act on. A test ends with its action, which may read ``start`` or ``stop``."""
    if words[at].lower() != "if":
        return at + 1
    while at < len(words) and words[at].lower() != "then":
        at += 1
    is_exec = _word(words, at + 1).lower() == "exec"
    return at + (3 if is_exec else 2)
