"""Follows a task to its end: a live view on a terminal, BOSH's lines in a pipe. Ctrl-C leaves the task running."""

import json
import time
from typing import Any

import click

from director.cli.client import Client
from director.cli.errors import CommandFailed, Exit
from director.cli.show import is_terminal


def task_of(location: str) -> int:
    """The task a redirect points to."""
    return int(location.rpartition("/")[2])


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
    if ended["state"] != "done":
        raise CommandFailed(f"Task {task} {ended['state']}: {ended['result']}")
    return ended


def _ended(director: Client, task: int) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = director.send("GET", f"/tasks/{task}", headers={"X-Director-Wait": "25"}).json()
        if found["state"] not in {"queued", "processing", "cancelling"}:
            return found


def _show(director: Client, task: int) -> None:
    if is_terminal():
        from director.cli.live import live  # noqa: PLC0415  (rich is loaded only for a terminal)

        live(director, task)
        return
    printer = EventPrinter(task)
    for line in director.output(task, "event", follow=True):
        printer.show(line)
    printer.end(_ended(director, task))


class EventPrinter:
    """Event lines as ``bosh task`` prints them (6.3): one when a task of a stage begins, one when it ends."""

    def __init__(self, task: int) -> None:
        self.task = task
        self.began: dict[tuple[str, str], int] = {}
        self.first: int | None = None

    def show(self, line: str) -> None:
        event = json.loads(line)
        at = event["time"]
        self.first = self.first or at
        if "error" in event:
            self._print(at, f"Error: {event['error']['message']}")
        elif "message" in event:
            self._print(at, f"{event['type'].capitalize()}: {event['message']}")
        else:
            self._stage(event, at)

    def _stage(self, event: dict[str, Any], at: int) -> None:
        key = (event["stage"], event["task"])
        name = f"{event['stage']}: {event['task']}"
        if event["state"] == "started":
            self.began[key] = at
            self._print(at, name)
        elif event["state"] in {"finished", "failed"}:
            took = _duration(at - self.began.get(key, at))
            self._print(at, f"{name} ({took})")
            if event["state"] == "failed":
                click.echo(f"            L Error: {event.get('data', {}).get('error', '')}")

    def end(self, task: dict[str, Any]) -> None:
        click.echo(f"Task {self.task} {task['state']}")

    def _print(self, at: int, text: str) -> None:
        click.echo(f"Task {self.task} | {time.strftime('%H:%M:%S', time.gmtime(at))} | {text}")


def _duration(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(seconds))
