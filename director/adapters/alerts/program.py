"""Alerts as lines of JSON on the standard input of a program that runs as long as the director.

It is started with the first alert, again after it ended (the lane's pauses apply), and is told the end by the end of
its input. It leads a process group of its own, which is killed when it does not end by then, or does not read.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Final

from director.adapters.alerts.sink import SinkFailure
from director.adapters.alerts.words import line_of
from director.model.alert import Alert
from director.ports.failure import Retry

DEADLINE_S: Final = 10.0
"""For the program to read one batch."""
GOODBYE_S: Final = 1.0


class Program:
    """Implements ``Sink``. ``command`` is a program and its arguments; no shell. Only on the loop."""

    name = "program"
    pace_s = 0.0

    def __init__(self, command: Sequence[str], *, director: str) -> None:
        self._command = tuple(command)
        self._director = director
        self._process: asyncio.subprocess.Process | None = None

    async def deliver(self, alerts: Sequence[Alert]) -> None:
        process = await self._running()
        assert process.stdin is not None, "it was started with one"
        try:
            async with asyncio.timeout(DEADLINE_S):
                process.stdin.write("".join(line_of(alert, self._director) for alert in alerts).encode())
                await process.stdin.drain()
        except TimeoutError:
            await self.close()
            raise SinkFailure(f"{self._command[0]} does not read its input.", retry=Retry.SOON) from None
        except OSError as error:
            await self.close()
            raise SinkFailure(f"{self._command[0]} ended: {error}.", retry=Retry.SOON) from error

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return  # its number, and so its group's, may be another's by now
        assert process.stdin is not None, "it was started with one"
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):  # nobody of the group is left
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await self._start()
        return self._process

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise SinkFailure(f"{self._command[0]} cannot be started: {error.strerror}.", retry=Retry.SOON) from error
        assert process.stdin is not None, "asked for above"
        # drain returns when all is in the pipe, not when enough of it is.
        process.stdin.transport.set_write_buffer_limits(0)
        return process
