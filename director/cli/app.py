"""The ``director`` command: global flags, and which file each command lives in.

A command's file is imported only when that command is used, so that a short command stays short.
Names and flags are those of ``bosh`` where it has them (bosh-director.md section 7).
"""

import importlib
import os
import sys

import click

from director.cli.context import Context
from director.cli.errors import CommandFailed, Exit

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("local", "Run a director in the foreground"),
    "local": ("local", "The director on this machine: start, stop, status, env, destroy"),
    "environment": ("local", "Show the director this command talks to"),
    "deploy": ("deploy", "Make a deployment what its manifest says"),
    "plan": ("deploy", "Show what a deploy would do and why, touching nothing"),
    "deployments": ("deploy", "List deployments"),
    "manifest": ("deploy", "Show the manifest last deployed"),
    "delete-deployment": ("deploy", "Delete a deployment; its disks are kept as orphans"),
    "interpolate": ("deploy", "Show a manifest with ops files and variables applied"),
    "instances": ("instances", "List instances and how they are"),
    "vms": ("instances", "List VMs and how they are"),
    "start": ("instances", "Start instances"),
    "stop": ("instances", "Stop instances; --hard removes their VMs"),
    "restart": ("instances", "Restart the jobs of instances"),
    "recreate": ("instances", "Replace the VMs of instances"),
    "ignore": ("instances", "Let no deploy touch an instance"),
    "unignore": ("instances", "Let deploys change an instance again"),
    "logs": ("instances", "Fetch logs from instances"),
    "tasks": ("tasks", "List tasks"),
    "task": ("tasks", "Show or follow a task"),
    "cancel-task": ("tasks", "Stop a task at its next step boundary"),
    "upload-release": ("software", "Upload a release: an archive or a release directory"),
    "upload-stemcell": ("software", "Upload a stemcell"),
    "releases": ("software", "List releases"),
    "stemcells": ("software", "List stemcells"),
    "delete-release": ("software", "Delete a release"),
    "delete-stemcell": ("software", "Delete a stemcell"),
    "update-cloud-config": ("configs", "Set the cloud config"),
    "cloud-config": ("configs", "Show the cloud config"),
    "update-runtime-config": ("configs", "Set the runtime config"),
    "runtime-config": ("configs", "Show the runtime config"),
    "run-errand": ("errands", "Run an errand"),
    "errands": ("errands", "List errands"),
    "events": ("events", "What was done, when, by whom"),
    "variables": ("variables", "List generated variables"),
    "rotate-variable": ("variables", "Have a variable generated anew by the next deploy"),
    "disks": ("disks", "List orphaned disks"),
    "delete-disk": ("disks", "Delete an orphaned disk for good"),
    "clean-up": ("disks", "Delete releases, stemcells and disks that nothing uses"),
}

ALIASES = {
    "d": "deploy",
    "ds": "deployments",
    "deps": "deployments",
    "deld": "delete-deployment",
    "man": "manifest",
    "int": "interpolate",
    "is": "instances",
    "t": "task",
    "ts": "tasks",
    "ct": "cancel-task",
    "ur": "upload-release",
    "us": "upload-stemcell",
    "rs": "releases",
    "ss": "stemcells",
    "ucc": "update-cloud-config",
    "cc": "cloud-config",
    "urc": "update-runtime-config",
    "rc": "runtime-config",
    "es": "errands",
    "env": "environment",
    "vars": "variables",
}


class Commands(click.Group):
    """Finds a command by name or alias and imports its file then."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"director.cli.commands.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-e", "--environment", envvar="BOSH_ENVIRONMENT", default="", help="Director's host or URL.")
@click.option("--ca-cert", envvar="BOSH_CA_CERT", default="", help="CA certificate: PEM text or a file.")
@click.option("--client", envvar="BOSH_CLIENT", default="", help="Client name.")
@click.option("--client-secret", envvar="BOSH_CLIENT_SECRET", default="", help="Client secret.")
@click.option("-d", "--deployment", envvar="BOSH_DEPLOYMENT", default="", help="Deployment name.")
@click.option("-n", "--non-interactive", envvar="BOSH_NON_INTERACTIVE", is_flag=True, help="Ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, shaped as bosh --json.")
@click.version_option(package_name="director")
@click.pass_context
def cli(
    ctx: click.Context,
    environment: str,
    ca_cert: str,
    client: str,
    client_secret: str,
    deployment: str,
    non_interactive: bool,
    as_json: bool,
) -> None:
    """Declares what VMs should run, and keeps it so.

    Without --environment it talks to the director on this machine; `director deploy` starts that one if need be.
    """
    ctx.obj = Context(
        environment=environment,
        client_name=client,
        client_secret=client_secret,
        ca_cert=ca_cert,
        deployment=deployment,
        as_json=as_json,
        is_non_interactive=non_interactive,
    )


def main() -> None:
    """Runs the command; its failures are one message on standard error and a documented exit code."""
    try:
        cli(args=_with_globals_first(sys.argv[1:]), prog_name="director", standalone_mode=False)
    except CommandFailed as failure:
        click.echo(failure, err=True)
        sys.exit(failure.code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as mistake:
        mistake.show()
        sys.exit(Exit.BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAILED)


VALUED = {"-e", "--environment", "--ca-cert", "--client", "--client-secret", "-d", "--deployment"}
FLAGS = {"-n", "--non-interactive", "--json"}


def _with_globals_first(args: list[str]) -> list[str]:
    """``bosh`` takes global flags after the command too; click wants them before it."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            return [*first, *rest, word, *words]
        name = word.partition("=")[0]
        if word in FLAGS or (name in VALUED and "=" in word):
            first.append(word)
        elif word in VALUED:
            first += [word, next(words, "")]
        else:
            rest.append(word)
    return [*first, *rest]
