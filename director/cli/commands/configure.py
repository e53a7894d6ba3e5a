"""Sets an infrastructure up by asking, or from flags: checks everything there first, then writes two files."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from director.cli.commands.configure_nsxt import nsx_t
from director.cli.commands.texts import read_text
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.findings import count_wrong, show_findings
from director.cli.private_file import write_private
from director.cli.setup_program import PASSWORD_VARIABLE, ask_setup
from director.cli.show import say
from director.cli.target import state_dir
from director.cli.vsphere_answers import Given, gather, matching, parts_of, password_of
from director.cli.vsphere_files import Answers, cloud_config_text, infrastructure_text, properties_of

F = TypeVar("F", bound=Callable[..., Any])
FILE: Final = "infrastructure.yml"
"""What the director reads from its state directory when it starts."""


@click.group()
def configure() -> None:
    """Sets an infrastructure up: which one is the command's name."""


def _flags(command: F) -> F:
    for option in reversed(
        (
            click.option("--host", default="", metavar="HOST[:PORT]", help="vCenter's name or address."),
            click.option("--user", default="", help="The director's account, as in NAME@vsphere.local."),
            click.option(
                "--password-file",
                default="",
                metavar="FILE",
                help="Its first line is the password; - is standard input.",
            ),
            click.option("--password-stdin", is_flag=True, help="The password is standard input's first line."),
            click.option("--insecure", is_flag=True, help="Do not check who answers as vCenter."),
            click.option("--datacenter", default="", help="Needed where there are several."),
            click.option("--cluster", "clusters", multiple=True, help="A cluster for VMs; may be given several times."),
            click.option("--azs", default="", metavar="A,B,…", help="AZs' names, one for each cluster or one for all."),
            click.option("--datastore-pattern", default="", metavar="REGEX", help="Datastores for VMs."),
            click.option("--persistent-datastore-pattern", default="", metavar="REGEX", help="For persistent disks."),
            click.option("--network", default="", help="The port group or segment of VMs."),
            click.option("--range", "range_", default="", metavar="CIDR", help="Its addresses."),
            click.option("--gateway", default="", help="Its gateway; else its first address."),
            click.option("--dns", default="", metavar="A,B,…", help="DNS servers of VMs."),
            click.option("--reserved", default="", metavar="A-B,C,…", help="Addresses never to be given to VMs."),
            click.option(
                "--static", default="", metavar="A-B,C,…", help="Addresses given only where a manifest names them."
            ),
            click.option("--vm-folder", default="", help="Folder of VMs (BOSH_VMs)."),
            click.option("--template-folder", default="", help="Folder of stemcells (BOSH_Templates)."),
            click.option("--disk-path", default="", help="Folder of persistent disks on datastores (BOSH_Disks)."),
            click.option("--name", default="vcenter1", help="What the director calls it."),
            click.option(
                "--cloud-config",
                default="cloud-config-vsphere.yml",
                type=click.Path(path_type=Path),
                help="The cloud config to write.",
            ),
            click.option("-y", "--yes", is_flag=True, help="Overwrite files, and write them though checks failed."),
        )
    ):
        command = option(command)
    return command


configure.add_command(nsx_t)


@configure.command("vsphere")
@_flags
@pass_context
def vsphere(context: Context, /, **options: Any) -> None:
    """Sets the director up for a vCenter.

    Asks for what no flag says. Checks the login, the account's privileges and everything named, then writes
    infrastructure.yml into the director's state directory, for this user only since it holds the password, and a first
    cloud config. --ca-cert FILE names vCenter's certificate authority here. The password may also be in the environment
    variable DIRECTOR_VSPHERE_PASSWORD.
    """
    is_asking = sys.stdin.isatty() and not context.is_non_interactive
    given, config, says_yes = _given(context, options), options["cloud_config"], options["yes"]
    infrastructure = state_dir() / FILE
    there = [path for path in (infrastructure, config) if path.exists()]
    if there and not is_asking and not says_yes:
        names = " and ".join(map(str, there))
        raise CommandFailed(
            f"{names} would be overwritten: name another with --cloud-config, or say --yes.", Exit.BAD_INPUT
        )
    if not config.absolute().parent.is_dir():
        raise CommandFailed(f"{config.parent} is no directory to write {config.name} into.", Exit.BAD_INPUT)
    answers, seen = gather(given, is_asking=is_asking)
    properties = properties_of(answers)
    _check(answers, properties, seen, context, is_asking=is_asking, says_yes=says_yes)
    for path in there if is_asking and not says_yes else ():
        context.confirm(f"Overwrite {path}?")
    state_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(infrastructure, infrastructure_text(options["name"], properties))
    write_private(config, cloud_config_text(answers))
    _say_next(infrastructure, config, to_stderr=context.as_json)


def _given(context: Context, options: Mapping[str, Any]) -> Given:
    """``--ca-cert`` is a global flag, the director's CA elsewhere; only what is typed here can mean vCenter's."""
    source = click.get_current_context().find_root().get_parameter_source("ca_cert")
    ca_file = context.ca_cert if source is ParameterSource.COMMANDLINE else ""
    folders = {key: options[key] for key in ("vm_folder", "template_folder", "disk_path") if options[key]}
    return Given(
        host=options["host"],
        user=options["user"],
        password=password_of(
            file=options["password_file"],
            is_stdin=options["password_stdin"],
            variable=os.environ.get(PASSWORD_VARIABLE, ""),
        ),
        ca_certificate=ca_file if "BEGIN CERTIFICATE" in ca_file else read_text(Path(ca_file)) if ca_file else "",
        insecure=options["insecure"],
        datacenter=options["datacenter"],
        clusters=options["clusters"],
        datastore_pattern=options["datastore_pattern"],
        persistent_datastore_pattern=options["persistent_datastore_pattern"],
        network=options["network"],
        range=options["range_"],
        gateway=options["gateway"],
        folders=folders,
        **{key: parts_of(options[key]) for key in ("azs", "dns", "reserved", "static")},
    )


def _check(
    answers: Answers,
    properties: Mapping[str, Any],
    seen: Mapping[str, Any],
    context: Context,
    *,
    is_asking: bool,
    says_yes: bool,
) -> None:
    """Everything chosen and every privilege on it. Raises CommandFailed when it is not well and nobody says go on."""
    patterns = (answers.datastore_pattern, answers.persistent_datastore_pattern)
    stores = sorted({name for pattern in patterns for name in matching(pattern, seen)})
    question = {"do": "check", "properties": properties, "datastores": stores, "networks": [answers.network]}
    found = ask_setup(question)["findings"]
    show_findings(found, as_json=context.as_json)
    wrong = count_wrong(found)
    if not wrong or says_yes:
        return
    if not is_asking:
        raise CommandFailed(f"{wrong} of {len(found)} not well, so nothing was written; --yes writes all the same.")
    context.confirm("Write the files all the same?")


def _say_next(infrastructure: Path, config: Path, *, to_stderr: bool) -> None:
    say(
        f"Wrote {infrastructure} and {config}. Next:\n"
        "  export DIRECTOR_AGENTS_HOST=0.0.0.0 DIRECTOR_ADVERTISED_HOSTS=…   this machine's address as VMs know it\n"
        "  director local stop; director local start   (it takes the infrastructure up when it starts)\n"
        f"  director update-cloud-config {config}\n"
        "  director upload-stemcell FILE   (docs/vsphere.md tells which)\n"
        "  director doctor",
        to_stderr=to_stderr,
    )
