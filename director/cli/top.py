"""Draws the fleet: one frame, or frame after frame until somebody presses q. Asks nobody but who is handed in."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final, TypeAlias

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table

Seen: TypeAlias = dict[str, Any]
"""``fleet``, ``health``, ``tasks``, ``alerts``, ``events`` as the API has them."""

ONCE_WIDTH: Final = 120
"""Of a frame in a pipe, which has no width of its own."""
PART_MAX: Final = 10
"""Rows of one part on a terminal that is not high; the rest is counted."""
QUIT: Final = frozenset(b"qQ\x03\x04")

STYLES: Final = {
    "running": "green",
    "starting": "yellow",
    "failing": "red",
    "unresponsive agent": "red",
    "no VM": "red",
    "stopped": "dim",
    "critical": "bold red",
    "error": "red",
    "warning": "yellow",
    "over": "green",
    "processing": "yellow",
    "queued": "dim",
}

HEADERS: Final[dict[str, dict[str, str]]] = {
    "deployments": {
        "name": "Deployment",
        "count": "Instances",
        "states": "State",
        "load": "Load",
        "cpu": "CPU",
        "mem": "Memory",
        "disk": "Disk",
    },
    "conditions": {"instance": "Not well", "condition": "Condition", "since": "Since", "todo": "What is done about it"},
    "instances": {
        "instance": "Instance",
        "state": "State",
        "load": "Load",
        "cpu": "CPU",
        "mem": "Memory",
        "disk": "Disk",
        "az": "AZ",
    },
    "tasks": {"id": "Task", "state": "State", "deployment": "Deployment", "description": "Description", "age": "For"},
    "alerts": {"at": "Alert", "severity": "Severity", "subject": "Subject", "words": "What"},
    "events": {"at": "Event", "user": "User", "action": "Action", "what": "What", "error": "Error"},
}


def live(look: Callable[[], Seen], every_s: float, keys: IO[str]) -> None:
    """Until q, Ctrl-C or Ctrl-D. A director that does not answer is told on the screen, and asked again."""
    console = Console()
    screen = Live(console=console, screen=True, auto_refresh=False)
    with contextlib.suppress(KeyboardInterrupt), _unbuffered(keys), screen:
        seen: Seen | None = None
        while True:
            trouble = ""
            try:
                seen = look()
            except CommandFailed as failure:
                if failure.code != Exit.NO_DIRECTOR or seen is None:
                    raise
                trouble = str(failure)
            screen.update(drawn(seen, height=console.height, trouble=trouble), refresh=True)
            if _is_over(keys, every_s):
                return


def frame(seen: Seen) -> None:
    """On standard output, whole, as wide as the terminal or as a pipe needs it."""
    console = Console() if sys.stdout.isatty() else Console(width=ONCE_WIDTH, no_color=True, highlight=False)
    console.print(drawn(seen))


def drawn(seen: Seen, *, height: int | None = None, trouble: str = "", now: float | None = None) -> RenderableType:
    """``height`` lines at most of a screen; None: all there is."""
    every = [table for table in tables(seen, now=now) if table.rows or table.content == "deployments"]
    room = None if height is None else max(2, (height - 4) // max(1, len(every)) - 3)
    parts: list[RenderableType] = [_head(seen, trouble)]
    for table in every:
        parts += [Text(), *_part(table, None if room is None else min(PART_MAX, room))]
    return Group(*parts)


def tables(seen: Seen, *, now: float | None = None) -> list[Table]:
    """The frame's parts, with every row."""
    now = time.time() if now is None else now
    rows: dict[str, Sequence[dict[str, str]]] = {
        "deployments": [_deployment(one) for one in seen["fleet"]["deployments"]],
        "conditions": [_condition(one) for one in seen["health"]["instances"]],
        "tasks": [_task(one, now) for one in seen["tasks"]],
        "alerts": [_alert(one) for one in seen["alerts"][:PART_MAX]],
        "instances": [_instance(one) for one in seen["fleet"]["instances"]],
        "events": [_event(one) for one in seen["events"][:PART_MAX]],
    }
    totals = {"instances": int(seen["fleet"]["total"])}
    return [
        Table(content=content, header=HEADERS[content], rows=of_it, count=totals.get(content))
        for content, of_it in rows.items()
    ]


