"""What was changed behind the director's back."""

from typing import Any, Final

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.show import Table, show

HEADER: Final = {
    "subject": "What",
    "deployment": "Deployment",
    "instance": "Instance",
    "recorded": "Recorded",
    "seen": "Seen",
    "fix": "To Do",
}


@click.command()
@pass_context
def drift(context: Context, /) -> None:
    """Compares VMs, disks and network objects with the record: what is gone, off, changed, moved or nobody's.

    Looks at all infrastructures and NSX-Ts, changes nothing. Ends with 1 when it found something.
    """
    found = context.director.get("/drift", deployment=context.deployment)
    unseen = [f"{_name(one['cpi'])} could not be looked at: {one['reason']}" for one in found["unseen"]]
    objects = f", {found['objects']} network objects" if found.get("objects") else ""
    notes = (*unseen, f"{found['vms']} VMs and {found['disks']} disks{objects} were looked at.")
    rows = [{key: str(one[key]) for key in HEADER} for one in found["drift"]]
    show(Table(content="differences", header=HEADER, rows=rows, notes=notes), as_json=context.as_json)
    if message := _message(found["drift"], unseen):
        raise CommandFailed(message)


def _name(cpi: str) -> str:
    return f"CPI {cpi}" if cpi else "The director's own infrastructure"


def _message(differences: list[dict[str, Any]], unseen: list[str]) -> str:
    """One line for standard error; nothing while all is as it should be."""
    parts = []
    if differences:
        parts.append("The world is not as recorded: the last column says what to do.")
    if unseen:
        parts.append("Not everything could be looked at.")
    return " ".join(parts)
