"""How the instances are, and what is done about those that are not well."""

from typing import Any, Final

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.show import Table, say, show, show_json

HEADER: Final = {
    "instance": "Instance",
    "state": "Condition",
    "since": "For",
    "evidence": "Seen",
    "remedy": "Remedy",
    "now": "Now",
}
FOR_PROGRAMS: Final = {
    "deployment": "Deployment",
    **HEADER,
    "id": "ID",
    "vm": "VM",
    "since_s": "Seconds",
    "hold": "Hold",
    "task": "Task",
}
COUNTS: Final = {"state": "Condition", "count": "Instances"}
TELLING_TIME: Final = frozenset({"hold.early", "hold.crash-loop"})
"""Holds whose reason says how long they last."""
STALE_S: Final = 60.0
"""The watch looks far more often; when it has not for so long, it cannot."""


@click.command()
@pass_context
def health(context: Context, /) -> None:
    """Shows how instances are: who is not well, since when, why, and what is done about it or holds it back.

    Shows what the director last saw; it looks by itself, all the time. Ends with 1 when an instance is not well, its
    repair is held back, or the director has not looked yet.
    """
    found = context.director.get("/health", deployment=context.deployment)
    names_deployment = not context.deployment and not context.as_json
    rows = [_row(one, names_deployment=names_deployment) for one in found["instances"]]
    notes = (_summary(found), _switch(found), *map(_sentence, found["doubts"]), *_stale(found))
    header = FOR_PROGRAMS if context.as_json else HEADER
    table = Table(content="not well", header=header, rows=rows, notes=tuple(note for note in notes if note))
    if context.as_json:
        counts = [{"state": name, "count": str(count)} for name, count in found["counts"].items()]
        show_json([Table(content="conditions", header=COUNTS, rows=counts), table])
    elif rows:
        show(table, as_json=False)
    else:
        for note in table.notes:
            say(note)
    if found["deployments"] and not found["looked"]:
        raise CommandFailed("It is not known yet how the instances are.")
    if rows:
        size = max(sum(found["counts"].values()), len(rows))
        raise CommandFailed(f"{len(rows)} of {size} {'instance is' if size == 1 else 'instances are'} not well.")


def _row(one: dict[str, Any], *, names_deployment: bool) -> dict[str, str]:
    name = f"{one['deployment']} {one['instance']}" if names_deployment else one["instance"]
    return {
        "deployment": one["deployment"],
        "id": one["id"],
        "vm": one["vm"] or "",
        "since_s": str(one["since_s"]),
        "hold": (one["hold"] or {}).get("code", ""),
        "task": "" if one["task"] is None else str(one["task"]),
        "instance": name,
        "state": one["condition"],
        "since": age(one["since_s"]),
        "evidence": "\n".join(one["evidence"]),
        "remedy": "" if one["remedy"] == "nothing" else one["remedy"],
        "now": _now(one),
    }


def _now(one: dict[str, Any]) -> str:
    """What is being done, or why nothing is; a hold's own words say what releases it."""
    if one["task"] is not None:
        return f"under way for {age(one['task_s'])}: task {one['task']}"
    if one["hold"] is not None:
        tells_time = one["hold"]["code"] in TELLING_TIME
        until = f"\nends by itself in {age(one['in_s'])}" if one["in_s"] and not tells_time else ""
        return f"held: {one['hold']['reason']}{until}"
    return "nothing is to be done" if one["remedy"] == "nothing" else "about to begin"


def _summary(found: dict[str, Any]) -> str:
    if not found["deployments"]:
        return "Nothing is deployed, so there is nothing to watch."
    if not found["looked"]:
        return "The director has just come up and has not looked yet."
    if not found["counts"]:
        return "There is no instance to watch."
    return ", ".join(f"{count} {name}" for name, count in found["counts"].items()) + "."


def _switch(found: dict[str, Any]) -> str:
    if not found["repairs"]:
        return "This director watches, but repairs nothing unasked: its settings say so."
    if not found["resurrection"]:
        return "Resurrection is off: nothing is repaired unasked. `director update-resurrection on` ends that."
    return "Resurrection is on."


def _stale(found: dict[str, Any]) -> tuple[str, ...]:
    if found["seen_s"] < STALE_S or not found["looked"]:
        return ()
    return (f"This was seen {age(found['seen_s'])} ago: the director could not look since.",)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"


def age(seconds: float) -> str:
    """The two largest parts: ``5s``, ``2m 5s``, ``3h 0m``, ``2d 4h``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s"))
    first = next((n for n, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2])