def _head(seen: Seen, trouble: str) -> Text:
    agents, health = seen["fleet"]["agents"], seen["health"]
    said = [f"{agents['connected']} agents connected"]
    said += [f"{agents['away']} away"] if agents["away"] else []
    said += [f"{count} {condition}" for condition, count in health["counts"].items()]
    head = Text("  ".join(said), style="bold")
    if not health["resurrection"] or not health["repairs"]:
        head.append("  repairs are off", style="yellow")
    for doubt in health["doubts"]:
        head.append(f"\n{doubt}", style="yellow")
    if trouble:
        head.append(f"\n{trouble}", style="red")
    return head


def _part(table: Table, room: int | None) -> Iterator[RenderableType]:
    part = RichTable(box=None, header_style="bold", pad_edge=False)
    for title in table.header.values():
        part.add_column(title, no_wrap=True, overflow="ellipsis")
    shown = table.rows[:room]
    for row in shown:
        part.add_row(*(Text(row[key], style=STYLES.get(row[key], "")) for key in table.header))
    yield part
    total = len(table.rows) if table.count is None else table.count
    if total > len(shown):
        yield Text(f"… {total - len(shown)} more {table.content}", style="dim")


def _deployment(one: dict[str, Any]) -> dict[str, str]:
    states = ", ".join(f"{count} {state}" for state, count in one["states"].items())
    return {"name": one["name"], "count": str(one["instances"]), "states": states, **_vitals(one)}


def _instance(one: dict[str, Any]) -> dict[str, str]:
    name = f"{one['deployment']} {one['instance']}"
    return {"instance": name, "state": one["state"], "az": one["az"], **_vitals(one)}


def _vitals(one: dict[str, Any]) -> dict[str, str]:
    percents = {key: "-" if one[key] is None else f"{one[key]:.0f} %" for key in ("cpu", "mem", "disk")}
    return {"load": "-" if one["load"] is None else f"{one['load']:.2f}", **percents}


def _condition(one: dict[str, Any]) -> dict[str, str]:
    return {
        "instance": f"{one['deployment']} {one['instance']}",
        "condition": one["condition"],
        "since": age(one["since_s"]),
        "todo": _todo(one),
    }


def _todo(one: dict[str, Any]) -> str:
    if one["task"] is not None:
        return f"{one['remedy']}: task {one['task']}, for {age(one['task_s'] or 0)}"
    if one["hold"] is not None:
        wait = f" (again in {age(one['in_s'])})" if one["in_s"] else ""
        return f"{one['hold']['reason']}{wait}"
    return str(one["remedy"])


def _task(one: dict[str, Any], now: float) -> dict[str, str]:
    since = one["started_at"] or one["timestamp"]
    return {
        "id": str(one["id"]),
        "state": one["state"],
        "deployment": one["deployment"] or "-",
        "description": one["description"],
        "age": age(max(0.0, now - since)),
    }


def _alert(one: dict[str, Any]) -> dict[str, str]:
    severity = "over" if one["is_over"] else one["severity"]
    return {"at": _clock(one["at"]), "severity": severity, "subject": one["subject"], "words": one["words"]}


def _event(one: dict[str, Any]) -> dict[str, str]:
    what = " ".join(str(part) for part in (one["object_type"], one.get("object_name")) if part)
    return {
        "at": _clock(one["timestamp"]),
        "user": one["user"],
        "action": one["action"],
        "what": what,
        "error": " ".join(str(one.get("error") or "").split())[:80],
    }


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def age(seconds: float) -> str:
    """The two units that matter."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60, whole // 3600
    if hours < 1:
        return f"{minutes} min {whole % 60} s"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


@contextlib.contextmanager
def _unbuffered(keys: IO[str]) -> Iterator[None]:
    """Keys come one by one and are not shown; what is no terminal stays as it is."""
    if not keys.isatty():
        yield
        return
    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    try:
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def _is_over(keys: IO[str], wait_s: float) -> bool:
    """Whether somebody pressed a key that ends it, waiting for that so long."""
    if not keys.isatty():
        time.sleep(wait_s)
        return False
    end = time.monotonic() + wait_s
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([keys], [], [], left)
        # Not its own read: that would keep further keys where select does not see them.
        if ready and (not (pressed := os.read(keys.fileno(), 64)) or QUIT.intersection(pressed)):
            return True
    return False
