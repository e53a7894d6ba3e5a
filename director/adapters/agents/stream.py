"""The gateway service: one stream per agent, and blobs both ways. Moves bytes; ``peer`` decides what they mean.

Whom a call speaks for is read from the certificate alone. Nothing an agent does holds up another: each is read at its
own pace, a message it does not read costs it its stream, and the streams' queues and sizes have limits
(performance-reliability.md 5.3 #23, #24).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from agent.wire import agent_pb2 as pb
from agent.wire import agent_pb2_grpc as rpc
from director.adapters.agents.admission import Admission, Warn
from director.adapters.agents.identity import Identity, identity_of
from director.adapters.agents.link import Link, Throttle
from director.adapters.agents.peer import Peer
from director.adapters.agents.roster import Roster
from director.model.names import BlobId
from director.ports.blobs import Blobs
from director.ports.clock import Clock
from director.ports.failure import BlobMissing, Failure
from director.ports.meter import NO_METER, Meter

_HELLO_S: Final = 10.0
_ADMIT_S: Final = 30.0
_STEP_S: Final = 60.0
"""A message or chunk that cannot be moved in this time means a stuck agent."""
_REPORT_BYTES_MAX: Final = 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_TRANSFERS_MAX: Final = 128

Context = grpc.aio.ServicerContext[Any, Any]


class GatewayService(rpc.GatewayServicer):
    """Serves ``Connect``, ``Fetch`` and ``Store`` behind mutual TLS."""

    def __init__(
        self,
        *,
        roster: Roster,
        admission: Admission,
        blobs: Blobs,
        clock: Clock,
        warn: Warn,
        heartbeat_s: int,
        store_bytes_max: int,
        meter: Meter = NO_METER,
    ) -> None:
        self._meter = meter
        self._roster = roster
        self._admission = admission
        self._blobs = blobs
        self._clock = clock
        self._warn = warn
        self._heartbeat_s = heartbeat_s
        self._store_bytes_max = store_bytes_max
        self._transfers = asyncio.Semaphore(_TRANSFERS_MAX)

    # The generated stubs know only generators; grpc.aio also takes coroutines that read and write by themselves, and
    # only those end at once, in their own task, when a call is cancelled.

    async def Connect(  # type: ignore[override]  # noqa: N802  see above; the wire's name
        self,
        request_iterator: AsyncIterator[pb.FromAgent],  # noqa: ARG002  the context reads
        context: Context,
    ) -> None:
        identity = await _identity(context)
        link = Link(identity.key_hash)
        peer = await self._let_in(identity, link, context)
        try:
            async with asyncio.TaskGroup() as both:
                moving = (both.create_task(self._hear(peer, link, context)), both.create_task(_tell(link, context)))
                closed = await link.until_closed()
                for task in moving:
                    task.cancel()
        finally:
            peer.detach(link)
        if closed.code is not grpc.StatusCode.OK:
            await context.abort(closed.code, closed.details)

    async def Fetch(self, request: pb.FetchRequest, context: Context) -> None:  # type: ignore[override]  # noqa: N802  see above
        peer = await self._speaker(context)
        blob = BlobId(request.blob)
        await _allow(peer, context, is_asked_for=peer.may_fetch(blob))
        try:
            async with peer.transfers, self._transfers:
                await self._send_blob(blob, context)
        except BlobMissing as failure:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(failure))
        except Failure as failure:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(failure))
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the chunks are not read")

    async def Store(self, request_iterator: AsyncIterator[pb.Chunk], context: Context) -> pb.StoreReply:  # noqa: N802  the wire's name
        peer = await self._speaker(context)
        await _allow(peer, context, is_asked_for=peer.may_store())
        try:
            async with peer.transfers, self._transfers:
                blob = await self._blobs.put_stream(_data(request_iterator), size_max=self._store_bytes_max)
        except Failure as failure:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(failure))
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no more chunks came")
        return pb.StoreReply(blob=pb.StoredBlob(id=blob.id, digest=blob.digest))

    async def _let_in(self, identity: Identity, link: Link, context: Context) -> Peer:
        """The peer this stream now speaks for, its Hello taken in; aborts the call when it may not speak."""
        hello = await _hello(context)
        peer: Peer | None = None
        try:
            async with asyncio.timeout(_ADMIT_S), self._admission.speaker(identity) as is_speaker:
                if is_speaker:
                    peer = self._roster.peer(identity.agent)
                    if peer.attach(link, hello, self._heartbeat_s) is not None:
                        self._warn(identity.agent, "a second stream of this agent replaced the one it had")
        except (TimeoutError, Failure):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the director cannot look agents up now")
        if peer is None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "this agent may not connect any more")
        return peer

    async def _speaker(self, context: Context) -> Peer:
        identity = await _identity(context)
        peer = self._roster.find(identity.agent)
        if peer is None or peer.key_hash is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "connect first")
        if peer.key_hash != identity.key_hash:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "another key speaks for this agent")
        return peer

    async def _hear(self, peer: Peer, link: Link, context: Context) -> None:
        # No deadline on a read: a quiet agent is the watch's matter, a dead connection is ended by keepalive.
        throttle = Throttle(self._clock.monotonic())
        try:
            while (message := await context.read()) is not grpc.aio.EOF and peer.link is link:
                size = message.ByteSize()
                _take(peer, link, message, size)
                if message.HasField("report"):
                    self._meter.count("heartbeats")
                await self._clock.sleep(throttle.wait_s(self._clock.monotonic(), size))
            link.close(grpc.StatusCode.OK, "")
        except DecodeError:
            link.close(grpc.StatusCode.INVALID_ARGUMENT, "this is no message of ours")
        except grpc.aio.BaseError:
            link.close(grpc.StatusCode.UNAVAILABLE, "the stream broke")

    async def _send_blob(self, blob: BlobId, context: Context) -> None:
        chunks = await self._blobs.read(blob, chunk=_CHUNK_BYTES)
        try:
            async for data in chunks:
                async with asyncio.timeout(_STEP_S):
                    await context.write(pb.Chunk(data=data))
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()


def _take(peer: Peer, link: Link, message: pb.FromAgent, size: int) -> None:
    match message.WhichOneof("body"):
        case "result":
            peer.answer(message.result)
        case "report" if size <= _REPORT_BYTES_MAX:
            peer.report(message.report)
        case "report":
            link.close(grpc.StatusCode.RESOURCE_EXHAUSTED, "a report of this size is not taken")
        case "hello":
            link.close(grpc.StatusCode.INVALID_ARGUMENT, "Hello comes first, and once")
        case _:
            peer.touch()


async def _tell(link: Link, context: Context) -> None:
    try:
        while True:
            message = await link.next()
            async with asyncio.timeout(_STEP_S):
                await context.write(message)
    except TimeoutError:
        link.close(grpc.StatusCode.DEADLINE_EXCEEDED, "what is sent is not read")
    except grpc.aio.BaseError:
        link.close(grpc.StatusCode.UNAVAILABLE, "the stream broke")


async def _identity(context: Context) -> Identity:
    """From the certificate that TLS verified; aborts the call when it is not an agent's."""
    certificates = list(context.auth_context().get("x509_pem_cert", ()))
    identity = identity_of(certificates[0]) if certificates else None
    if identity is None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this certificate is not an agent's")
    return identity


async def _hello(context: Context) -> pb.Hello:
    try:
        async with asyncio.timeout(_HELLO_S):
            message = await context.read()
    except TimeoutError:
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no Hello came")
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this is no message of ours")
    is_hello = message is not grpc.aio.EOF and message.HasField("hello") and message.ByteSize() <= _REPORT_BYTES_MAX
    if not is_hello:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message is Hello")
    hello: pb.Hello = message.hello
    return hello


async def _allow(peer: Peer, context: Context, *, is_asked_for: bool) -> None:
    """Aborts unless a request of ours needs this; one of before our start may be asked again, so then not for good."""
    if is_asked_for:
        return
    if peer.has_unclaimed_work():
        await context.abort(grpc.StatusCode.UNAVAILABLE, "not asked of this agent yet; try again")
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not asked of this agent")


async def _data(chunks: AsyncIterator[pb.Chunk]) -> AsyncIterator[bytes]:
    """Raises TimeoutError when the next chunk does not come."""
    while True:
        async with asyncio.timeout(_STEP_S):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        yield chunk.data
