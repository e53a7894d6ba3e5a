"""The director on this machine: a daemon in the background, its state in the user's data directory."""

import os
import shlex
import sys

import click

from director.cli.commands.daemon import destroy as destroy_state
from director.cli.commands.daemon import facts, is_running, start, stop
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table, say, show
from director.cli.target import state_dir


@click.command(context_settings={"ignore_unknown_options": True})
def serve() -> None:
    """Runs a director in the foreground, configured by DIRECTOR_* variables (docs/settings.md)."""
    os.environ.setdefault("DIRECTOR_STATE_DIR", str(state_dir()))
    os.execv(sys.executable, [sys.executable, "-m", "director.main"])  # noqa: S606  (this process becomes it)


@click.group()
def local() -> None:
    """The director on this machine."""


@local.command("start")
def local_start() -> None:
    """Starts it in the background, unless it runs already."""
    say(f"The local director runs at {start()['url']}.")


@local.command("stop")
def local_stop() -> None:
    """Stops it. Its VMs and their jobs go on."""
    say("The local director is stopped; its VMs go on." if stop() else "The local director was not running.")


@local.command("status")
@pass_context
def local_status(context: Context, /) -> None:
    """Says whether it runs, where, and which limits this machine cannot enforce."""
    known = facts()
    if known is None or not is_running():
        raise CommandFailed("The local director is not running.", Exit.NO_DIRECTOR)
    rows = [
        {"key": "url", "value": str(known["url"])},
        {"key": "pid", "value": str(known["pid"])},
        {"key": "state", "value": str(state_dir())},
        {"key": "not enforced", "value": ", ".join(known["not_enforced"]) or "(every limit is enforced)"},
    ]
    show(Table(content="facts", header={"key": "Key", "value": "Value"}, rows=rows), as_json=context.as_json)


@local.command("env")
def local_env() -> None:
    """Prints what `bosh` and this command read: eval "$(director local env)"."""
    known = facts()
    if known is None:
        raise CommandFailed("The local director was never started: `director local start`.", Exit.NO_DIRECTOR)
    with open(known["client_secret_file"]) as file:  # noqa: PTH123  (one line, no Path at hand)
        secret = file.read().strip()
    values = {
        "BOSH_ENVIRONMENT": known["url"],
        "BOSH_CLIENT": known["client"],
        "BOSH_CLIENT_SECRET": secret,
        "BOSH_CA_CERT": known["ca_file"],
    }
    for name, value in values.items():
        say(f"export {name}={shlex.quote(str(value))}")


@local.command("destroy")
@pass_context
def local_destroy(context: Context, /) -> None:
    """Stops it and removes all it made: VMs, networks, disks, its record. Nothing can be brought back."""
    context.confirm(f"Remove every VM, disk and record of the local director in {state_dir()}?")
    destroy_state()
    say("The local director and everything it made are gone.")


@click.command()
@pass_context
def environment(context: Context, /) -> None:
    """Shows the director this command talks to."""
    info = context.director.get("/info")
    keys = ("name", "uuid", "version", "user", "cpi")
    row = {key: str(info[key] or "(not logged in)") for key in keys}
    header = {"name": "Name", "uuid": "UUID", "version": "Version", "user": "User", "cpi": "CPI"}
    show(Table(content="director", header=header, rows=[row]), as_json=context.as_json)
