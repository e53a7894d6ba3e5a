"""Of several who want the same thing at once, one does it and all get it. Within this process only."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from director.ports.failure import Failure

K = TypeVar("K")
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Future[V]] = {}

    async def do(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """What ``make`` gives, or the Failure it raises, to everybody who asks meanwhile.

        When the one who does it is cancelled, another of those who wait begins anew.
        """
        while True:
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, make)
            await asyncio.wait([flight])
            if not flight.cancelled():
                return flight.result()

    async def _lead(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            value = await make()
        except Failure as failure:
            flight.set_exception(failure)
            flight.exception()  # nobody may have waited
            raise
        else:
            flight.set_result(value)
            return value
        finally:
            del self._flights[key]
            if not flight.done():
                flight.cancel()
