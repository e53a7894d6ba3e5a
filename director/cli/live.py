"""The live view of a task: what runs and for how long, what waits and for what, what is done."""

import json
import time
from collections import Counter
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from director.cli.client import Client

ROWS_MAX = 12
"""More than this scrolls on a small terminal; the rest is counted."""


def live(director: Client, task: int) -> None:
    """Redraws until the task ends, then leaves one summary and every error on the screen."""
    console = Console()
    view = View(task)
    with Live(view, console=console, refresh_per_second=8, transient=True):
        for line in director.output(task, "progress", follow=True):
            view.take(json.loads(line))
    for line in director.output(task, "event", follow=False):
        _aside(console, json.loads(line))
    console.print(view.end_line())


def _aside(console: Console, event: dict[str, Any]) -> None:
    if "error" in event:
        console.print(Text(f"Error: {event['error']['message']}", style="red"))
    elif "message" in event:
        console.print(Text(f"{event['type'].capitalize()}: {event['message']}", style="yellow"))


class View:
    """Everything the progress lines have said so far; rich draws it whenever it likes."""

    def __init__(self, task: int) -> None:
        self.task = task
        self.started = time.monotonic()
        self.steps: dict[str, dict[str, Any]] = {}
        self.states: dict[str, str] = {}
        self.began: dict[str, float] = {}

    def take(self, line: dict[str, Any]) -> None:
        if "plan" in line:
            self.steps = {step["key"]: step for step in line["steps"]}
            return
        key, state = line["step"], line["state"]
        self.states[key] = state
        if state == "began":
            self.began[key] = time.monotonic()

    def __rich__(self) -> Group:
        shown = [key for key in self.steps if self.states.get(key) == "began"]
        table = Table(box=None, show_header=False, pad_edge=False)
        for key in shown[:ROWS_MAX]:
            table.add_row("[yellow]▸[/]", _subject(key), self._does(key), f"{time.monotonic() - self.began[key]:.0f} s")
        if len(shown) > ROWS_MAX:
            table.add_row("", f"… and {len(shown) - ROWS_MAX} more", "", "")
        return Group(self._head(), table, self._waiting())

    def end_line(self) -> Text:
        counts = Counter(self.states.values())
        said = ", ".join(f"{counts[s]} {s}" for s in ("done", "failed", "skipped", "cancelled") if counts[s])
        return Text(f"Task {self.task}: {said or 'no steps'} in {time.monotonic() - self.started:.1f} s")

    def _head(self) -> Table:
        done, total = sum(1 for s in self.states.values() if s != "began"), self._total()
        head = Table.grid(padding=(0, 1))
        elapsed = time.strftime("%M:%S", time.gmtime(time.monotonic() - self.started))
        head.add_row(f"Task {self.task}", ProgressBar(total or 1, done, width=30), f"{done}/{total} steps", elapsed)
        return head

    def _total(self) -> int:
        return sum(1 for key in self.steps if not key.startswith("gate:"))

    def _waiting(self) -> Text:
        """The first step that waits, and for what: enough to know why nothing else moves."""
        waiting = [k for k in self.steps if k not in self.states and not k.startswith("gate:")]
        if not waiting:
            return Text("")
        first = waiting[0]
        causes = sorted({_subject(key) for key in self._unmet(first)}) or ["a free slot"]
        more = f" (+{len(waiting) - 1} more steps)" if len(waiting) > 1 else ""
        return Text(
            f"  next: {_subject(first)} {self._does(first)}, waits for {', '.join(causes[:4])}{more}", style="dim"
        )

    def _unmet(self, key: str) -> list[str]:
        """Steps not done yet that ``key`` waits for; gates are looked through."""
        found: list[str] = []
        stack = list(self.steps[key]["waits_for"])
        seen: set[str] = set()
        while stack:
            need = stack.pop()
            if need in seen or self.states.get(need) in {"done", "failed"}:
                continue
            seen.add(need)
            if need.startswith("gate:"):
                stack += self.steps[need]["waits_for"]
            else:
                found.append(need)
        return found

    def _does(self, key: str) -> str:
        return str(self.steps[key]["does"] or key.rpartition(":")[2])


def _subject(key: str) -> str:
    return key.partition(":")[0]
