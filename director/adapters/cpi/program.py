"""Runs a CPI program once: request in, reply and log out, within a deadline (agent-cpi-vsphere.md 2.1).

Note: a director that is killed. The program has a session of its own, its request lies in memory, its reply and its
log go to files, so that it neither dies with the director nor notices. ``rejoin`` waits for it and reads its reply.
"""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from director.adapters.cpi import process
from director.adapters.cpi.process import Process
from director.adapters.cpi.redact import Mask
from director.adapters.cpi.tail import Tail, Watch

PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_LEFT: Final[list[subprocess.Popen[bytes]]] = []
"""Programs that were let go: somebody has to take note of their end, or they stay as zombies."""
REPLY_MAX: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call. ``outlives``: when whoever waits is cancelled, it goes on and is rejoined later.

    ``started`` is told the process as soon as there is one; ``say`` each line of its log, without secrets.
    """

    request_id: str
    deadline_s: float
    mask: Mask
    say: Callable[[str], None]
    started: Callable[[Process], Awaitable[None]]
    request: bytes = field(default=b"", repr=False)
    outlives: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """``reply`` is what it printed, None when that was too much. ``last`` is the end of its log, without secrets."""

    reply: bytes | None = field(repr=False)
    last: tuple[str, ...]
    status: int | None
    is_overdue: bool = False


class NotStarted(Exception):
    """The program did not run: nothing happened."""


class Program:
    """``calls`` is an existing private directory for what goes to and fro."""

    def __init__(self, path: Path, calls: Path) -> None:
        self.path = path
        self._calls = calls
        self._watch = Watch(calls)

    async def run(self, job: Job) -> Ended:
        """Raises NotStarted. When it raises, no process of it is left, but for a cancelled one that ``outlives``."""
        _reap()
        try:
            child = self._spawn(job)
        except OSError as error:
            raise NotStarted(error.strerror or str(error)) from error
        known = process.know(child.pid)
        is_let_go = False
        try:
            await job.started(known)
            is_overdue, last = await self._follow(job, known)
        except asyncio.CancelledError:
            is_let_go = job.outlives
            raise
        finally:
            if not is_let_go:
                await process.end(known)
            _LEFT.append(child)
            _reap()
        reply = _content(self._reply(job.request_id))
        return Ended(reply=reply, last=last, status=child.returncode, is_overdue=is_overdue)

    async def rejoin(self, job: Job, known: Process | None) -> Ended:
        """The end of a call that someone else began; ``deadline_s`` counts from now. Raises NotStarted."""
        if not self._reply(job.request_id).exists():
            raise NotStarted("the director ended before it could start it")
        is_overdue, last = False, tuple[str, ...]()
        if known is not None:
            is_overdue, last = await self._follow(job, known)
            await process.end(known)
        _reap()
        return Ended(reply=_content(self._reply(job.request_id)), last=last, status=None, is_overdue=is_overdue)

    def forget(self, request_id: str) -> None:
        """Its reply was dealt with."""
        for path in (self._reply(request_id), self._log(request_id)):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        _reap()
        self._watch.close()

    def _spawn(self, job: Job) -> subprocess.Popen[bytes]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        given = os.memfd_create("cpi-request")
        files = [given]
        try:
            files += [os.open(path(job.request_id), flags, 0o600) for path in (self._reply, self._log)]
            with os.fdopen(os.dup(given), "wb") as request:
                request.write(job.request)
            os.lseek(given, 0, os.SEEK_SET)
            if job.outlives:
                self._make_durable()
            return subprocess.Popen(
                [str(self.path)],
                stdin=given,
                stdout=files[1],
                stderr=files[2],
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )
        finally:
            for file in files:
                os.close(file)

    def _make_durable(self) -> None:
        """That it was started is told by its file, also after a power cut."""
        handle = os.open(self._calls, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    async def _follow(self, job: Job, known: Process) -> tuple[bool, tuple[str, ...]]:
        """Until it has ended, or at its deadline is ended with its group: then True. And the last it said."""
        tail = Tail(self._log(job.request_id), job.mask, job.say)
        reply = self._reply(job.request_id)

        def stop_flood() -> None:
            if reply.stat().st_size > REPLY_MAX:
                process.kill(known)

        self._watch.follow(self._log(job.request_id).name, tail.more)
        self._watch.follow(reply.name, stop_flood)
        try:
            is_ended = await process.is_ended_within(known, job.deadline_s)
            if not is_ended:
                await process.end(known)
        finally:
            self._watch.leave(self._log(job.request_id).name)
            self._watch.leave(reply.name)
            tail.end()
        return not is_ended, tuple(tail.last)

    def _reply(self, request_id: str) -> Path:
        return self._calls / f"{request_id}.out"

    def _log(self, request_id: str) -> Path:
        return self._calls / f"{request_id}.err"


def _reap() -> None:
    _LEFT[:] = [child for child in _LEFT if child.poll() is None]


def how_it_ended(status: int | None) -> str:
    """The end of a sentence: ``ended with status 1``."""
    if status is None:
        return "ended"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _environment() -> dict[str, str]:
    """Nothing else of the director's environment is a CPI's business."""
    return {"PATH": PATH, "TMPDIR": tempfile.gettempdir(), "HOME": str(Path.home())}


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= REPLY_MAX else None
    except FileNotFoundError:
        return b""
