"""Follows a task to its end: a live view on a terminal, BOSH's lines in a pipe. Ctrl-C leaves the task running."""

import json
import time
from typing import Any, Final

import click

from director.cli.answer import Answer
from director.cli.client import PACE_S, RUNNING_STATES, WAIT_S, Client
from director.cli.context import Context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import is_terminal, say, show_json

TIME: Final = "%a %b %d %H:%M:%S UTC %Y"
ENDINGS: Final = {"error": "failed", "cancelled": "was cancelled", "timeout": "took too long", "cancelling": "ends"}


def task_of(answer: Answer) -> int:
    """The task a redirect points to."""
    number = answer.location.rpartition("/")[2]
    if not number.isdecimal():
        raise CommandFailed(f"The director began no task: it answered {answer.status}.")
    return int(number)


def run(context: Context, answer: Answer) -> dict[str, Any]:
    """Follows the task that ``answer`` began and returns it; with --json its end is all that is printed."""
    task = task_of(answer)
    ended = follow(context.director, task, quiet=context.as_json)
    said = [_plain(line) for line in context.director.output(task, "result", follow=False)]
    if context.as_json:
        show_json(lines=[f"Task {task} {ended['state']}", *said])
    else:
        for line in said:
            say(line)
    return ended


def follow(director: Client, task: int, *, quiet: bool = False) -> dict[str, Any]:
    """Shows the task until it ends and returns it. Raises CommandFailed unless it is done."""
    try:
        if not quiet:
            _show(director, task)
        ended = _ended(director, task)
    except KeyboardInterrupt:
        message = (
            f"\nTask {task} goes on. Follow it with `director task {task}`, stop it with `director cancel-task {task}`."
        )
        raise CommandFailed(message, Exit.INTERRUPTED) from None
    except CommandFailed as failed:
        if failed.code is not Exit.NO_DIRECTOR:
            raise
        message = f"{failed}\nHow task {task} ends is not known; once the director is back: `director task {task}`."
        raise CommandFailed(message, Exit.NO_DIRECTOR) from failed
    if not quiet:
        _tell_end(ended)
    if ended["state"] != "done":
        ending = ENDINGS.get(ended["state"], ended["state"])
        raise CommandFailed(f"Task {task} {ending}: {ended.get('result') or '(no reason given)'}")
    return ended


def _ended(director: Client, task: int) -> dict[str, Any]:
    headers = {"X-Director-Wait": str(WAIT_S)}
    while True:
        began = time.monotonic()
        found: dict[str, Any] = director.send("GET", f"/tasks/{task}", headers=headers).json()
        if found["state"] not in RUNNING_STATES:
            return found
        time.sleep(max(0.0, PACE_S - (time.monotonic() - began)))


def _show(director: Client, task: int) -> None:
    if is_terminal():
        from director.cli.live import live  # noqa: PLC0415  (rich is loaded only for a terminal)

        live(director, task)
        return
    printer = EventPrinter(task)
    for line in director.output(task, "event", follow=True):
        printer.show(line)


def _tell_end(ended: dict[str, Any]) -> None:
    """As ``bosh`` ends a task (6.3); a terminal has its summary already."""
    if not is_terminal():
        number, began, over = ended["id"], ended.get("started_at"), ended.get("timestamp")
        if began and over:
            click.echo(f"Task {number} Started  {time.strftime(TIME, time.gmtime(began))}")
            click.echo(f"Task {number} Finished {time.strftime(TIME, time.gmtime(over))}")
            click.echo(f"Task {number} Duration {_duration(over - began)}")
        click.echo(f"Task {number} {ended['state']}")


def _plain(line: str) -> str:
    """A result line that is a JSON text, as its text."""
    try:
        value = json.loads(line)
    except ValueError:
        return line
    return value if isinstance(value, str) else line


def event_of(line: str) -> dict[str, Any]:
    """The event in a line; what is none becomes a note, for no odd line may end the following."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"type": "note", "message": line}


class EventPrinter:
    """Event lines as ``bosh task`` prints them (6.3): one when a task of a stage begins, one when it ends."""

    def __init__(self, task: int) -> None:
        self.task = task
        self.began: dict[tuple[str, str], float] = {}

    def show(self, line: str) -> None:
        event = event_of(line)
        at = event.get("time") or 0
        if "error" in event:
            self._print(at, f"Error: {event['error']['message']}")
        elif "message" in event:
            self._print(at, f"{str(event.get('type', 'note')).capitalize()}: {event['message']}")
        else:
            self._stage(event, at)

    def _stage(self, event: dict[str, Any], at: float) -> None:
        stage, task, state = event.get("stage", ""), event.get("task", ""), event.get("state")
        tags = f" {', '.join(event['tags'])}" if event.get("tags") else ""
        name = f"{stage}{tags}: {task}"
        if state == "started":
            self.began[(stage, task)] = at
            self._print(at, name)
        elif state in {"finished", "failed"}:
            self._print(at, f"{name} ({_duration(at - self.began.get((stage, task), at))})")
            if state == "failed":
                click.echo(f"            L Error: {(event.get('data') or {}).get('error', '')}")

    def _print(self, at: float, text: str) -> None:
        click.echo(f"Task {self.task} | {time.strftime('%H:%M:%S', time.gmtime(at))} | {text}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
