"""The one stream to the director: dialled, kept, dialled again. Jobs and requests go on without it.

Note: order. A report that is due goes out before any result, so whoever sees a result has already been told what it
changed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import grpc

from agent.backoff import waits_s
from agent.dial import Dial
from agent.ledger import Ledger
from agent.requests import Requests
from agent.wire import agent_pb2 as wire

log = logging.getLogger("agent")
VERSION = "1"
_HEARTBEAT_S = 10
"""Until the director's welcome says otherwise."""
_WRITE_MAX_S = 30.0
"""A director that takes no message for so long is as good as gone."""
_WELCOME_MAX_S = 20.0

Stream: TypeAlias = "grpc.aio.StreamStreamCall[wire.FromAgent, wire.ToAgent]"


class Outbox:
    """What is to be sent, coalesced: one report however often it became due, each result once per stream."""

    def __init__(self) -> None:
        self._wake = asyncio.Event()
        self._is_report_due = False
        self._keys: deque[str] = deque()

    def report_due(self) -> None:
        self._is_report_due = True
        self._wake.set()

    def result_due(self, key: str) -> None:
        if key not in self._keys:
            self._keys.append(key)
        self.report_due()

    def reset(self, keys: tuple[str, ...]) -> None:
        """A new stream: whose hello carries the report, and all results held go out again."""
        self._is_report_due = False
        self._keys = deque(keys)
        self._wake.set()

    async def next(self, heartbeat_s: float) -> tuple[bool, str]:
        """(whether a report is due, the key of a result due or ""); waits no longer than a heartbeat."""
        try:
            async with asyncio.timeout(heartbeat_s):
                while not self._is_report_due and not self._keys:
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            return True, ""
        if self._is_report_due:
            self._is_report_due = False
            return True, ""
        return False, self._keys.popleft()


class Session:
    def __init__(
        self,
        dial: Dial,
        requests: Requests,
        ledger: Ledger,
        outbox: Outbox,
        report: Callable[[], wire.Report],
        boot: int,
    ) -> None:
        self._dial, self._requests, self._ledger = dial, requests, ledger
        self._outbox, self._report, self._boot = outbox, report, boot
        self._heartbeat_s = _HEARTBEAT_S
        self._was_welcome = False

    async def run(self) -> None:
        """Until cancelled: connected, or on the way to be."""
        waits = waits_s()
        while True:
            await self._connected()
            if self._was_welcome:
                waits = waits_s()
                self._dial.reset()
            if self._was_welcome or self._dial.turn():
                await asyncio.sleep(next(waits))

    async def _connected(self) -> None:
        """One stream, from hello to its end, whoever ends it."""
        self._was_welcome = False
        stream = self._dial.gateway().Connect()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(stream))
                group.create_task(self._write(stream))
        except* grpc.aio.AioRpcError as errors:
            error = errors.exceptions[0]
            assert isinstance(error, grpc.aio.AioRpcError)
            log.warning("disconnected target=%s code=%s why=%s", self._dial.target, error.code().name, error.details())
        except* (_Ended, TimeoutError, asyncio.InvalidStateError) as errors:
            log.warning("disconnected target=%s why=%s", self._dial.target, errors.exceptions[0] or "no answer in time")
        finally:
            stream.cancel()

    async def _read(self, stream: Stream) -> None:
        async with asyncio.timeout(_WELCOME_MAX_S):
            await self._take(stream)
        while True:
            await self._take(stream)

    async def _take(self, stream: Stream) -> None:
        message = await stream.read()
        if not isinstance(message, wire.ToAgent):
            raise _Ended("the director ended the stream")
        match message.WhichOneof("body"):
            case "welcome":
                self._heartbeat_s = message.welcome.heartbeat_s or _HEARTBEAT_S
                self._was_welcome = True
                log.info("connected target=%s heartbeat_s=%d", self._dial.target, self._heartbeat_s)
            case "request":
                self._requests.accept(message.request)
            case "cancel":
                self._requests.cancel(message.cancel.key)
            case "acknowledge":
                self._requests.acknowledge(message.acknowledge.key)

    async def _write(self, stream: Stream) -> None:
        held = self._ledger.held()
        self._outbox.reset(held)
        hello = wire.Hello(version=VERSION, boot=self._boot, report=self._report(), held_results=held)
        await self._send(stream, wire.FromAgent(hello=hello))
        while True:
            is_report, key = await self._outbox.next(self._heartbeat_s)
            if is_report:
                await self._send(stream, wire.FromAgent(report=self._report()))
            elif (result := self._ledger.result(key)) is not None:
                await self._send(stream, wire.FromAgent(result=result))

    async def _send(self, stream: Stream, message: wire.FromAgent) -> None:
        async with asyncio.timeout(_WRITE_MAX_S):
            await stream.write(message)


class _Ended(Exception):
    """The stream is over."""
