"""Draws the networks: as SVG into a file or onto standard output, or as boxes in the terminal."""

import shutil
import sys
from pathlib import Path
from typing import Final

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import is_terminal, say, show_text

DEFAULT: Final = Path("networks.svg")
COLUMNS: Final = 110
"""Of a pipe, which has no width."""
COLOURS: Final = {"●": "green", "◐": "yellow", "✗": "red", "○": "bright_black"}


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The SVG to write; - is standard output."
)
@click.option("--text", "is_text", is_flag=True, help="Draw in the terminal.")
@click.option("--no-look", is_flag=True, help="Only what is recorded; ask no fabric.")
@pass_context
def network_map(context: Context, /, output: Path | None, is_text: bool, no_look: bool) -> None:
    """Draws routers, segments, NAT and load balancers with the instances on them.

    Writes networks.svg unless told otherwise; with --text it draws in the terminal.
    """
    if is_text and output is not None:
        raise CommandFailed("--text draws in the terminal, --output writes a file: give one of them.", Exit.BAD_INPUT)
    report = context.director.get("/networks", deployment=context.deployment, look=not no_look)
    if is_text:
        _draw_here(report, as_json=context.as_json)
        return
    from director.cli.network_views.picture import draw  # noqa: PLC0415  (--text needs none of it)

    svg = draw(report, f"Networks of {context.deployment}" if context.deployment else "Networks")
    if output == Path("-"):
        show_text(svg, as_json=context.as_json)
        return
    path = output or DEFAULT
    path.write_text(svg, encoding="utf-8")
    say(f"Wrote {path}: any browser shows it.", to_stderr=context.as_json)


def _draw_here(report: dict[str, object], *, as_json: bool) -> None:
    from director.cli.network_views.boxes import map_lines  # noqa: PLC0415

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else COLUMNS
    lines = list(map_lines(report, width))
    if as_json:
        show_text("\n".join(lines), as_json=True)
        return
    for line in lines:
        say(_coloured(line) if is_terminal() else line)


def _coloured(line: str) -> str:
    return "".join(click.style(char, fg=COLOURS[char]) if char in COLOURS else char for char in line)
