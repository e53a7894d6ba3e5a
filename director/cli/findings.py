"""Findings as lines: how something is and, when it is not well, what to do."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from director.cli.show import Table, is_terminal, say, show_json

HEADER: Final = {"mark": "", "subject": "What", "detail": "How It Is", "fix": "To Do"}
WELL, NOT_WELL = "✓", "✗"


def show_findings(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Each has ``subject``, ``is_well``, ``detail`` and ``fix``."""
    if as_json:
        rows = [{"mark": _mark(one), **{key: str(one[key]) for key in ("subject", "detail", "fix")}} for one in found]
        show_json([Table(content="findings", header=HEADER, rows=rows)])
        return
    for one in found:
        mark = click.style(_mark(one), fg="green" if one["is_well"] else "red") if is_terminal() else _mark(one)
        say(f"{mark} {one['subject']}: {one['detail']}")
        if one["fix"] and not one["is_well"]:
            say(f"    to fix it: {one['fix']}".replace("\n", "\n    "))


def count_wrong(found: Sequence[Mapping[str, Any]]) -> int:
    return sum(1 for one in found if not one["is_well"])


def _mark(one: Mapping[str, Any]) -> str:
    return WELL if one["is_well"] else NOT_WELL
