"""Blobs to and from the director: streamed to disk, verified, tried again while the director is away."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import grpc

from agent.backoff import waits_s
from agent.dial import Dial
from agent.digest import Check
from agent.failure import Failed
from agent.wire import agent_pb2 as wire

log = logging.getLogger("agent")
_CHUNK = 256 * 1024
_PATIENCE_S: Final = {
    grpc.StatusCode.UNAVAILABLE: 120.0,
    grpc.StatusCode.CANCELLED: 120.0,
    # A director that has just restarted must first repeat its requests before it knows what this agent may fetch.
    grpc.StatusCode.PERMISSION_DENIED: 15.0,
}
_STREAM_MAX_S = 3600.0
"""No transfer of one blob takes longer; a stuck one ends."""


class Blobs:
    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    async def fetch(self, blob: str, digest: str, into: Path, what: str) -> None:
        """Raises Failed, naming ``what``, when it cannot be had or is not what ``digest`` says.

        ``into`` is the caller's to remove.
        """
        Check(digest)
        await self._patiently(what, lambda: self._fetch_once(blob, digest, into, what))

    async def store(self, path: Path, what: str) -> wire.StoredBlob:
        """Raises Failed, naming ``what``, when the director does not take it."""
        stored: list[wire.StoredBlob] = []

        async def once() -> None:
            reply = await self._dial.gateway().Store(_chunks(path), timeout=_STREAM_MAX_S)
            stored.append(reply.blob)

        await self._patiently(what, once)
        return stored[-1]

    async def _fetch_once(self, blob: str, digest: str, into: Path, what: str) -> None:
        check = Check(digest)
        call = self._dial.gateway().Fetch(wire.FetchRequest(blob=blob), timeout=_STREAM_MAX_S)
        with into.open("wb") as file:
            async for chunk in call:
                check.update(chunk.data)
                file.write(chunk.data)
        check.finish(what)

    async def _patiently(self, what: str, once: Callable[[], Awaitable[None]]) -> None:
        """Tries again what may be a director on its way back, for as long after the first loss as ``_PATIENCE_S`` says.

        How long the transfer had run before counts for nothing: a large one would never be tried again.
        """
        loop = asyncio.get_running_loop()
        lost_at: float | None = None
        for wait_s in waits_s():
            try:
                await once()
            except grpc.aio.AioRpcError as error:
                lost_at = loop.time() if lost_at is None else lost_at
                if loop.time() - lost_at + wait_s > _PATIENCE_S.get(error.code(), 0.0):
                    raise Failed(f"{what}: the director gave {error.code().name}: {error.details()}") from error
                log.info("transfer again what=%s code=%s wait_s=%.2f", what, error.code().name, wait_s)
                await asyncio.sleep(wait_s)
            else:
                return


async def _chunks(path: Path) -> AsyncIterator[wire.Chunk]:
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            yield wire.Chunk(data=data)
