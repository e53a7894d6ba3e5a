"""Cloud and runtime configs."""

from pathlib import Path
from typing import Any

import click

from director.cli.commands.daemon import is_running, start
from director.cli.commands.texts import edited, with_ops_and_vars
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.show import say, show_json

path_argument = click.argument("path", type=click.Path(path_type=Path))
name_option = click.option("--name", default="default", help="Which of several.")


def _update(context: Context, kind: str, path: Path, name: str, edits: dict[str, Any]) -> None:
    if not context.environment and not is_running():
        say(f"No director is named: started the local one at {start()['url']}.", to_stderr=True)
    text = edited(path, edits)
    route = f"/{kind}_configs"
    found = context.director.send_yaml("POST", f"{route}/diff", text, source=str(path), name=name).json()
    changed = [line for line in found["diff"] if line[1]]
    if not changed:
        say("Nothing changed.")
        return
    if not context.is_non_interactive:
        _show_diff(found["diff"])
        context.confirm("Continue?")
    context.director.send_yaml("POST", route, text, source=str(path), name=name)
    say(f"The {kind} config is set.")


def _show_diff(diff: list[list[str]]) -> None:
    marks = {"added": ("+", "green"), "removed": ("-", "red"), None: (" ", None)}
    for line, change in diff:
        mark, colour = marks[change]
        click.secho(f"{mark} {line}", fg=colour)


def _show(context: Context, kind: str, name: str) -> None:
    found = context.director.get(f"/{kind}_configs", name=name, limit=1)
    if not found:
        raise CommandFailed(f"There is no {kind} config: set one with `director update-{kind}-config FILE`.")
    text = found[0]["properties"]
    if context.as_json:
        show_json(blocks=[text])
    else:
        say(text.rstrip("\n"))


@click.command()
@path_argument
@name_option
@with_ops_and_vars
@pass_context
def update_cloud_config(context: Context, /, path: Path, name: str, **edits: Any) -> None:
    """Sets the cloud config: zones, VM types, networks, disks."""
    _update(context, "cloud", path, name, edits)


@click.command()
@path_argument
@name_option
@with_ops_and_vars
@pass_context
def update_runtime_config(context: Context, /, path: Path, name: str, **edits: Any) -> None:
    """Sets the runtime config: addons and tags of every deployment."""
    _update(context, "runtime", path, name, edits)


@click.command()
@name_option
@pass_context
def cloud_config(context: Context, /, name: str) -> None:
    """Shows the cloud config."""
    _show(context, "cloud", name)


@click.command()
@name_option
@pass_context
def runtime_config(context: Context, /, name: str) -> None:
    """Shows the runtime config."""
    _show(context, "runtime", name)
