"""A director's gateway for tests of a real agent: its own CA, real TLS on unix sockets, everything in memory."""

import asyncio
import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.wire import agent_pb2 as wire
from agent.wire import agent_pb2_grpc as rpc

_WAIT_S = 30.0


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Authority:
    """A CA that lives as long as the test."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign("test ca", self._key.public_key(), is_ca=True)
        self.ca_pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def server(self) -> tuple[bytes, bytes]:
        """Key and certificate for the name director."""
        key = ec.generate_private_key(ec.SECP256R1())
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return key_pem, self._sign("director", key.public_key()).public_bytes(serialization.Encoding.PEM)

    def agent(self, name: str, csr_pem: bytes) -> bytes:
        request = x509.load_pem_x509_csr(csr_pem)
        assert request.is_signature_valid
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return self._sign(name, key).public_bytes(serialization.Encoding.PEM)

    def _sign(self, name: str, key: ec.EllipticCurvePublicKey, *, is_ca: bool = False) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if is_ca else self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


@dataclass
class World:
    """What a director would have in its store; outlives a gateway that is stopped and started again."""

    authority: Authority = field(default_factory=Authority)
    tokens: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, wire.Result] = field(default_factory=dict)
    result_count: dict[str, int] = field(default_factory=dict)
    hellos: list[wire.Hello] = field(default_factory=list)
    reports: list[wire.Report] = field(default_factory=list)
    acknowledges: bool = True
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, is_so: Callable[[], bool], timeout_s: float = _WAIT_S) -> None:
        async with asyncio.timeout(timeout_s), self.changed:
            await self.changed.wait_for(is_so)

    async def note(self) -> None:
        async with self.changed:
            self.changed.notify_all()


class FakeGateway(rpc.GatewayServicer, rpc.EnrolmentServicer):
    def __init__(self, world: World, directory: Path, heartbeat_s: int = 1) -> None:
        self.world = world
        self.enrol_target = f"unix:{directory}/enrol.sock"
        self.agent_target = f"unix:{directory}/agent.sock"
        self.heartbeat_s = heartbeat_s
        self._server: grpc.aio.Server | None = None
        self._to_agent: asyncio.Queue[wire.ToAgent] | None = None

    async def start(self) -> None:
        key, certificate = self.world.authority.server()
        pair = [(key, certificate)]
        server = grpc.aio.server(options=[("grpc.http2.min_ping_interval_without_data_ms", 5000)])
        rpc.add_EnrolmentServicer_to_server(self, server)
        rpc.add_GatewayServicer_to_server(self, server)
        server.add_secure_port(self.enrol_target, grpc.ssl_server_credentials(pair))
        mutual = grpc.ssl_server_credentials(pair, self.world.authority.ca_pem, require_client_auth=True)
        server.add_secure_port(self.agent_target, mutual)
        await server.start()
        self._server = server

    @property
    def is_running(self) -> bool:
        return self._server is not None

    async def stop(self) -> None:
        assert self._server is not None
        self._to_agent = None
        await self._server.stop(None)
        self._server = None

    async def Enrol(self, request: wire.EnrolRequest, context: grpc.aio.ServicerContext) -> wire.EnrolReply:
        if self.world.tokens.pop(request.agent_id, None) != request.token:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no such token")
        certificate = self.world.authority.agent(request.agent_id, request.csr_pem)
        return wire.EnrolReply(certificate_pem=certificate, ca_pem=self.world.authority.ca_pem)

    async def Connect(
        self, request_iterator: AsyncIterator[wire.FromAgent], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[wire.ToAgent]:
        queue: asyncio.Queue[wire.ToAgent] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(request_iterator, queue))
            try:
                while True:
                    yield await queue.get()
            finally:
                reader.cancel()

    async def _read(self, messages: AsyncIterator[wire.FromAgent], queue: "asyncio.Queue[wire.ToAgent]") -> None:
        async for message in messages:
            match message.WhichOneof("body"):
                case "hello":
                    self.world.hellos.append(message.hello)
                    self.world.reports.append(message.hello.report)
                    queue.put_nowait(wire.ToAgent(welcome=wire.Welcome(heartbeat_s=self.heartbeat_s)))
                    self._to_agent = queue
                case "report":
                    self.world.reports.append(message.report)
                case "result":
                    self._take_result(message.result, queue)
            await self.world.note()

    def _take_result(self, result: wire.Result, queue: "asyncio.Queue[wire.ToAgent]") -> None:
        self.world.results[result.key] = result
        self.world.result_count[result.key] = self.world.result_count.get(result.key, 0) + 1
        if self.world.acknowledges:
            queue.put_nowait(wire.ToAgent(acknowledge=wire.Acknowledge(key=result.key)))

    async def Fetch(self, request: wire.FetchRequest, context: grpc.aio.ServicerContext) -> AsyncIterator[wire.Chunk]:
        if request.blob not in self.world.blobs:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such blob")
        content = self.world.blobs[request.blob]
        for at in range(0, len(content), 64 * 1024):
            yield wire.Chunk(data=content[at : at + 64 * 1024])

    async def Store(
        self, request_iterator: AsyncIterator[wire.Chunk], context: grpc.aio.ServicerContext
    ) -> wire.StoreReply:
        content = b"".join([chunk.data async for chunk in request_iterator])
        digest = digest_of(content)
        self.world.blobs[digest] = content
        return wire.StoreReply(blob=wire.StoredBlob(id=digest, digest=digest))

    async def connected(self) -> None:
        await self.world.until(lambda: self._to_agent is not None)

    async def send(self, message: wire.ToAgent) -> None:
        await self.connected()
        assert self._to_agent is not None
        self._to_agent.put_nowait(message)

    async def ask(self, request: wire.Request, timeout_s: float = _WAIT_S) -> wire.Result:
        await self.send(wire.ToAgent(request=request))
        await self.world.until(lambda: request.key in self.world.results, timeout_s)
        return self.world.results[request.key]
