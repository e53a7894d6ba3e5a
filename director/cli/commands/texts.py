"""Reads a manifest or config as ``bosh`` does: ops files first, then variables; untouched text stays untouched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from director.cli.errors import CommandFailed, Exit

F = TypeVar("F", bound=Callable[..., Any])


def with_ops_and_vars(command: F) -> F:
    """Adds -o, -v, -l, --var-file, --vars-env to a command; it gets them as ``edits``."""
    for option in (
        click.option("-o", "--ops-file", "ops_files", multiple=True, type=click.Path(exists=True, dir_okay=False)),
        click.option("-v", "--var", "variables", multiple=True, help="name=value, the value as YAML."),
        click.option("--var-file", "var_files", multiple=True, help="name=path: the file's text."),
        click.option("-l", "--vars-file", "vars_files", multiple=True, type=click.Path(exists=True, dir_okay=False)),
        click.option("--vars-env", "vars_envs", multiple=True, help="Prefix of variables in the environment."),
    ):
        command = option(command)
    return command


def read_text(path: Path) -> str:
    """A file's text. Raises CommandFailed with what to do."""
    try:
        return path.read_text()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}.", Exit.BAD_INPUT) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path} is not UTF-8 text (byte {error.start}).", Exit.BAD_INPUT) from error


def edited(path: Path, edits: dict[str, tuple[str, ...]]) -> str:
    """The file's own text when nothing edits it (so that lines stay true), else the edited tree as YAML."""
    text = read_text(path)
    if not any(edits.values()):
        return text
    from director.cli.commands.edit import edit  # noqa: PLC0415  (only who edits pays for it)

    tree = edit(text, str(path), edits)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)
