"""``director configure nsx-t``: puts an NSX-T beside the director's vCenter, or prints it for a CPI config."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from director.cli.commands.texts import read_text
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.findings import count_wrong, show_findings
from director.cli.nsxt_answers import AUTHS, TOPOLOGIES, Given, check, gather
from director.cli.nsxt_files import Connection, cpi_text, infrastructure_with, network_text, properties_of
from director.cli.private_file import write_private
from director.cli.problems import refused
from director.cli.setup_program import NSXT_PASSWORD_VARIABLE
from director.cli.show import say, show_json
from director.cli.target import state_dir
from director.cli.vsphere_answers import parts_of, password_of
from director.model.problem import Refused

F = TypeVar("F", bound=Callable[..., Any])
FILE: Final = "infrastructure.yml"
UNVERIFIED: Final = "NSX certificates"
"""The finding that --insecure asks for."""


def _flags(command: F) -> F:
    for option in reversed(
        (
            click.option("--host", "hosts", multiple=True, metavar="HOST[:PORT]", help="A manager; may be several."),
            click.option("--auth", type=click.Choice(AUTHS), default=None, help="How to log in: session unless said."),
            click.option("--user", default="", help="The director's account there."),
            click.option(
                "--password-file",
                default="",
                metavar="FILE",
                help="Its first line is the password; - is stdin.",
            ),
            click.option("--password-stdin", is_flag=True, help="The password is standard input's first line."),
            click.option("--certificate", default="", metavar="FILE", help="Of a principal identity."),
            click.option("--key", default="", metavar="FILE", help="Its private key, unencrypted."),
            click.option("--trust", "trusted", multiple=True, metavar="SHA256", help="A certificate to trust."),
            click.option("--insecure", is_flag=True, help="Do not check who answers as NSX-T."),
            click.option("--tier0", default="", help="Tier-0 that networks hang on."),
            click.option("--transport-zone", default="", help="Overlay transport zone of their segments."),
            click.option("--edge-cluster", default="", help="Where NAT and load balancers run."),
            click.option("--topology", type=click.Choice(TOPOLOGIES), default=None, help="Of the network shown."),
            click.option("--range", "range_", default="", metavar="CIDR", help="Its addresses."),
            click.option("--ip-block", "block", default="", help="Or the block they are carved from."),
            click.option("--ip-pool", "pool", default="", help="Pool of its address outside, for NAT."),
            click.option("--network", default="managed", help="Its name in the cloud config."),
            click.option("--azs", default="", metavar="A,B,…", help="Its AZs."),
            click.option("--cpi", "is_cpi", is_flag=True, help="Print it for a CPI config; write nothing."),
            click.option("-y", "--yes", is_flag=True, help="Replace what is there, and write though checks failed."),
        )
    ):
        command = option(command)
    return command


@click.command("nsx-t")
@_flags
@pass_context
def nsx_t(context: Context, /, **options: Any) -> None:
    """Sets the director up for an NSX-T beside its vCenter.

    Asks for what no flag says. Shows who answers, checks the login and what networks need, puts the connection into
    infrastructure.yml (only this user may read it) and prints a first managed network for the cloud config. --ca-cert
    FILE names NSX-T's certificate authority here. The password may also be in the environment variable
    DIRECTOR_NSXT_PASSWORD.
    """
    is_asking = sys.stdin.isatty() and not context.is_non_interactive
    path, says_yes = state_dir() / FILE, options["yes"]
    before = "" if options["is_cpi"] else _infrastructure(path, is_asking=is_asking, says_yes=says_yes)
    connection, choices = gather(_given(context, options), is_asking=is_asking)
    _check(connection, context, is_asking=is_asking, says_yes=says_yes)
    properties, network = properties_of(connection), network_text(choices)
    if options["is_cpi"]:
        _print([cpi_text(properties), network], as_json=context.as_json)
        return
    try:
        text = infrastructure_with(before, str(path), properties)
    except Refused as error:
        raise refused(error) from None
    if "nsxt:" in before and is_asking and not says_yes:
        context.confirm(f"Replace the NSX-T in {path}?")
    write_private(path, text)
    _print([network], as_json=context.as_json)
    say(NEXT.format(path=path), to_stderr=True)


NEXT: Final = """\
Wrote {path}. Next:
  director local stop; director local start   (it takes the NSX-T up when it starts)
  put the network above into your cloud config and set it: director update-cloud-config FILE
  director doctor"""


def _infrastructure(path: Path, *, is_asking: bool, says_yes: bool) -> str:
    """What is there already: NSX-T stands beside it. Raises CommandFailed."""
    if not path.exists():
        message = (
            f"There is no {path}: the VMs that NSX-T connects are a vCenter's. Run `director configure vsphere` first; "
            "--cpi prints it for a CPI config instead."
        )
        raise CommandFailed(message, Exit.BAD_INPUT)
    text = read_text(path)
    if "nsxt:" in text and not is_asking and not says_yes:
        raise CommandFailed(f"{path} has an NSX-T already: say --yes to replace it.", Exit.BAD_INPUT)
    return text


def _given(context: Context, options: Mapping[str, Any]) -> Given:
    """``--ca-cert`` is a global flag, the director's CA elsewhere; only what is typed here can mean NSX-T's."""
    source = click.get_current_context().find_root().get_parameter_source("ca_cert")
    ca_file = context.ca_cert if source is ParameterSource.COMMANDLINE else ""
    return Given(
        hosts=options["hosts"],
        auth=options["auth"] or "",
        user=options["user"],
        password=password_of(
            file=options["password_file"],
            is_stdin=options["password_stdin"],
            variable=os.environ.get(NSXT_PASSWORD_VARIABLE, ""),
        ),
        certificate=_pem(options["certificate"]),
        key=_pem(options["key"]),
        ca_certificate=_pem(ca_file),
        insecure=options["insecure"],
        trusted=options["trusted"],
        topology=options["topology"] or "",
        range=options["range_"],
        azs=parts_of(options["azs"]),
        **{key: options[key] for key in ("tier0", "transport_zone", "edge_cluster", "block", "pool", "network")},
    )


def _pem(given: str) -> str:
    return given if not given or "-----BEGIN" in given else read_text(Path(given))


def _check(connection: Connection, context: Context, *, is_asking: bool, says_yes: bool) -> None:
    """Raises CommandFailed when something is not well and nobody says go on."""
    found = check(connection)
    if not context.as_json:
        show_findings(found, as_json=False)
    wrong = count_wrong([one for one in found if connection.is_verified or one["subject"] != UNVERIFIED])
    if not wrong or says_yes:
        return
    if not is_asking:
        raise CommandFailed(f"{wrong} of {len(found)} not well, so nothing was written; --yes writes all the same.")
    context.confirm("Go on all the same?")


def _print(texts: list[str], *, as_json: bool) -> None:
    if as_json:
        show_json(blocks=texts)
        return
    for text in texts:
        say("")
        say(text.removesuffix("\n"))
