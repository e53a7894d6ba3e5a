"""Starting, stopping, restarting, replacing instances; keeping deploys away from them. Each is one deploy."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import say

F = TypeVar("F", bound=Callable[..., Any])

slug_argument = click.argument("slug", required=False, default="", metavar="[GROUP[/INSTANCE]]")
one_slug_argument = click.argument("slug", metavar="GROUP/INSTANCE")
skip_drain_option = click.option("--skip-drain", is_flag=True, help="Run no drain scripts.")
converge_option = click.option(
    "--converge/--no-converge", default=True, help="As bosh has them; either way only what is named changes state."
)


def with_limits(command: F) -> F:
    """Flags that override the manifest's update settings."""
    for option in (
        click.option("--max-in-flight", default="", metavar="N|N%", help="Override max_in_flight."),
        click.option("--canaries", default="", metavar="N|N%", help="Override canaries."),
        converge_option,
    ):
        command = option(command)
    return command


def _change(context: Context, slug: str, state: str, verb: str, options: dict[str, Any]) -> None:
    from director.cli.follow import run  # noqa: PLC0415  (its help needs no connection)

    del options["converge"]
    query = {**options, "state": state, "skip_drain": "*" if options.get("skip_drain") else ""}
    group, _, instance = slug.partition("/")
    parts = ("jobs", group or "*", *([instance] if instance else []))
    context.confirm(f"{verb} {slug or 'every instance'} of {context.need_deployment()}?")
    headers = {"Content-Type": "text/yaml"}
    run(context, context.director.send("PUT", context.path(*parts), query=query, headers=headers, body=b""))


@click.command()
@slug_argument
@with_limits
@pass_context
def start(context: Context, /, slug: str, **options: Any) -> None:
    """Starts instances: a group, one of its instances, or all."""
    _change(context, slug, "started", "Start", options)


@click.command()
@slug_argument
@click.option("--soft/--hard", "soft", default=True, help="Hard removes the VM too; disk and addresses are kept.")
@skip_drain_option
@with_limits
@pass_context
def stop(context: Context, /, slug: str, soft: bool, **options: Any) -> None:
    """Stops the jobs of instances: of a group, of one of its instances, or of all.

    They stay stopped, whatever is deployed, until `director start`.
    """
    _change(context, slug, "stopped" if soft else "detached", "Stop", options)


@click.command()
@slug_argument
@skip_drain_option
@with_limits
@pass_context
def restart(context: Context, /, slug: str, **options: Any) -> None:
    """Restarts the jobs of instances: of a group, of one of its instances, or of all."""
    _change(context, slug, "restart", "Restart", options)


@click.command()
@slug_argument
@click.option("--fix", is_flag=True, help="Also VMs whose agents do not answer.")
@click.option("--dry-run", is_flag=True, help="Plan only, as a task.")
@skip_drain_option
@with_limits
@pass_context
def recreate(context: Context, /, slug: str, **options: Any) -> None:
    """Replaces the VMs of instances; disks and addresses are kept."""
    _change(context, slug, "recreate", "Recreate", options)


def _ignore(context: Context, slug: str, *, flag: bool) -> None:
    group, _, instance = slug.partition("/")
    if not group or not instance:
        raise CommandFailed(f"{slug} names no single instance: write group/index or group/uuid.", Exit.BAD_INPUT)
    path = context.path("instance_groups", group, instance, "ignore")
    context.director.send_json("PUT", path, {"ignore": flag})
    said = "ignored: no deploy touches it" if flag else "no longer ignored"
    say(f"{slug} is {said}.", to_stderr=context.as_json)


@click.command()
@one_slug_argument
@pass_context
def ignore(context: Context, /, slug: str) -> None:
    """Lets no deploy touch an instance."""
    _ignore(context, slug, flag=True)


@click.command()
@one_slug_argument
@pass_context
def unignore(context: Context, /, slug: str) -> None:
    """Lets deploys change an instance again."""
    _ignore(context, slug, flag=False)
