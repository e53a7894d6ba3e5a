"""Processes of the VM: started, waited for without polling, and ended as a group. Decides no policy.

A process is known by its pid and its start time, so that a reused pid is never taken for it.
"""

import asyncio
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agent.layout import try_to_write

GRACE_S = 10.0
"""Between SIGTERM and SIGKILL for scripts, drains and errands (1.14)."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
_POLL_S = 1.0
_COMING = "coming-"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Another one after every boot of the machine: pids and start times of an earlier one mean nothing."""
    return _BOOT_ID.read_text("ascii").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """``started`` is in clock ticks since boot, as the kernel counts it."""

    pid: int
    started: int

    @property
    def uptime_s(self) -> float:
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / _TICKS_PER_S)

    @property
    def started_at(self) -> float:
        """Seconds since the epoch."""
        return time.time() - self.uptime_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    cpu_s: float
    mem_kb: int


def find(pid: int) -> Live | None:
    """The process of that pid; None when there is none or it is a zombie."""
    fields = _stat(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    return Live(pid=pid, started=int(fields[19]))


def is_alive(live: Live) -> bool:
    return find(live.pid) == live


def usage(live: Live) -> Usage:
    """Processor seconds used so far and resident memory; zeros when it is gone."""
    fields = _stat(live.pid)
    if fields is None or int(fields[19]) != live.started:
        return Usage(cpu_s=0.0, mem_kb=0)
    return Usage(cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S, mem_kb=int(fields[21]) * _PAGE_KB)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; the name before it may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


async def gone(live: Live) -> None:
    """Returns when the process has ended, as its child or not; pushed by the kernel through a pidfd."""
    try:
        fd = os.pidfd_open(live.pid)
    except ProcessLookupError:
        return
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        while is_alive(live):  # noqa: ASYNC110 - a kernel before 5.3 cannot push
            await asyncio.sleep(_POLL_S)
        return
    try:
        if is_alive(live):
            await _readable(fd)
    finally:
        os.close(fd)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(fd, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(fd)


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdout: IO[bytes],
    stderr: IO[bytes],
    user: tuple[int, int] | None = None,
    open_files: int | None = None,
    mark: int | None = None,
) -> "subprocess.Popen[bytes]":
    """A process in a session of its own. Raises OSError when the program cannot be run.

    ``open_files`` lowers to what the VM allows where the job asks for more. ``mark``: see ``noted``.
    """
    words = list(argv)
    if open_files is not None:
        script = 'ulimit -n "$0" 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$@"'
        words = ["/bin/sh", "-c", script, str(open_files), *words]
    return subprocess.Popen(
        words,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        pass_fds=() if mark is None else (mark,),
        user=None if user is None else user[0],
        group=None if user is None else user[1],
        extra_groups=None if user is None else [user[1]],
    )


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdout: IO[bytes],
    stderr: IO[bytes],
    user: tuple[int, int] | None = None,
    notes: Path | None = None,
) -> int:
    """Runs to the end and gives the exit code, 128 + n for signal n. Cancelled, it ends the whole group first.

    With ``notes``, an agent that is killed meanwhile leaves word there of what it was running.
    """

    def start(mark: int | None = None) -> "subprocess.Popen[bytes]":
        return spawn(argv, env=env, cwd=cwd, stdout=stdout, stderr=stderr, user=user, mark=mark)

    with nullcontext(start()) if notes is None else noted(start, notes) as child:
        try:
            await ended(child)
        except asyncio.CancelledError:
            await end_group(child)
            raise
        return exit_code(child)


@contextmanager
def noted(start: Callable[[int], "subprocess.Popen[bytes]"], notes: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """What ``start`` starts. While it lasts, the directory ``notes`` says which process that is.

    Before it has a pid it is known by a file there that it holds open, the descriptor that ``start`` is given: an agent
    that is killed in between leaves that behind. Raises what ``start`` raises.
    """
    coming = notes / f"{_COMING}{os.urandom(8).hex()}"
    mark = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        child = start(mark)
        live, note = find(child.pid), notes / str(child.pid)
        if live is not None:
            try_to_write(note, f"{boot_id()} {live.pid} {live.started}".encode(), 0o600)
    finally:
        coming.unlink(missing_ok=True)
        os.close(mark)
    try:
        yield child
    finally:
        note.unlink(missing_ok=True)


def of_note(note: Path) -> Live | None:
    """The process that a note tells of, if it lives."""
    if note.name.startswith(_COMING):
        return _holder(note)
    boot, pid, started = note.read_text("ascii").split()
    live = Live(pid=int(pid), started=int(started))
    return live if boot == boot_id() and is_alive(live) else None


def _holder(file: Path) -> Live | None:
    """The leader of the group that holds it open."""
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        pid = int(handle.parts[2])
        try:
            if os.getpgid(pid) == pid and str(handle.readlink()) == str(file):
                return find(pid)
        except (FileNotFoundError, PermissionError, ProcessLookupError):  # it has ended, or is nobody's we started
            continue
    return None


async def ended(child: "subprocess.Popen[bytes]") -> None:
    """Returns when ``child`` has ended; it is left to be reaped, so its group id cannot be reused yet."""
    live = find(child.pid)
    if live is not None:
        await gone(live)


async def end_group(child: "subprocess.Popen[bytes]", grace_s: float = GRACE_S) -> None:
    """SIGTERM to the group, SIGKILL to what is left of it after ``grace_s``, then reaps."""
    signal_group(child.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(grace_s):
            await ended(child)
    except TimeoutError:
        pass  # SIGKILL follows in either case
    signal_group(child.pid, signal.SIGKILL)
    await ended(child)
    child.wait()


def signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def exit_code(child: "subprocess.Popen[bytes]") -> int:
    """Of a child that has ended: reaps it."""
    code = child.wait()
    return 128 - code if code < 0 else code
