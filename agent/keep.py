"""Keeps one job process running: restarts it with back-off when it ends, and says how it does.

It never kills a process unless told to stop: ending the agent, or its task, leaves the process alone.
"""

import asyncio
import logging
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent import launch, process
from agent.failure import Failed
from agent.layout import Layout
from agent.process import Live
from agent.program import Owned, Program, Watched
from agent.state import ProcessState
from agent.tail import last_lines
from agent.wire import agent_pb2 as wire

log = logging.getLogger("agent")
_CRASHES_FAILING = 3
"""So many in a row, and a process that is up again is believed only after ``settled_s``."""
_LAST_LOG_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Every wait of supervision, in seconds. ``first_s`` doubles with each crash up to ``max_s``; up for
    ``reset_s``, the crashes are forgotten. ``stop_s`` is between SIGTERM and SIGKILL, ``stop_program_s`` how long
    a stop program may take to make its process go.
    """

    first_s: float = 1.0
    max_s: float = 60.0
    reset_s: float = 60.0
    settled_s: float = 10.0
    stop_s: float = 15.0
    stop_program_s: float = 300.0

    def wait_s(self, crashes: int) -> float:
        return float(min(self.max_s, self.first_s * 2 ** min(crashes - 1, 30)))


class Keeper:
    """One process of one job. ``changed`` is called after every change of its state or identity."""

    def __init__(
        self, program: Program, layout: Layout, pace: Pace, changed: Callable[[], None], recorded: Live | None = None
    ) -> None:
        self.program = program
        self.state = ProcessState.STOPPED
        self.live: Live | None = launch.adopt(program, recorded)
        self.restarts = 0
        self._layout, self._pace, self._changed = layout, pace, changed
        self._crashes = 0
        self._is_wanted = False
        self._note = ""
        self._child: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._cpu = (time.monotonic(), 0.0)

    def begin(self, group: asyncio.TaskGroup, *, is_wanted: bool) -> None:
        """Keeps it running from now on; with ``is_wanted`` false only watches it, if it runs."""
        self._is_wanted = is_wanted
        if self._task is None or self._task.done():
            self._task = group.create_task(self._keep())

    def release(self) -> None:
        """From now on nobody restarts it; it goes on running if it does."""
        self._is_wanted = False
        if self.live is None and self._task is not None:
            self._task.cancel()
            self._set(ProcessState.STOPPED)

    async def stop(self) -> None:
        """Returns when it has ended. Raises Failed when its stop program does not make it go."""
        self._is_wanted = False
        task, self._task = self._task, None
        if task is not None and self.live is None:
            task.cancel()
            await asyncio.wait({task})
        live = self.live or launch.adopt(self.program, None)
        if live is not None:
            await self._end(live)
        if task is not None:
            await asyncio.wait({task})
        self.live, self._crashes, self._note = None, 0, ""
        self._set(ProcessState.STOPPED)

    async def _keep(self) -> None:
        while self.live is not None or self._is_wanted:
            await self._round()
        self._set(ProcessState.STOPPED)

    async def _round(self) -> None:
        """Up once, until it ends; then, when it is still wanted, the wait before the next try."""
        try:
            if self.live is None:
                self._set(self._unsettled(ProcessState.STARTING))
                self.live, self._child = await launch.launch(self.program, self._layout)
            await self._while_up(self.live)
        except Failed as failure:
            self._note = str(failure)
        except OSError as error:
            self._note = f"{error.filename}: {error.strerror}"
        self.live = None
        if self._is_wanted:
            self._crashes += 1
            self.restarts += 1
            wait_s = self._pace.wait_s(self._crashes)
            log.warning("process down job=%s process=%s retry_s=%g why=%s", *self._names(), wait_s, self._note)
            self._set(ProcessState.FAILING)
            await asyncio.sleep(wait_s)

    async def _while_up(self, live: Live) -> None:
        log.info("process up job=%s process=%s pid=%d", *self._names(), live.pid)
        self._cpu = (time.monotonic(), process.usage(live).cpu_s)
        self._set(self._unsettled(ProcessState.RUNNING))
        loop = asyncio.get_running_loop()
        settle = loop.call_later(max(0.0, self._pace.settled_s - live.uptime_s), self._set, ProcessState.RUNNING)
        forget = loop.call_later(max(0.0, self._pace.reset_s - live.uptime_s), self._forget)
        try:
            await process.gone(live)
        finally:
            settle.cancel()
            forget.cancel()
        self._bury(live)

    def _bury(self, live: Live) -> None:
        """Ends what it left behind in its group, then reaps it."""
        if isinstance(self.program, Owned):
            process.signal_group(live.pid, signal.SIGKILL)
        child, self._child = self._child, None
        if child is not None and child.pid == live.pid:
            self._note = f"ended with exit code {process.exit_code(child)}"
        else:
            self._note = "the process ended"
            if child is not None:
                child.poll()

    def _unsettled(self, state: ProcessState) -> ProcessState:
        return ProcessState.FAILING if self._crashes >= _CRASHES_FAILING else state

    def _forget(self) -> None:
        self._crashes = 0

    def _set(self, state: ProcessState) -> None:
        self.state = state
        self._changed()

    def _names(self) -> tuple[str, str]:
        return self.program.job, self.program.name

    async def _end(self, live: Live) -> None:
        if isinstance(self.program, Owned):
            await self._end_owned(live)
        else:
            await self._end_watched(self.program, live)

    async def _end_owned(self, live: Live) -> None:
        process.signal_group(live.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(self._pace.stop_s):
                await process.gone(live)
        except TimeoutError:
            log.warning("process killed job=%s process=%s after_s=%g", *self._names(), self._pace.stop_s)
            process.signal_group(live.pid, signal.SIGKILL)
            await process.gone(live)

    async def _end_watched(self, program: Watched, live: Live) -> None:
        code = 0
        try:
            async with asyncio.timeout(self._pace.stop_program_s):
                code = await launch.run_stop_program(program, self._layout)
                await process.gone(live)
        except TimeoutError as error:
            raise Failed(
                f'process "{program.name}" of job "{program.job}" still runs {self._pace.stop_program_s:.0f} s after '
                f"its stop program was started (exit code {code})"
            ) from error

    def report(self, memory_kb: int) -> wire.Process:
        """As the director is told; ``memory_kb`` is that of the VM."""
        report = wire.Process(
            name=self.program.name, job=self.program.job, state=self.state.value, restarts=self.restarts
        )
        if self.live is not None:
            used = process.usage(self.live)
            report.uptime_s = self.live.uptime_s
            report.mem_kb = used.mem_kb
            report.mem_percent = 100.0 * used.mem_kb / memory_kb if memory_kb else 0.0
            report.cpu_percent = self._cpu_percent(used.cpu_s)
        if self.state is ProcessState.FAILING:
            report.last_log.extend(self.last_log())
        return report

    def _cpu_percent(self, cpu_s: float) -> float:
        """Since the last report."""
        now = time.monotonic()
        (then, before), self._cpu = self._cpu, (now, cpu_s)
        return 100.0 * max(0.0, cpu_s - before) / (now - then) if now > then else 0.0

    def last_log(self) -> tuple[str, ...]:
        """Its last lines of stderr, else of stdout, and why it is down."""
        stdout, stderr = launch.log_paths(self.program, self._layout)
        lines = last_lines(stderr, _LAST_LOG_LINES - 1) or last_lines(stdout, _LAST_LOG_LINES - 1)
        return (*lines, self._note) if self._note else lines
