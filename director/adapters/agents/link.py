"""One open stream to an agent: a bounded queue outwards, closed once and for a reason, never read too fast.

Knows nothing of requests; ``peer`` decides what is sent, ``stream`` moves it.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import grpc

from agent.wire import agent_pb2 as pb

_WAITING_MAX: Final = 256
"""More than this unsent means that the agent does not read; a peer's pending requests are a fraction of it."""
_COST_PER_S: Final = 100.0
_COST_BURST: Final = 500.0
_BYTES_PER_COST: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Why a stream ended, as the agent is told."""

    code: grpc.StatusCode
    details: str


class Link:
    """``key_hash`` is the key the stream was opened with. To be made inside a running loop."""

    def __init__(self, key_hash: str) -> None:
        self.key_hash = key_hash
        self._waiting: asyncio.Queue[pb.ToAgent] = asyncio.Queue(_WAITING_MAX)
        self._closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    def send(self, message: pb.ToAgent) -> None:
        """Queues it; an agent that does not read loses its stream and may dial again."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.close(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much waits to be read")

    async def next(self) -> pb.ToAgent:
        return await self._waiting.get()

    def close(self, code: grpc.StatusCode, details: str) -> None:
        """The first reason counts."""
        if not self._closed.done():
            self._closed.set_result(Closed(code=code, details=details))

    async def until_closed(self) -> Closed:
        return await asyncio.shield(self._closed)


class Throttle:
    """How fast one agent is read: 100 messages/s after a burst of 500, a large message counting as several.

    What it sends beyond that waits in its own connection, by flow control (performance-reliability 5.3 #23).
    """

    def __init__(self, now: float) -> None:
        self._left = _COST_BURST
        self._at = now

    def wait_s(self, now: float, size: int) -> float:
        """Seconds to wait before the next read, after reading a message of ``size`` bytes at ``now``."""
        self._left = min(_COST_BURST, self._left + (now - self._at) * _COST_PER_S) - 1 - size / _BYTES_PER_COST
        self._at = now
        return max(0.0, -self._left / _COST_PER_S)
