"""Questions at a terminal: a text, a secret, one or some of a list. Asks again until the answer will do."""

from collections.abc import Callable, Sequence
from typing import Final

import click

from director.cli.show import say

NOTHING_WRONG: Final = ""

Check = Callable[[str], str]
"""What is wrong with an answer; "" when it will do."""


def _anything(_: str) -> str:
    return NOTHING_WRONG


def ask_text(question: str, *, default: str = "", check: Check = _anything, may_be_empty: bool = False) -> str:
    while True:
        answer = str(
            click.prompt(question, default=default or ("" if may_be_empty else None), show_default=bool(default))
        )
        wrong = check(answer.strip())
        if not wrong:
            return answer.strip()
        say(wrong)


def ask_secret(question: str) -> str:
    return str(click.prompt(question, hide_input=True))


def ask_which(question: str, names: Sequence[str], *, default: str = "") -> list[str]:
    """Some of ``names``, by number (from 1) or name, separated by commas; ``all`` is every one."""
    found: list[str] = []

    def check(answer: str) -> str:
        found[:] = names if answer == "all" else [_named(part.strip(), names) for part in answer.split(",")]
        unknown = [part.strip() for part, name in zip(answer.split(","), found, strict=False) if not name]
        return f"{', '.join(unknown)} is not in the list: give numbers or names of it." if unknown else ""

    ask_text(question, default=default, check=check)
    return list(dict.fromkeys(found))


def ask_one(question: str, names: Sequence[str], *, default: str = "") -> str:
    while True:
        chosen = ask_which(question, names, default=default)
        if len(chosen) == 1:
            return chosen[0]
        say("Give one of them.")


def _named(part: str, names: Sequence[str]) -> str:
    if part in names:
        return part
    return names[int(part) - 1] if part.isdecimal() and 0 < int(part) <= len(names) else ""
