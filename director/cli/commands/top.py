"""The fleet, live."""

import sys
from typing import Any, Final

import click

from director.cli.commands.tasks import RUNNING
from director.cli.context import Context, pass_context
from director.cli.show import is_terminal, show_json

EVERY_S: Final = 2.0
TASKS_MAX: Final = 20


@click.command()
@click.option("--once", is_flag=True, help="Print one frame and end; without a terminal it does that anyway.")
@click.option("--every", type=click.FloatRange(min=0.5), default=EVERY_S, metavar="SECONDS", help="How often to look.")
@pass_context
def top(context: Context, /, once: bool, every: float) -> None:
    """Shows deployments, who is not well, vitals, tasks, repairs and the last alerts, live.

    End it with q or Ctrl-C.
    """
    from director.cli.top import frame, live, tables  # noqa: PLC0415  (it draws with rich, and its help does not)

    looks = Looks(context)
    if context.as_json:
        show_json(tables(looks.next()))
    elif once or not is_terminal():
        frame(looks.next())
    else:
        live(looks.next, every, sys.stdin)


class Looks:
    """Asks for what changes, and only for what is new of it: whatever is as before comes as an empty answer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tag = ""
        self._fleet: dict[str, Any] = {}
        self._events: list[dict[str, Any]] = []

    def next(self) -> dict[str, Any]:
        """Everything as it is now. Raises CommandFailed."""
        director, deployment = self._context.director, self._context.deployment
        return {
            "fleet": self._next_fleet(),
            "health": director.get("/health", deployment=deployment),
            "tasks": director.get("/tasks", state=RUNNING, deployment=deployment, limit=TASKS_MAX),
            "alerts": [one for one in director.get("/alerts") if deployment in {"", one["deployment"]}],
            "events": self._next_events(),
        }

    def _next_fleet(self) -> dict[str, Any]:
        headers = {"If-None-Match": self._tag} if self._tag else {}
        query: dict[str, object] = {"deployment": self._context.deployment}
        answer = self._context.director.send("GET", "/fleet", query=query, headers=headers, accept=(200, 304))
        if answer.status == 200:
            self._fleet, self._tag = answer.json(), answer.tag
        return self._fleet

    def _next_events(self) -> list[dict[str, Any]]:
        """Newest first; asked for since the newest that is known."""
        query: dict[str, object] = {"deployment": self._context.deployment}
        if self._events:
            query["after_time"] = max(0, self._events[0]["timestamp"] - 1)
        found = {one["id"]: one for one in [*self._events, *self._context.director.get("/events", **query)]}
        self._events = sorted(found.values(), key=lambda one: int(one["id"]), reverse=True)[:TASKS_MAX]
        return self._events
