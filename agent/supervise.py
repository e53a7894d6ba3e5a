"""Keeps the jobs of this VM running, with or without a director, across restarts of the agent.

It remembers in ``bosh/processes.json`` whether jobs are to run and which processes are theirs, so that the next
agent finds them running and takes them over.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from enum import Enum

from agent import process
from agent.failure import Failed
from agent.keep import Keeper, Pace
from agent.layout import Layout, try_to_write
from agent.process import Live
from agent.program import Program
from agent.state import ProcessState
from agent.wire import agent_pb2 as wire


class Mode(Enum):
    IDLE = "idle"
    """Never told to start, or told to stop."""
    KEPT = "kept"
    LEFT = "left"
    """Draining: what ends stays down."""


class Supervisor:
    def __init__(
        self, layout: Layout, group: asyncio.TaskGroup, changed: Callable[[], None], pace: Pace | None = None
    ) -> None:
        """``group`` runs the watching; ``changed`` is called whenever a process changes its state."""
        self._layout, self._group, self._tell = layout, group, changed
        self._pace = pace or Pace()
        self._keepers: dict[tuple[str, str], Keeper] = {}
        self._mode, self._recorded = self._remembered()

    @property
    def is_to_resume(self) -> bool:
        """Whether jobs were meant to run when the last agent ended."""
        return self._mode is not Mode.IDLE

    @property
    def is_stopped(self) -> bool:
        return self._layout.stopped_marker.exists()

    def states(self) -> tuple[ProcessState, ...]:
        return tuple(keeper.state for keeper in self._keepers.values())

    def report(self, memory_kb: int) -> list[wire.Process]:
        return [keeper.report(memory_kb) for _, keeper in sorted(self._keepers.items())]

    def resume(self, programs: Iterable[Program]) -> None:
        """Takes over what runs; starts what should run and does not, unless it was being drained."""
        self._set_up(programs, is_wanted=self._mode is Mode.KEPT)

    async def start(self, programs: Iterable[Program]) -> None:
        """Keeps exactly these running from now on. What already runs goes on undisturbed."""
        wanted = tuple(programs)
        names = {(program.job, program.name) for program in wanted}
        for name in sorted(self._keepers.keys() - names):
            await self._keepers.pop(name).stop()
        self._mode = Mode.KEPT
        self._layout.stopped_marker.unlink(missing_ok=True)
        self._set_up(wanted, is_wanted=True)
        self._changed()

    def release(self) -> None:
        """What ends from now on stays down: for drains, which end processes themselves (1.14)."""
        if self._mode is Mode.KEPT:
            self._mode = Mode.LEFT
        for keeper in self._keepers.values():
            keeper.release()
        self._changed()

    async def stop(self) -> None:
        """Returns when all have ended. Raises Failed, after trying every one, naming those that have not."""
        self._mode = Mode.IDLE
        self._layout.stopped_marker.touch()
        self._changed()
        outcomes = await asyncio.gather(*(keeper.stop() for keeper in self._keepers.values()), return_exceptions=True)
        self._changed()
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in failures:
            if not isinstance(failure, Failed):
                raise failure
        if failures:
            raise Failed("; ".join(str(failure) for failure in failures))

    def _set_up(self, programs: Iterable[Program], *, is_wanted: bool) -> None:
        for program in programs:
            name = (program.job, program.name)
            keeper = self._keepers.get(name)
            if keeper is None or keeper.state is ProcessState.STOPPED:
                recorded = self._recorded.pop(name, None)
                keeper = Keeper(program, self._layout, self._pace, self._changed, recorded)
                self._keepers[name] = keeper
            keeper.begin(self._group, is_wanted=is_wanted)

    def _changed(self) -> None:
        self._remember()
        self._tell()

    def _remember(self) -> None:
        processes = [
            {"job": job, "name": name, "pid": keeper.live.pid, "started": keeper.live.started}
            for (job, name), keeper in sorted(self._keepers.items())
            if keeper.live is not None
        ]
        tree = {"mode": self._mode.value, "boot": process.boot_id(), "processes": processes}
        try_to_write(self._layout.bosh / "processes.json", json.dumps(tree).encode(), 0o600)

    def _remembered(self) -> tuple[Mode, dict[tuple[str, str], Live]]:
        """Processes of an earlier boot are forgotten: their pids mean nothing now."""
        try:
            tree = json.loads((self._layout.bosh / "processes.json").read_bytes())
        except FileNotFoundError:
            return Mode.IDLE, {}
        entries = tree["processes"] if tree["boot"] == process.boot_id() else ()
        return Mode(tree["mode"]), {
            (entry["job"], entry["name"]): Live(pid=entry["pid"], started=entry["started"]) for entry in entries
        }
