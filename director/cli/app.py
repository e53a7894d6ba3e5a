"""The ``director`` command: global flags, and which file each command lives in.

A command's file is imported only when that command is used, so that a short command stays short.
Names and flags are those of ``bosh`` where it has them (bosh-director.md section 7).
"""

import importlib
import io
import sys
from difflib import get_close_matches

import click

from director.cli.arguments import with_globals_first
from director.cli.context import Context
from director.cli.errors import CommandFailed, Exit

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("local", "Run a director in the foreground"),
    "local": ("local", "The director on this machine: start, stop, status, env, destroy"),
    "environment": ("local", "Show the director this command talks to"),
    "deploy": ("deploy", "Make a deployment what its manifest says"),
    "plan": ("deploy", "Show what a deploy would do and why, touching nothing"),
    "deployments": ("deployments", "List deployments"),
    "manifest": ("deployments", "Show the manifest last deployed"),
    "delete-deployment": ("deployments", "Delete a deployment; its disks are kept as orphans"),
    "interpolate": ("interpolate", "Show a manifest with ops files and variables applied"),
    "instances": ("instances", "List instances and how they are"),
    "vms": ("instances", "List VMs and how they are"),
    "start": ("states", "Start instances"),
    "stop": ("states", "Stop instances; --hard removes their VMs"),
    "restart": ("states", "Restart the jobs of instances"),
    "recreate": ("states", "Replace the VMs of instances"),
    "ignore": ("states", "Let no deploy touch an instance"),
    "unignore": ("states", "Let deploys change an instance again"),
    "health": ("health", "Show who is not well, and what is done about it"),
    "update-resurrection": ("resurrection", "Let the director repair instances unasked, or not"),
    "fence": ("resurrection", "Take the VM of an instance for dead, so that it may be replaced"),
    "unfence": ("resurrection", "Take back that a VM is dead"),
    "logs": ("logs", "Fetch logs from instances"),
    "tasks": ("tasks", "List tasks"),
    "task": ("tasks", "Show or follow a task"),
    "cancel-task": ("tasks", "Stop a task at its next step boundary"),
    "upload-release": ("software", "Upload a release: an archive or a release directory"),
    "upload-stemcell": ("software", "Upload a stemcell"),
    "build-stemcell": ("stemcells", "Build a stemcell with the agent in it"),
    "releases": ("software", "List releases"),
    "inspect-release": ("compiled", "Show a release's jobs and packages, and what they are compiled for"),
    "export-release": ("compiled", "Download a release compiled for a stemcell"),
    "stemcells": ("software", "List stemcells"),
    "delete-release": ("software", "Delete a release"),
    "delete-stemcell": ("software", "Delete a stemcell"),
    "update-cloud-config": ("configs", "Set the cloud config"),
    "cloud-config": ("configs", "Show the cloud config"),
    "update-runtime-config": ("configs", "Set the runtime config"),
    "runtime-config": ("configs", "Show the runtime config"),
    "update-cpi-config": ("configs", "Set the CPI config: further infrastructures"),
    "cpi-config": ("configs", "Show the CPI config"),
    "update-network-config": ("configs", "Set a network config: what outlives deployments"),
    "network-config": ("configs", "Show a network config"),
    "delete-network-config": ("configs", "Delete a network config; apply-networks --remove takes its objects away"),
    "update-resurrection-config": ("configs", "Set a resurrection config: what may be repaired unasked"),
    "resurrection-config": ("configs", "Show a resurrection config"),
    "delete-resurrection-config": ("configs", "Delete a resurrection config"),
    "networks": ("networks", "Show routers, segments, NAT, load balancers and the instances on them"),
    "network-map": ("network_map", "Draw the networks, as SVG or in the terminal"),
    "apply-networks": ("networks", "Make what the network configs say"),
    "run-errand": ("errands", "Run an errand"),
    "errands": ("errands", "List errands"),
    "events": ("events", "What was done, when, by whom"),
    "variables": ("variables", "List generated variables"),
    "rotate-variable": ("variables", "Have a variable generated anew by the next deploy"),
    "watch": ("watch", "Keep deployments as wanted: apply or propose what changes"),
    "top": ("top", "Show the whole fleet, live"),
    "cloud-check": ("cloud_check", "Find lost VMs and disks, and choose what to do about each"),
    "create-recovery-plan": ("cloud_check", "Write down what to do about each kind of problem"),
    "recover": ("cloud_check", "Do what a recovery plan says"),
    "drift": ("drift", "Find what was changed behind the director's back"),
    "doctor": ("doctor", "Check a set-up end to end, and say what to do"),
    "configure": ("configure", "Set an infrastructure up: vsphere, nsx-t"),
    "disks": ("disks", "List orphaned disks"),
    "delete-disk": ("disks", "Delete an orphaned disk for good"),
    "clean-up": ("disks", "Delete releases, stemcells and disks that nothing uses"),
    "help": ("help", "Show this, or the help of a command"),
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
    "cck": "cloud-check",
    "cloudcheck": "cloud-check",
    "urc": "update-runtime-config",
    "rc": "runtime-config",
    "es": "errands",
    "env": "environment",
    "delr": "delete-release",
    "dels": "delete-stemcell",
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in ALIASES and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f'There is no command "{args[0]}".{_near(args[0])}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _near(word: str) -> str:
    near = get_close_matches(word, COMMANDS, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("-e", "--environment", envvar="BOSH_ENVIRONMENT", default="", help="Director's host or URL.")
@click.option("--ca-cert", envvar="BOSH_CA_CERT", default="", help="Its CA certificate: PEM text or a file.")
@click.option("--client", envvar="BOSH_CLIENT", default="", help="Client name.")
@click.option("--client-secret", envvar="BOSH_CLIENT_SECRET", default="", help="Client secret.")
@click.option("-d", "--deployment", envvar="BOSH_DEPLOYMENT", default="", help="Deployment name.")
@click.option("-n", "--non-interactive", envvar="BOSH_NON_INTERACTIVE", is_flag=True, help="Ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, shaped as bosh --json.")
@click.version_option(None, "-v", "--version", package_name="director")
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
    These options may also stand after the command.
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
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    """Runs the command; its failures are one message on standard error and a documented exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a narrow locale must not end a command
    try:
        code = cli(args=with_globals_first(sys.argv[1:]), prog_name="director", standalone_mode=False)
    except CommandFailed as failure:
        click.echo(failure, err=True)
        code = failure.code
    except click.ClickException as mistake:
        mistake.show()
        code = Exit.BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = Exit.INTERRUPTED
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"{error.filename}: {error.strerror}.", err=True)
        code = Exit.FAILED
    sys.exit(code)
