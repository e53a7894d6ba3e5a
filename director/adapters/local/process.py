"""Processes of this machine: runs a program to its end, knows a process again, and ends one for certain.

A pid alone names nobody: it is used again. A process is its pid, its start time and the boot of the machine.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from director.ports.failure import InfrastructureFailure, Retry

# An ordinary user's PATH often lacks the directories of ip and pivot_root.
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_STATE, _STARTED = 0, 19  # positions after the command name in /proc/<pid>/stat (proc(5))
_ERRORS_SHOWN: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """``started`` is in clock ticks since the boot named ``boot``."""

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat_of(pid: int) -> list[str] | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123  1000 VMs per look
            return stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def know(pid: int, boot: str) -> Process | None:
    """The process that has this pid now, or None."""
    fields = _stat_of(pid)
    return None if fields is None else Process(pid=pid, started=int(fields[_STARTED]), boot=boot)


def is_alive(process: Process, boot: str) -> bool:
    """A zombie is dead: whoever should have reaped it does not change that."""
    if process.boot != boot:
        return False
    fields = _stat_of(process.pid)
    return fields is not None and int(fields[_STARTED]) == process.started and fields[_STATE] not in "ZX"


async def kill(process: Process, timeout_s: float) -> None:
    """Returns when it has ended; for the pid 1 of a VM that is when every process of the VM has (pid_namespaces(7))."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(process, boot_id()):
            _send_kill(process, handle)
            await _readable_within(handle, timeout_s, f"process {process.pid} did not end when killed")
    finally:
        os.close(handle)


def _send_kill(process: Process, handle: int) -> None:
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has just gone by itself
    except PermissionError as error:
        raise InfrastructureFailure(f"Process {process.pid} is another user's: ask as the user who made it.") from error


async def ended(child: subprocess.Popen[bytes], timeout_s: float, what: str) -> int:
    """Awaits a child without a thread or a poll; raises InfrastructureFailure after ``timeout_s``."""
    if child.poll() is not None:
        return child.returncode
    handle = os.pidfd_open(child.pid)
    try:
        await _readable_within(handle, timeout_s, f"{what} took longer than {timeout_s:.0f} s")
    finally:
        os.close(handle)
    return child.wait()


async def _readable_within(handle: int, timeout_s: float, complaint: str) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await readable(handle)
    except TimeoutError as error:
        raise InfrastructureFailure(f"{complaint}.", retry=Retry.SOON) from error


async def readable(handle: int) -> None:
    """Waits until a pipe has something to say or a pidfd's process has ended; the caller sets the deadline."""
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_reader(handle, woken.set)
    try:
        await woken.wait()
    finally:
        loop.remove_reader(handle)


def find_program(name: str, package: str) -> str:
    """The path of a program; raises InfrastructureFailure naming the package that has it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{PATH}")
    if found is None:
        raise InfrastructureFailure(f'The program "{name}" is missing on this machine: install {package}.')
    return found


async def run(
    arguments: Sequence[str],
    *,
    text: str = "",
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    starting: AbstractContextManager[None] | None = None,
) -> str:
    """Runs a program with ``text`` as its input; returns what it printed.

    Raises InfrastructureFailure with that when it fails. ``starting`` is entered only while it is started.
    Input and output are memory files: no pipe, so no reader has to be awake for the program to go on.
    """
    given, printed = os.memfd_create("input"), os.memfd_create("output")
    try:
        os.write(given, text.encode())
        os.lseek(given, 0, os.SEEK_SET)
        with starting or nullcontext():
            child = subprocess.Popen(  # noqa: ASYNC220  spawning is a vfork; the waiting below is asynchronous
                list(arguments), stdin=given, stdout=printed, stderr=printed, env=environment or {"PATH": PATH}
            )
        try:
            status = await ended(child, timeout_s, Path(arguments[0]).name)
        finally:
            child.kill()
            child.wait()
        said = os.pread(printed, os.fstat(printed).st_size, 0).decode(errors="replace")
        if status != 0:
            reason = said[:_ERRORS_SHOWN].strip()
            raise InfrastructureFailure(f"{Path(arguments[0]).name} failed with status {status}: {reason}")
        return said
    finally:
        os.close(given)
        os.close(printed)
