"""Settles what stopped directors left open: at start what can be told at once, later the rest, beside the queue.

What a running task is at is that task's; a deployment's intents are settled under its lock, as a task would.
"""

import asyncio
from collections.abc import Callable, Collection
from itertools import chain, repeat
from typing import Final

from director.execution.journal import LATE, settle
from director.execution.world import World
from director.model.names import TaskId
from director.model.record import Intent

PAUSES_S: Final = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Between two looks for what could not be settled; then every five minutes."""

NOBODY: Final = TaskId(0)
"""Holds the lock of a deployment meanwhile."""


class Settling:
    """``locks`` and ``running`` are the driver's own, ``freed`` tells it that a lock is free again."""

    def __init__(
        self, world: World, locks: dict[str, TaskId], running: Collection[TaskId], freed: Callable[[], None]
    ) -> None:
        self._world = world
        self._locks = locks
        self._running = running
        self._freed = freed
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """A task has ended: it may have left something open."""
        self._asked.set()

    async def first(self) -> None:
        """Before any task runs; removals that take their time are left for later."""
        if await settle(self._world):
            self.ask()

    async def run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            for pause_s in chain(PAUSES_S, repeat(PAUSES_S[-1])):
                if not await self._is_any_left():
                    break
                await self._world.clock.sleep(pause_s)

    async def _is_any_left(self) -> bool:
        open_ones = [intent for intent in await self._world.store.open_intents() if self._is_left(intent)]
        left = [await self._settled(name) for name in sorted({intent.deployment for intent in open_ones})]
        return not all(left)

    async def _settled(self, deployment: str) -> bool:
        """Whether nothing of the deployment is left open."""
        lock = f"deployment:{deployment}"
        if lock in self._locks:
            return False
        self._locks[lock] = NOBODY
        try:
            left = await settle(
                self._world, lambda intent: intent.deployment == deployment and self._is_left(intent), finishes=True
            )
        finally:
            del self._locks[lock]
            self._freed()
        return not left

    def _is_left(self, intent: Intent) -> bool:
        return intent.task not in self._running or intent.effect.startswith(LATE)
