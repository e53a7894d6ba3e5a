"""Reads a manifest or config as ``bosh`` does: ops files first, then variables; untouched text stays untouched."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from director.cli.errors import CommandFailed, Exit

F = TypeVar("F", bound=Callable[..., Any])
EDITS: Final = ("ops_files", "variables", "var_files", "vars_files", "vars_envs")
STDIN: Final = Path("-")

file_argument = click.Path(exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """``source`` is what problems call it. ``is_edited``: its lines are not those of the file any more."""

    text: str = field(repr=False)
    source: str
    is_edited: bool = False


def with_ops_and_vars(command: F) -> F:
    """Adds -o, -v, -l, --var-file, --vars-env to a command; it gets them as ``edits``."""
    for option in (
        click.option("--vars-env", "vars_envs", multiple=True, metavar="PREFIX", help="Take PREFIX_name variables."),
        click.option("-l", "--vars-file", "vars_files", multiple=True, type=file_argument, help="Names and values."),
        click.option("--var-file", "var_files", multiple=True, metavar="NAME=PATH", help="The file's text as value."),
        click.option("-v", "--var", "variables", multiple=True, metavar="NAME=VALUE", help="The value as YAML."),
        click.option("-o", "--ops-file", "ops_files", multiple=True, type=file_argument, help="Apply operations."),
    ):
        command = option(command)
    return command


def edits_in(options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Takes what ``with_ops_and_vars`` added out of a command's options."""
    return {name: options.pop(name) for name in EDITS}


def read_text(path: Path) -> str:
    """A file's text, its line ends as they are; ``-`` is standard input. Raises CommandFailed with what to do."""
    try:
        raw = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
        return raw.decode()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}.", Exit.BAD_INPUT) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path} is not UTF-8 text (byte {error.start}).", Exit.BAD_INPUT) from error


def edited(path: Path, edits: Mapping[str, tuple[str, ...]]) -> Text:
    """The file's own text when nothing edits it (so that lines stay true), else the edited tree as YAML."""
    text = read_text(path)
    if not any(edits.values()):
        return Text(text=text, source=str(path))
    # Only who edits pays for the reader and writer of YAML.
    from director.cli.commands.edit import edit  # noqa: PLC0415
    from director.manifest.write import write  # noqa: PLC0415

    return Text(text=write(edit(text, str(path), edits)), source=f"{path} (edited)", is_edited=True)


def explained(text: Text, failed: CommandFailed) -> CommandFailed:
    """The same failure; when it names lines of an edited text, it says where these can be seen."""
    if not (failed.problems and text.is_edited):
        return failed
    hint = "Lines are those of the edited text: `director interpolate` with the same flags shows it."
    return CommandFailed(f"{failed}\n{hint}", failed.code, problems=failed.problems)
