"""A real gRPC client that acts as one agent, and the few stand-ins a gateway needs. Shared with the contract suite."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.wire import agent_pb2 as pb
from agent.wire import agent_pb2_grpc as rpc
from director.adapters.memory.agents import Reply
from director.model.names import AgentId, BlobId, Digest
from director.model.record import AgentRecord
from director.ports.blobs import Blob
from director.ports.failure import BlobMissing, Failure
from director.ports.infrastructure import Enrolment
from director.ports.store import DropAgent, PutAgent

OPTIONS = (("grpc.ssl_target_name_override", "director"), ("grpc.max_receive_message_length", 64 * 1024 * 1024))


class DictStore:
    """As much of a Store as the gateway needs."""

    def __init__(self) -> None:
        self.records: dict[AgentId, AgentRecord] = {}

    async def agent(self, id: AgentId) -> AgentRecord | None:
        await asyncio.sleep(0)
        return self.records.get(id)

    async def commit(self, *changes) -> None:
        await asyncio.sleep(0)
        for change in changes:
            match change:
                case PutAgent():
                    self.records[change.record.id] = change.record
                case DropAgent():
                    self.records.pop(change.id, None)


class DictBlobs:
    """As much of a Blobs as the gateway needs. The id of what is put counts up."""

    def __init__(self) -> None:
        self.bytes: dict[BlobId, bytes] = {}

    async def read(self, blob: BlobId, *, chunk: int = 262_144) -> AsyncIterator[bytes]:
        if blob not in self.bytes:
            raise BlobMissing(f"no blob {blob}")
        data = self.bytes[blob]

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), chunk):
                yield data[start : start + chunk]

        return chunks()

    async def put_stream(self, chunks: AsyncIterator[bytes], *, size_max: int) -> Blob:
        data = bytearray()
        async for chunk in chunks:
            data += chunk
            if len(data) > size_max:
                raise Failure("the stream is too long")
        blob = BlobId(f"stored-{len(self.bytes)}")
        self.bytes[blob] = bytes(data)
        return Blob(id=blob, digest=Digest("sha256:of-it"), size=len(data))


def make_csr(key) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else entirely")])
    algorithm = hashes.SHA256()
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, algorithm).public_bytes(Encoding.PEM)


class ScriptedAgent:
    """Enrols, connects and answers by ``script``. ``got`` has what it was sent, ``ran`` the keys it carried out."""

    def __init__(self, enrolment: Enrolment, *, target: int = -1, script: Callable[[str], Reply] | None = None) -> None:
        self.enrolment = enrolment
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = b""
        self.report = pb.Report(job_state=pb.JOB_STATE_STOPPED)
        self.script = script or (lambda _key: Reply())
        self.got: asyncio.Queue[pb.ToAgent] = asyncio.Queue()
        self.ran: list[str] = []
        self.results: dict[str, pb.Result] = {}
        self.call = None
        self._target = target
        self._channel: grpc.aio.Channel | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._work: dict[str, asyncio.Task[None]] = {}

    async def enrol(self, *, token: str | None = None, key=None) -> None:
        credentials = grpc.ssl_channel_credentials(self.enrolment.ca_certificate.encode())
        target = self.enrolment.enrol_targets[self._target]
        async with grpc.aio.secure_channel(target, credentials, options=OPTIONS) as channel:
            request = pb.EnrolRequest(
                agent_id=self.enrolment.agent,
                token=self.enrolment.token if token is None else token,
                csr_pem=make_csr(key or self.key),
            )
            self.certificate = (await rpc.EnrolmentStub(channel).Enrol(request, timeout=20)).certificate_pem

    async def open(self, *options: tuple[str, int]) -> rpc.GatewayStub:
        """A channel with the certificate, without any call."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        credentials = grpc.ssl_channel_credentials(self.enrolment.ca_certificate.encode(), key, self.certificate)
        self._channel = grpc.aio.secure_channel(
            self.enrolment.agent_targets[self._target], credentials, options=(*OPTIONS, *options)
        )
        return rpc.GatewayStub(self._channel)

    async def connect(self) -> None:
        """Says Hello and returns once welcomed; from then on answers requests. Raises AioRpcError when refused."""
        stub = await self.open()
        self.call = stub.Connect()
        self.report.ClearField("running")
        self.report.running.extend(sorted(self._work))
        await self.say(hello=pb.Hello(version="1", boot=1, report=self.report, held_results=sorted(self.results)))
        self.got.put_nowait(await self.call.read())
        for result in self.results.values():
            await self.say(result=result)
        self._tasks.append(asyncio.create_task(self._listen()))

    async def say(self, **body) -> None:
        await self.call.write(pb.FromAgent(**body))

    async def tell(self, report: pb.Report) -> None:
        self.report = report
        await self.say(report=report)

    async def hang_up(self) -> None:
        """Ends the connection; what it carries out goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self.call = None
        if self._channel is not None:
            await self._channel.close()

    async def close(self) -> None:
        await self.hang_up()
        for task in self._work.values():
            task.cancel()
        await asyncio.gather(*self._work.values(), return_exceptions=True)

    async def _listen(self) -> None:
        call = self.call
        with contextlib.suppress(grpc.aio.AioRpcError):
            while (message := await call.read()) is not grpc.aio.EOF:
                self.got.put_nowait(message)
                match message.WhichOneof("body"):
                    case "request":
                        self._take(message.request)
                    case "acknowledge":
                        self.results.pop(message.acknowledge.key, None)
                    case "cancel" if message.cancel.key in self._work:
                        self._work.pop(message.cancel.key).cancel()

    def _take(self, request: pb.Request) -> None:
        if request.key not in self._work:
            self._work[request.key] = asyncio.create_task(self._carry_out(request))

    async def _carry_out(self, request: pb.Request) -> None:
        reply = self.script(request.key)
        if request.key not in self.results:
            if reply.is_silent:
                await asyncio.Event().wait()
            await asyncio.sleep(reply.after_s)
            self.ran.append(request.key)
            self.results[request.key] = _result(request.key, reply)
        self._work.pop(request.key, None)
        if self.call is not None:
            await self.say(result=self.results[request.key])


def _result(key: str, reply: Reply) -> pb.Result:
    result = pb.Result(key=key, error=reply.error)
    tree = reply.result or {}
    if "exit_code" in tree:
        result.errand.exit_code = tree["exit_code"]
        result.errand.stdout = tree["stdout"].encode()
        result.errand.stderr = tree["stderr"].encode()
    if "blob" in tree:
        result.blob.id, result.blob.digest = tree["blob"], tree["digest"]
    return result


async def refusal(call) -> grpc.StatusCode:
    """The code a call fails with; fails the test when it does not."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def next_of(agent: ScriptedAgent, kind: str):
    """The next message of this kind the agent is sent; others are skipped."""
    async with asyncio.timeout(10):
        while True:
            message = await agent.got.get()
            if message.WhichOneof("body") == kind:
                return getattr(message, kind)
