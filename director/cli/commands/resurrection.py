"""The switch for all repairs unasked, and a person's word that a VM is dead."""

from typing import Any

import click

from director.cli.commands.states import one_slug_argument
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import say


@click.command()
@click.argument("switch", metavar="on|off", type=click.Choice(("on", "off")))
@pass_context
def update_resurrection(context: Context, /, switch: str) -> None:
    """Lets the director repair instances unasked, or not; for all deployments.

    For some of them a resurrection config does it.
    """
    context.director.send_json("PUT", "/resurrection", {"resurrection_paused": switch == "off"})
    said = "on" if switch == "on" else "off: nothing is repaired unasked"
    say(f"Resurrection is {said}.", to_stderr=context.as_json)


@click.command()
@one_slug_argument
@click.option("--reason", default="", metavar="TEXT", help="Why you know that it is dead; kept in the audit trail.")
@pass_context
def fence(context: Context, /, slug: str, reason: str) -> None:
    """Takes the VM of an instance for dead, so that it may be replaced although nobody can prove it.

    For a VM whose agent is silent and whose infrastructure does not answer. Make sure that it is off first: if it still
    runs, two VMs write to the same disks and use the same addresses. It is refused while its agent is connected.
    """
    path = _path(context, slug)
    vm = f"{_vm_of(context, slug)} of {slug}"
    context.confirm(f"{vm} will be taken for dead and replaced; if it is not dead, two of it may run.\nIs it dead?")
    answer = context.director.send_json("PUT", path, {"fence": True, "words": reason}).json()
    say(f"{answer['vm']} is taken for dead. `director unfence {slug}` takes that back.", to_stderr=context.as_json)


@click.command()
@one_slug_argument
@pass_context
def unfence(context: Context, /, slug: str) -> None:
    """Takes back that the VM of an instance is dead."""
    answer = context.director.send_json("PUT", _path(context, slug), {"fence": False}).json()
    say(f"{answer['vm']} is no longer taken for dead.", to_stderr=context.as_json)


def _path(context: Context, slug: str) -> str:
    group, _, instance = slug.partition("/")
    if not group or not instance:
        raise CommandFailed(f"{slug} names no single instance: write group/index or group/uuid.", Exit.BAD_INPUT)
    return context.path("instance_groups", group, instance, "fence")


def _vm_of(context: Context, slug: str) -> str:
    """How the question calls it. Whether it may be fenced is the director's to say."""
    group, _, which = slug.partition("/")
    found: list[dict[str, Any]] = context.director.get(context.path("instances"))
    mine = [one for one in found if one["job"] == group and which in {one["id"], str(one["index"])}]
    if not mine:
        raise CommandFailed(f"{context.need_deployment()} has no instance {slug}.", Exit.BAD_INPUT)
    cid = mine[0]["cid"]
    return f"VM {cid}" if cid else "The VM"
