"""Tasks: what the director did and does."""

import time
from typing import Any

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.follow import follow
from director.cli.show import Table, say, show

HEADER = {
    "id": "ID",
    "state": "State",
    "started_at": "Started At",
    "user": "User",
    "deployment": "Deployment",
    "description": "Description",
    "result": "Result",
}


@click.command()
@click.option("-r", "--recent", is_flag=False, flag_value="30", default="", help="Also ended ones, at most N.")
@click.option("-a", "--all", "is_all", is_flag=True, help="Also small ones: vms, logs.")
@pass_context
def tasks(context: Context, /, recent: str, is_all: bool) -> None:
    """Lists tasks that run or wait; with --recent those that ended too."""
    query: dict[str, object] = {"verbose": 2 if is_all else 1, "deployment": context.deployment}
    query |= {"limit": recent} if recent else {"state": "queued,processing,cancelling"}
    found = context.director.get("/tasks", **query)
    table = Table(content="tasks", header=HEADER, rows=[_row(task) for task in found])
    show(table, as_json=context.as_json)


def _row(task: dict[str, Any]) -> dict[str, str]:
    return {key: str(task.get(key) or "") for key in HEADER} | {"started_at": _time(task.get("started_at"))}


def _time(at: float | None) -> str:
    return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(at)) if at else ""


@click.command()
@click.argument("number", type=int, required=False)
@click.option("--debug", "kind", flag_value="debug", help="The debug log.")
@click.option("--event", "kind", flag_value="event", help="The raw event log.")
@click.option("--result", "kind", flag_value="result", help="The result.")
@click.option("--cpi", "kind", flag_value="cpi", help="The infrastructure log.")
@pass_context
def task(context: Context, /, number: int | None, kind: str | None) -> None:
    """Follows a task to its end (the newest running one by default), or prints one of its logs."""
    number = number or _newest(context)
    if kind is None:
        follow(context.director, number)
        return
    for line in context.director.output(number, kind, follow=False):
        say(line)


def _newest(context: Context) -> int:
    found = context.director.get("/tasks", state="queued,processing,cancelling", verbose=1, limit=1)
    if not found:
        raise CommandFailed("No task runs. Name one: `director tasks --recent` lists them.", Exit.BAD_INPUT)
    return int(found[0]["id"])


@click.command()
@click.argument("number", type=int)
@pass_context
def cancel_task(context: Context, /, number: int) -> None:
    """Stops a task at its next step boundary; what was done stays done."""
    context.director.send("DELETE", f"/task/{number}")
    say(f"Task {number} stops once the steps it is in have ended.")
