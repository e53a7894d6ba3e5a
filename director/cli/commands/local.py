"""The director on this machine: a daemon in the background, its state in the user's data directory."""

import os
import shlex

import click

from director.cli.commands import daemon
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table, say, show, show_json
from director.cli.target import local_facts, local_secret, state_dir


@click.command()
def serve() -> None:
    """Runs a director in the foreground, configured by DIRECTOR_* variables (docs/settings.md)."""
    os.environ.setdefault("DIRECTOR_STATE_DIR", str(state_dir()))
    os.execv(daemon.COMMAND[0], daemon.COMMAND)  # noqa: S606  (this process becomes it)


@click.group()
def local() -> None:
    """The director on this machine.

    All it has is in one directory: $DIRECTOR_STATE_DIR, else the user's data directory.
    """


@local.command("start")
def local_start() -> None:
    """Starts it in the background, unless it runs already."""
    say(f"The local director runs at {daemon.start()['url']}.")


@local.command("stop")
def local_stop() -> None:
    """Stops it. Its VMs and their jobs go on."""
    stopped = "The local director is stopped; its VMs go on."
    say(stopped if daemon.stop() else "The local director was not running.")


@local.command("status")
@pass_context
def local_status(context: Context, /) -> None:
    """Says whether it runs, where, and which limits this machine cannot enforce.

    Ends with 3 when it does not run.
    """
    known = daemon.running()
    if known is None:
        raise CommandFailed("The local director is not running: `director local start`.", Exit.NO_DIRECTOR)
    rows = [
        {"key": "url", "value": str(known["url"])},
        {"key": "pid", "value": str(known["pid"])},
        {"key": "state", "value": str(state_dir())},
        {"key": "not enforced", "value": "\n".join(known.get("not_enforced", ())) or "(every limit is enforced)"},
    ]
    show(Table(content="facts", header={"key": "Key", "value": "Value"}, rows=rows), as_json=context.as_json)


@local.command("env")
@pass_context
def local_env(context: Context, /) -> None:
    """Prints what `bosh` and this command read.

    Use it as: eval "$(director local env)"
    """
    known = local_facts()
    if known is None:
        raise CommandFailed("The local director was never started: `director local start`.", Exit.NO_DIRECTOR)
    values = {
        "BOSH_ENVIRONMENT": known["url"],
        "BOSH_CLIENT": known["client"],
        "BOSH_CLIENT_SECRET": local_secret(known),
        "BOSH_CA_CERT": known["ca_file"],
    }
    if context.as_json:
        rows = [{"name": name, "value": str(value)} for name, value in values.items()]
        show_json([Table(content="variables", header={"name": "Name", "value": "Value"}, rows=rows)])
        return
    for name, value in values.items():
        say(f"export {name}={shlex.quote(str(value))}")


@local.command("destroy")
@click.option("--forget-elsewhere", is_flag=True, help="Leave VMs and disks that are not on this machine behind.")
@pass_context
def local_destroy(context: Context, /, *, forget_elsewhere: bool) -> None:
    """Stops it and removes all it made on this machine: VMs, networks, disks, its record.

    Nothing of it can be brought back. While it has VMs or disks elsewhere (a vCenter, a CPI), nothing is removed:
    delete their deployments first.
    """
    context.confirm(f"Remove every VM, disk and record of the local director in {state_dir()}?")
    daemon.destroy(forgets_elsewhere=forget_elsewhere)
    say("The local director and everything it made are gone.")


@click.command()
@pass_context
def environment(context: Context, /) -> None:
    """Shows the director this command talks to."""
    info = context.director.get("/info")
    header = {"name": "Name", "uuid": "UUID", "version": "Version", "user": "User", "cpi": "CPI"}
    row = {key: str(info.get(key) or "") for key in header}
    row["user"] = row["user"] or "(not logged in)"
    show(Table(content="director", header=header, rows=[row], count=1), as_json=context.as_json)
