"""Questions that come up at the same time, asked as one: so a bulk read stays one when many VMs want it at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from director.ports.failure import InfrastructureFailure

V = TypeVar("V")


@dataclass(slots=True, eq=False)
class _Batch(Generic[V]):
    keys: set[str] = field(default_factory=set)
    answer: Mapping[str, V] | None = None
    failure: InfrastructureFailure | None = None


class Together(Generic[V]):
    """``read`` answers for many keys at once. One read is under way at a time; who comes meanwhile shares the next."""

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Mapping[str, V]]]) -> None:
        self._read = read
        self._reading = asyncio.Lock()
        self._open: _Batch[V] = _Batch()

    async def ask(self, key: str) -> V | None:
        """What is so after this call began; None for a key without an answer. Raises what the read raises."""
        batch = self._open
        batch.keys.add(key)
        async with self._reading:
            if batch.answer is None and batch.failure is None:
                await self._answer(batch)
        if batch.failure is not None:
            raise batch.failure
        assert batch.answer is not None, "the lock is left with an answer or a failure"
        return batch.answer.get(key)

    async def _answer(self, batch: _Batch[V]) -> None:
        """Cancelled halfway, the next one in line reads anew."""
        await asyncio.sleep(0)  # those that one answer of vCenter has woken get in
        if self._open is batch:
            self._open = _Batch()
        try:
            batch.answer = await self._read(sorted(batch.keys))
        except InfrastructureFailure as failure:
            batch.failure = failure
