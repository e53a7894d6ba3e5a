"""A CPI's process: known again after the director was restarted, awaited without polling, ended with its whole group.

A pid alone names nobody: it is used again. A process is its pid, its start time and the boot of the machine.
"""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GRACE_S: Final = 5.0
"""What a program gets to tidy up after SIGTERM before it is killed."""
_KILL_S: Final = 5.0
_STATE, _STARTED = 0, 19  # positions after the command name in /proc/<pid>/stat (proc(5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Leads a process group of its own. ``started`` is in clock ticks since the boot named ``boot``."""

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def know(pid: int) -> Process:
    """A child that was not waited for yet, so that its pid is its own."""
    fields = _stat_of(pid)
    assert fields is not None, "a child keeps its pid until it is waited for"
    return Process(pid=pid, started=int(fields[_STARTED]), boot=boot_id())


def is_alive(process: Process) -> bool:
    if process.boot != boot_id():
        return False
    fields = _stat_of(process.pid)
    return fields is not None and int(fields[_STARTED]) == process.started and fields[_STATE] not in "ZX"


async def is_ended_within(process: Process, timeout_s: float) -> bool:
    """True as soon as it has ended; False when it goes on after ``timeout_s``."""
    if not is_alive(process):
        return True
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        async with asyncio.timeout(timeout_s):
            await _readable(handle)
    except TimeoutError:
        return not is_alive(process)
    finally:
        os.close(handle)
    return True


async def end(process: Process) -> None:
    """Its whole group: SIGTERM, a moment of grace, SIGKILL. To be called before it is waited for, if it is a child."""
    if is_alive(process):
        _signal(process, signal.SIGTERM)
        await is_ended_within(process, GRACE_S)
        _signal(process, signal.SIGKILL)
        await is_ended_within(process, _KILL_S)


def kill(process: Process) -> None:
    """At once."""
    if is_alive(process):
        _signal(process, signal.SIGKILL)


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # the group has gone by itself
        os.killpg(process.pid, number)


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_reader(handle, woken.set)
    try:
        await woken.wait()
    finally:
        loop.remove_reader(handle)


def _stat_of(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
