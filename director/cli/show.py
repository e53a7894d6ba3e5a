"""Puts tables and texts on the screen. The only place that knows rich, and it loads it only on a terminal."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``header`` maps a column's key to its title; each row has the same keys."""

    content: str
    header: Mapping[str, str]
    rows: Sequence[Mapping[str, str]]
    notes: tuple[str, ...] = ()


def is_terminal() -> bool:
    return sys.stdout.isatty()


def show(table: Table, *, as_json: bool) -> None:
    """One table: as ``bosh --json`` has it (6.3), drawn on a terminal, or as plain columns in a pipe."""
    if as_json:
        show_json([table])
    elif is_terminal():
        _draw(table)
    else:
        _print_plain(table)


def show_json(tables: Iterable[Table] = (), lines: Sequence[str] = (), blocks: Sequence[str] = ()) -> None:
    shaped = [
        {"Content": t.content, "Header": dict(t.header), "Rows": [dict(r) for r in t.rows], "Notes": list(t.notes)}
        for t in tables
    ]
    click.echo(json.dumps({"Tables": shaped, "Blocks": list(blocks) or None, "Lines": list(lines)}, indent=4))


def say(text: str, *, to_stderr: bool = False) -> None:
    click.echo(text, err=to_stderr)


def _print_plain(table: Table) -> None:
    keys = list(table.header)
    lines = [[table.header[key] for key in keys], *([row.get(key, "") or "-" for key in keys] for row in table.rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(keys))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    click.echo(f"{len(table.rows)} {table.content}")


def _draw(table: Table) -> None:
    from rich.console import Console  # noqa: PLC0415  (rich costs more than most commands; pipes never need it)
    from rich.table import Table as RichTable  # noqa: PLC0415

    drawn = RichTable(box=None, header_style="bold", pad_edge=False)
    for title in table.header.values():
        drawn.add_column(title, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(_coloured(key, row.get(key, "") or "-") for key in table.header))
    console = Console()
    console.print(drawn)
    console.print(f"[dim]{len(table.rows)} {table.content}[/dim]")
    for note in table.notes:
        console.print(note)


COLOURS = {
    "running": "green",
    "done": "green",
    "started": "green",
    "failing": "red",
    "error": "red",
    "unresponsive agent": "red",
    "starting": "yellow",
    "processing": "yellow",
    "cancelled": "yellow",
    "stopped": "dim",
}


def _coloured(key: str, text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415

    colour = COLOURS.get(text) if key in {"process_state", "state", "vm_state"} else None
    return f"[{colour}]{escape(text)}[/{colour}]" if colour else escape(text)
