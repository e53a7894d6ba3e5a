"""Virtual time: an event loop that never waits. Nothing ready to run, it goes on to the next timer at once.

Outside pytest too: ``run(main(), seed=7)``. One seed is one order of everything: tasks hash by their number, so that no
set of them depends on addresses, and with ``seed`` tasks that could go on at the same moment take turns by chance.
"""

import asyncio
import itertools
import random
from asyncio import base_events
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_700_000_000.0
"""The wall clock when a world begins."""


class Stuck(AssertionError):
    """Everything waits for something that nothing will ever bring."""


class _Selector:
    """Where another loop waits for sockets, this one lets time pass."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise Stuck("nothing is ready and no timer runs")
        self._loop.now += timeout
        return []


class _Task(asyncio.Task):  # type: ignore[type-arg]  # generic only for type checkers
    """A task with a hash that is the same in every run."""

    def __init__(self, coro: Coroutine[Any, Any, Any], *, number: int, **more: Any) -> None:
        self.number = number
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(base_events.BaseEventLoop):
    """No sockets, no threads, no signals. ``now`` is ``time()``; ``stall`` is a process that was not let run."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__()
        self.now = 0.0
        self._clock_resolution = 1e-6
        self._selector = _Selector(self)
        self._dice = None if seed is None else random.Random(seed)
        numbers = itertools.count()
        self.set_task_factory(lambda loop, coro, **more: _Task(coro, number=next(numbers), loop=loop, **more))

    def time(self) -> float:
        return self.now

    def stall(self, seconds: float) -> None:
        """Time goes on, nothing else does; what should have happened meanwhile happens late."""
        self.now += seconds

    def _run_once(self) -> None:
        if self._dice is not None and len(self._ready) > 1:
            self._take_turns()
        super()._run_once()  # type: ignore[misc]  # of BaseEventLoop, unknown to its stubs

    def _take_turns(self) -> None:
        """Shuffles who goes next among the tasks; what is no task keeps its place, one task's own steps their order."""
        ready = list(self._ready)
        places = [n for n, handle in enumerate(ready) if _task_of(handle) is not None]
        order = places[:]
        assert self._dice is not None
        self._dice.shuffle(order)
        lines: dict[object, list[Any]] = {}
        for place in places:
            lines.setdefault(_task_of(ready[place]), []).append(ready[place])
        turns = [_task_of(ready[place]) for place in order]
        for place, task in zip(places, turns, strict=True):
            ready[place] = lines[task].pop(0)
        self._ready.clear()
        self._ready.extend(ready)

    def _process_events(self, events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        raise AssertionError("a thread calls into virtual time")

    def run_in_executor(self, executor: object, func: object, *args: object) -> Any:
        raise AssertionError(f"virtual time has no threads for {func}")


def _task_of(handle: Any) -> asyncio.Task[Any] | None:
    owner = getattr(handle._callback, "__self__", None)
    return owner if isinstance(owner, asyncio.Task) else None


class VirtualClock:
    """``ports.clock.Clock`` on the running loop's time. ``jump`` moves the wall clock, as NTP or a person does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.offset = EPOCH

    def jump(self, seconds: float) -> None:
        self.offset += seconds

    def now(self) -> float:
        return self._loop.time() + self.offset

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, T], *, seed: int | None = None) -> T:
    """Like ``asyncio.run``, in no time. Whatever is still running at the end is cancelled."""
    loop = VirtualLoop(seed)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
