"""Cloud, runtime, CPI, network and resurrection configs."""

from pathlib import Path
from typing import Any

import click

from director.cli.commands.texts import edited, edits_in, explained, with_ops_and_vars
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.problems import shown
from director.cli.show import say, say_plan, show_text

MARKS = {"added": "+", "removed": "-"}

path_argument = click.argument("path", metavar="CONFIG", type=click.Path(path_type=Path))
name_option = click.option("--name", default="default", help="Which of several.")
strict_option = click.option("--strict", is_flag=True, help="Unknown keys are errors.")


def _update(context: Context, kind: str, path: Path, options: dict[str, Any]) -> None:
    text = edited(path, edits_in(options))
    context.ensure_director()
    route, query = f"/{kind}_configs", {**options, "source": text.source}
    try:
        found = context.director.send_yaml("POST", f"{route}/diff", text.text, **query).json()
        if not any(change for _, change in found["diff"]):
            say("Nothing changed.", to_stderr=context.as_json)
            return
        if not context.is_non_interactive:
            say_plan("\n".join(f"{MARKS.get(change, ' ')} {line}" for line, change in found["diff"]))
            context.confirm("Continue?")
        kept = context.director.send_yaml("POST", route, text.text, **query).json() or {}
    except CommandFailed as failed:
        raise explained(text, failed) from None
    for warning in kept.get("warnings", []):
        say(shown(warning), to_stderr=True)
    say(f"The {kind} config is set.", to_stderr=context.as_json)


def _show(context: Context, kind: str, name: str) -> None:
    found = context.director.get(f"/{kind}_configs", name=name, limit=1)
    if not found:
        which = "" if name == "default" else f" named {name}"
        raise CommandFailed(f"There is no {kind} config{which}: set one with `director update-{kind}-config FILE`.")
    show_text(found[0]["properties"], as_json=context.as_json)


@click.command()
@path_argument
@name_option
@strict_option
@with_ops_and_vars
@pass_context
def update_cloud_config(context: Context, /, path: Path, **options: Any) -> None:
    """Sets the cloud config: zones, VM types, networks, disks.

    Shows what changes and asks, unless -n. Deployments take it up with their next deploy.
    """
    _update(context, "cloud", path, options)


@click.command()
@path_argument
@name_option
@strict_option
@with_ops_and_vars
@pass_context
def update_runtime_config(context: Context, /, path: Path, **options: Any) -> None:
    """Sets the runtime config: addons and tags of every deployment.

    Shows what changes and asks, unless -n. Deployments take it up with their next deploy.
    """
    _update(context, "runtime", path, options)


@click.command()
@path_argument
@name_option
@strict_option
@with_ops_and_vars
@pass_context
def update_cpi_config(context: Context, /, path: Path, **options: Any) -> None:
    """Sets the CPI config: further infrastructures, by names that AZs have as cpi.

    Shows what changes and asks, unless -n.
    """
    _update(context, "cpi", path, options)


@click.command()
@path_argument
@name_option
@strict_option
@with_ops_and_vars
@pass_context
def update_network_config(context: Context, /, path: Path, **options: Any) -> None:
    """Sets a network config: blocks and pools of addresses, routers, NAT, load balancers, groups, rules.

    Shows what changes and asks, unless -n. Nothing is made until `director apply-networks`.
    """
    _update(context, "network", path, options)


@click.command()
@name_option
@pass_context
def network_config(context: Context, /, name: str) -> None:
    """Shows a network config."""
    _show(context, "network", name)


@click.command()
@name_option
@pass_context
def delete_network_config(context: Context, /, name: str) -> None:
    """Deletes a network config. What was made of it stays until `director apply-networks --remove`."""
    context.confirm(f"Delete the network config {name}?")
    context.director.send("DELETE", "/configs", query={"type": "network", "name": name})
    say(
        "The network config is deleted; `director apply-networks --remove` removes what was made of it.",
        to_stderr=context.as_json,
    )


@click.command()
@name_option
@pass_context
def cpi_config(context: Context, /, name: str) -> None:
    """Shows the CPI config."""
    _show(context, "cpi", name)


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


@click.command()
@path_argument
@name_option
@strict_option
@with_ops_and_vars
@pass_context
def update_resurrection_config(context: Context, /, path: Path, **options: Any) -> None:
    """Sets a resurrection config: rules of which instance groups are repaired unasked, and which are not.

    Shows what changes and asks, unless -n. It counts at once. Where several rules apply, all of them must be on.
    """
    _update(context, "resurrection", path, options)


@click.command()
@name_option
@pass_context
def resurrection_config(context: Context, /, name: str) -> None:
    """Shows a resurrection config."""
    _show(context, "resurrection", name)


@click.command()
@name_option
@pass_context
def delete_resurrection_config(context: Context, /, name: str) -> None:
    """Deletes a resurrection config: its rules no longer count."""
    context.confirm(f"Delete the resurrection config {name}?")
    context.director.send("DELETE", "/configs", query={"type": "resurrection", "name": name})
    say("The resurrection config is deleted.", to_stderr=context.as_json)
