"""The live view of a task: what runs and for how long, what waits and for what, what is done.

Note: two threads. rich redraws on a thread of its own while lines arrive here; one lock keeps them apart.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from director.cli.client import Client
from director.cli.follow import event_of

RUNNING_MAX: Final = 12
WAITING_MAX: Final = 5
"""Rows. More than these scroll on a small terminal; the rest is counted."""
CAUSES_MAX: Final = 3
GATE: Final = "gate:"
ENDS: Final = ("done", "failed", "skipped", "cancelled")


def live(director: Client, task: int, console: Console | None = None) -> None:
    """Redraws until the task ends, then leaves a summary, every warning and every failure on the screen."""
    console = console or Console()
    view = View(task)
    with Live(view, console=console, refresh_per_second=8, transient=True):
        for line in director.output(task, "progress", follow=True):
            view.take(line)
    for line in director.output(task, "event", follow=False):
        aside = aside_of(event_of(line))
        if aside is not None:
            console.print(aside)
    console.print(view.end_line())


def aside_of(event: dict[str, Any]) -> Text | None:
    """What of an event stays on the screen; the error of the whole task is told by the command's own end."""
    if "message" in event:
        return Text(f"{str(event.get('type', 'note')).capitalize()}: {event['message']}", style="yellow")
    if event.get("state") == "failed":
        error = (event.get("data") or {}).get("error", "")
        return Text(f"{event.get('stage', '')}: {event.get('task', '')} failed: {error}", style="red")
    return None


class View:
    """Everything the progress lines have said so far; rich draws it whenever it likes."""

    def __init__(self, task: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.task = task
        self._clock = clock
        self._lock = Lock()
        self._started = clock()
        self._steps: dict[str, dict[str, Any]] = {}
        self._states: dict[str, str] = {}
        self._began: dict[str, float] = {}
        self._ended: Counter[str] = Counter()

    def take(self, line: str) -> None:
        """A progress line; one that says nothing to us is passed over."""
        try:
            said = json.loads(line)
        except ValueError:
            return
        if isinstance(said, dict):
            with self._lock:
                self._take(said)

    def _take(self, said: dict[str, Any]) -> None:
        if "steps" in said:
            self._steps = {step["key"]: step for step in said["steps"]}
            self._states, self._began = {}, {}
        elif "step" in said and "state" in said:
            key, state = said["step"], said["state"]
            self._states[key] = state
            self._ended[state] += state != "began"
            self._began.setdefault(key, self._clock())

    def __rich__(self) -> Group:
        with self._lock:
            return Group(self._head(), self._rows())

    def end_line(self) -> Text:
        said = ", ".join(f"{self._ended[end]} {end}" for end in ENDS if self._ended[end])
        return Text(f"Task {self.task} took {self._elapsed():.1f} s" + (f": {said}" if said else ""), style="dim")

    def _elapsed(self) -> float:
        return self._clock() - self._started

    def _head(self) -> Table:
        head = Table.grid(padding=(0, 1))
        minutes, seconds = divmod(int(self._elapsed()), 60)
        took = f"{minutes:02}:{seconds:02}"
        if not self._steps:
            head.add_row(f"Task {self.task}", "is being prepared, or waits for its turn", took)
            return head
        total = sum(1 for key in self._steps if not key.startswith(GATE))
        done = sum(1 for state in self._states.values() if state != "began")
        bar = ProgressBar(total or 1, min(done, total), width=30)
        head.add_row(f"Task {self.task}", bar, f"{done}/{total} steps", took, *self._failures())
        return head

    def _failures(self) -> list[str]:
        return [f"[red]{self._ended['failed']} failed[/]"] if self._ended["failed"] else []

    def _rows(self) -> Table:
        running = [key for key, state in self._states.items() if state == "began"]
        waiting = self._waiting({_subject(key) for key in running})
        table = Table.grid(padding=(0, 1), expand=bool(running or waiting))
        table.add_column()
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=3)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=4)
        table.add_column(justify="right", no_wrap=True)
        for key in running[:RUNNING_MAX]:
            age = f"{self._clock() - self._began[key]:.0f} s"
            table.add_row(Text("▸", "yellow"), Text(_subject(key)), Text(self._does(key)), age)
        _add_rest(table, len(running) - RUNNING_MAX, "run")
        for subject, causes in list(waiting.items())[:WAITING_MAX]:
            said = Text(f"waits for {_listed(causes)}", "dim")
            table.add_row(Text("·", "dim"), Text(subject, "dim"), said, "")
        _add_rest(table, len(waiting) - WAITING_MAX, "wait")
        return table

    def _waiting(self, running: set[str]) -> dict[str, list[str]]:
        """By subject that has work left and is not at it: what its next step waits for, in the plan's order."""
        found: dict[str, list[str]] = {}
        for key in self._steps:
            subject = _subject(key)
            if key not in self._states and not key.startswith(GATE) and subject not in running and subject not in found:
                causes = dict.fromkeys(_subject(need) for need in self._unmet(key))
                found[subject] = [cause for cause in causes if cause != subject]
        return found

    def _unmet(self, key: str) -> list[str]:
        """Steps not ended yet that ``key`` waits for, in the plan's order; gates are looked through."""
        found: set[str] = set()
        seen: set[str] = set()
        stack = self._needs(key)
        while stack:
            need = stack.pop()
            if need in seen or self._states.get(need, "began") != "began":
                continue
            seen.add(need)
            if need.startswith(GATE):
                stack += self._needs(need)
            else:
                found.add(need)
        return [key for key in self._steps if key in found]

    def _needs(self, key: str) -> list[str]:
        return list(self._steps.get(key, {}).get("waits_for") or ())

    def _does(self, key: str) -> str:
        return str(self._steps.get(key, {}).get("does") or key.rpartition(":")[2])


def _subject(key: str) -> str:
    return key.partition(":")[0]


def _listed(causes: list[str]) -> str:
    rest = len(causes) - CAUSES_MAX
    named = ", ".join(causes[:CAUSES_MAX]) or "a free slot"
    return f"{named} and {rest} more" if rest > 0 else named


def _add_rest(table: Table, count: int, does: str) -> None:
    if count > 0:
        table.add_row("", Text(f"… {count} more {does}", "dim"), "", "")
