"""One change of one VM or disk at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, *names: str) -> AsyncIterator[None]:
        """Locks are taken in the order given: a VM's before a disk's."""
        async with AsyncExitStack() as held:
            for name in names:
                await held.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
            yield
