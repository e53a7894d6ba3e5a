"""What was changed behind the director's back."""

from typing import Any, Final

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.show import Table, show, show_json

HEADER: Final = {
    "subject": "What",
    "deployment": "Deployment",
    "instance": "Instance",
    "recorded": "Recorded",
    "seen": "Seen",
    "fix": "To Do",
}


PLAN: Final = {
    "subject": "What",
    "deployment": "Deployment",
    "instance": "Instance",
    "kind": "Difference",
    "does": "Put Right By",
    "fix": "To Do By Hand",
}

REPAIRED: Final = ("recreate", "reboot", "set_back")
"""Ways that a repair takes; the others are a command's or a person's."""


@click.command()
@click.option(
    "--fix", is_flag=True, help="Repair what can be repaired, after showing it; tell what else there is to do."
)
@pass_context
def drift(context: Context, /, fix: bool) -> None:
    """Compares VMs, disks and network objects with the record: what is gone, off, changed, moved or nobody's.

    Looks at all infrastructures and NSX-Ts; without --fix it changes nothing. Ends with 1 when it found something.
    """
    found = context.director.get("/drift", deployment=context.deployment)
    unseen = [f"{_name(one['cpi'])} could not be looked at: {one['reason']}" for one in found["unseen"]]
    objects = f", {found['objects']} network objects" if found.get("objects") else ""
    notes = (*unseen, f"{found['vms']} VMs and {found['disks']} disks{objects} were looked at.")
    rows = [{key: str(one[key]) for key in HEADER} for one in found["drift"]]
    if fix and found["drift"]:
        _fix(context, found["drift"], notes, unseen)
        return
    show(Table(content="differences", header=HEADER, rows=rows, notes=notes), as_json=context.as_json)
    if message := _message(found["drift"], unseen):
        raise CommandFailed(message)


def _fix(context: Context, found: list[dict[str, Any]], notes: tuple[str, ...], unseen: list[str]) -> None:
    """One task for each deployment. Ends with 1 when something is left for a person, or could not be looked at."""
    from director.cli.follow import follow, task_of  # noqa: PLC0415  (its help needs no connection)

    mine = [one for one in found if one["way"] in REPAIRED]
    rest = [one for one in found if one["way"] not in REPAIRED]
    rows = [{**{key: str(one[key]) for key in PLAN}, "fix": ""} for one in mine]
    rows += [{key: str(one[key]) for key in PLAN} for one in rest]
    table = Table(content="differences", header=PLAN, rows=rows, notes=notes)
    if not context.as_json:
        show(table, as_json=False)
    if mine:
        down = any(one["way"] != "set_back" for one in mine)
        warning = " The instances are down while that is done." if down else ""
        context.confirm(f"Repair {len(mine)} of {len(found)} difference(s)?{warning}")
    ended = []
    for name in sorted({one["deployment"] for one in mine}):
        of_it = [{"kind": one["kind"], "subject": one["subject"]} for one in mine if one["deployment"] == name]
        task = task_of(context.director.send_json("PUT", "/drift", {"deployment": name, "differences": of_it}))
        state = follow(context.director, task, quiet=context.as_json)
        ended.append(f"Task {task} {state['state']}: {state.get('result') or ''}".rstrip(": "))
    if context.as_json:
        show_json([table], lines=ended)
    if message := _message(rest, unseen):
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
