"""Tasks: what the director did and does."""

import time
from typing import Any

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table, say, show, show_json

HEADER = {
    "id": "ID",
    "state": "State",
    "started_at": "Started At",
    "user": "User",
    "deployment": "Deployment",
    "description": "Description",
    "result": "Result",
}
RUNNING = "queued,processing,cancelling"


@click.command()
@click.option(
    "-r", "--recent", is_flag=False, flag_value="30", default="", metavar="[N]", help="The last N, 30 if bare."
)
@click.option("-a", "--all", "is_all", is_flag=True, help="Also small ones: lists of VMs, logs.")
@pass_context
def tasks(context: Context, /, recent: str, is_all: bool) -> None:
    """Lists tasks that run or wait; with --recent those that ended too."""
    limit = recent.removeprefix("=")
    if limit and not limit.isdecimal():
        raise CommandFailed(f"--recent {limit}: write a number.", Exit.BAD_INPUT)
    query: dict[str, object] = {"verbose": 2 if is_all else 1, "deployment": context.deployment}
    query |= {"limit": limit} if limit else {"state": RUNNING}
    rows = [_row(task) for task in context.director.get("/tasks", **query)]
    show(Table(content="tasks", header=HEADER, rows=rows), as_json=context.as_json)


def _row(task: dict[str, Any]) -> dict[str, str]:
    return {key: str(task.get(key) or "") for key in HEADER} | {"started_at": _time(task.get("started_at"))}


def _time(at: float | None) -> str:
    return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(at)) if at else ""


@click.command()
@click.argument("number", type=int, required=False, metavar="[TASK]")
@click.option("--debug", "kind", flag_value="debug", help="The debug log.")
@click.option("--event", "kind", flag_value="event", help="The raw event log.")
@click.option("--result", "kind", flag_value="result", help="The result.")
@click.option("--cpi", "kind", flag_value="cpi", help="The infrastructure log.")
@click.option("-a", "--all", "is_all", is_flag=True, help="Without TASK: the newest, also a small one.")
@pass_context
def task(context: Context, /, number: int | None, kind: str | None, is_all: bool) -> None:
    """Follows a task to its end, or prints one of its logs.

    Without TASK it is the newest that runs.
    """
    from director.cli.follow import follow  # noqa: PLC0415  (its help needs no connection)

    number = _newest(context, is_all=is_all) if number is None else number
    if kind is not None:
        for line in context.director.output(number, kind, follow=True):
            say(line)
        return
    ended = follow(context.director, number, quiet=context.as_json)
    if context.as_json:
        show_json([Table(content="tasks", header=HEADER, rows=[_row(ended)])])


def _newest(context: Context, *, is_all: bool) -> int:
    found = context.director.get("/tasks", state=RUNNING, verbose=2 if is_all else 1, limit=1)
    if not found:
        raise CommandFailed("No task runs. Name one: `director tasks --recent` lists them.", Exit.BAD_INPUT)
    return int(found[0]["id"])


@click.command()
@click.argument("number", type=int, metavar="TASK")
@pass_context
def cancel_task(context: Context, /, number: int) -> None:
    """Stops a task at its next step boundary.

    What was done stays done; the same command again goes on from there.
    """
    context.director.send("DELETE", f"/task/{number}")
    say(f"Task {number} stops once the steps it is in have ended.", to_stderr=context.as_json)
