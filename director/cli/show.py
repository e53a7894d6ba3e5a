"""Puts tables and texts on the screen. The only place beside the live view that knows rich; loads it on a terminal."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``header`` maps a column's key to its title; of each row its keys are shown. Cells may have several lines.

    ``count`` is how many of ``content`` there are, when that is not the number of rows.
    """

    content: str
    header: Mapping[str, str]
    rows: Sequence[Mapping[str, str]]
    notes: tuple[str, ...] = ()
    count: int | None = None

    @property
    def trailer(self) -> str:
        return f"{len(self.rows) if self.count is None else self.count} {self.content}"


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
        {
            "Content": table.content,
            "Header": dict(table.header),
            "Rows": [{key: row.get(key, "") for key in table.header} for row in table.rows],
            "Notes": list(table.notes) or None,
        }
        for table in tables
    ]
    document = {"Tables": shaped or None, "Blocks": list(blocks) or None, "Lines": list(lines) or None}
    click.echo(json.dumps(document, indent=4))


def show_text(text: str, *, as_json: bool) -> None:
    """A whole text, such as a manifest."""
    if as_json:
        show_json(blocks=[text])
    else:
        say(text.removesuffix("\n"))


def say(text: str, *, to_stderr: bool = False) -> None:
    click.echo(text, err=to_stderr)


def _print_plain(table: Table) -> None:
    """One line per row, so that a pipe can work on it."""
    keys = list(table.header)
    lines = [[table.header[key] for key in keys], *([_flat(row.get(key, "")) for key in keys] for row in table.rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(keys))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for note in table.notes:
        click.echo(note)
    click.echo(table.trailer)


def _flat(cell: str) -> str:
    return ", ".join(cell.splitlines()) or "-"


def _draw(table: Table) -> None:
    from rich.console import Console  # noqa: PLC0415  (rich costs more than most commands; pipes never need it)
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = RichTable(box=None, header_style="bold", pad_edge=False)
    for number, (key, title) in enumerate(table.header.items()):
        # The first column says what the row is about, and half an address is none: the others give way.
        drawn.add_column(title, overflow="fold", no_wrap=number == 0 or key == "ips")
    for row in table.rows:
        drawn.add_row(*(Text(_cell(row, key), style=_style(key, row.get(key, ""))) for key in table.header))
    console = Console()
    console.print(drawn)
    console.print(Text("\n".join((*table.notes, table.trailer)), style="dim"))


def _cell(row: Mapping[str, str], key: str) -> str:
    """A dash for what is empty, nothing for what such a row never has."""
    return (row[key] or "-") if key in row else ""


COLOURS = {
    "running": "green",
    "done": "green",
    "started": "green",
    "failing": "red",
    "error": "red",
    "unresponsive agent": "red",
    "off": "red",
    "missing VM": "red",
    "no VM": "red",
    "without its disk": "red",
    "unknown": "red",
    "not answering": "yellow",
    "being changed": "yellow",
    "starting": "yellow",
    "processing": "yellow",
    "queued": "yellow",
    "cancelling": "yellow",
    "cancelled": "yellow",
    "stopped": "dim",
    "detached": "dim",
}


def _style(key: str, text: str) -> str:
    return COLOURS.get(text, "") if key in {"process_state", "state"} else ""


MARKS = {"+": "green", "-": "red", "±": "yellow", "~": "yellow", "!": "yellow"}


def say_plan(text: str) -> None:
    """A plan, or a comparison, with its marks coloured on a terminal."""
    for line in text.splitlines():
        mark = line.lstrip()[:2].rstrip() if line[:1] in {" ", *MARKS} else ""
        click.secho(line, fg=MARKS.get(mark))
