"""The API servers behind one address of this VM: `api_proxy.py CONFIG.json`. TCP only, so TLS goes through as it is.

Every client on the VM speaks to this address, so a master that comes or goes is nobody's concern but this program's. A
new connection goes to an API server that answers. An API server whose VM is gone says nothing at all, and its
connections would hang for minutes: here they end 2 s after the last sign of that VM, which kernels give each other (30 s
where there is no other API server). It gets new ones when it says that it is ready: one that has just been started takes
connections long before.

There may be thousands of such VMs, so API servers are asked by this program only now and then: whether they still take
connections, which one that hangs does not. As soon as there is doubt they are asked twice a second; after two failures
the connections are cut that are left, while another one is there to take them.
"""

import asyncio
import contextlib
import json
import random
import signal
import socket
import ssl
import sys
from pathlib import Path

PROBE_EVERY_S = 0.5
"""While there is doubt."""
REST_S = 5.0
"""Between two looks at one that is well, more or less: VMs do not all look at once."""
NOT_READY_S = 2.0
"""Until one is asked again that has said it is not ready yet: to say so costs it as much as a request."""
SILENT_S = 1.5
"""Kernels ask every second: the second question without an answer is one too many."""
ALONE_SILENT_S = 30.0
"""Where there is no other API server to take the connections."""
PROBE_S = 1.0
CONNECT_S = 2.0
FAILURES_DEAD = 2
NAME = "kubernetes"
"""By which an API server is known, wherever it is: one of the names of its certificate."""


class Backend:
    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.failures = FAILURES_DEAD
        self.open: set[asyncio.Transport] = set()
        self.doubted = asyncio.Event()

    @property
    def is_alive(self) -> bool:
        return self.failures < FAILURES_DEAD

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Half(asyncio.Protocol):
    """One side of a connection; what comes in here goes out of ``other``."""

    def __init__(self, other: "Half | None" = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self.is_ended = False

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.is_ended = True
        if self.other is None:
            return False  # it left before anybody was found for it
        if self.other.transport.can_write_eof() and not self.other.transport.is_closing():
            self.other.transport.write_eof()
        return not self.other.is_ended

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()


class Client(Half):
    def __init__(self, proxy: "Proxy") -> None:
        super().__init__()
        self.proxy = proxy
        self.task: asyncio.Task | None = None
        self.early = b""
        """What came before there was anybody to give it to. No more is read then."""

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.task = asyncio.get_running_loop().create_task(self.proxy.join(self))

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self.early += data
        self.transport.pause_reading()

    def join(self, backend: Half) -> None:
        self.other = backend
        backend.transport.write(self.early)
        self.early = b""
        self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.task.cancel()
        super().connection_lost(error)


class Server(Half):
    def __init__(self, client: Client, backend: Backend, silent_s: float) -> None:
        super().__init__(client)
        self.backend, self.silent_s = backend, silent_s

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.backend.open.add(transport)
        end_with_silence(transport.get_extra_info("socket"), self.silent_s)

    def connection_lost(self, error: Exception | None) -> None:
        self.backend.open.discard(self.transport)
        if error is not None:
            self.backend.doubted.set()
        super().connection_lost(error)


def end_with_silence(connection: socket.socket, limit_s: float) -> None:
    """The other kernel is asked for a sign every second that nothing comes; without one the connection ends."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limit_s * 1000))


class Proxy:
    """``tls`` is how API servers are asked whether they are ready; None asks for a connection only."""

    def __init__(self, backends: list[Backend], tls: ssl.SSLContext | None) -> None:
        self.backends, self.tls = backends, tls
        self.next = 0

    def order(self) -> list[Backend]:
        """Who answered last comes first, in turns; who did not is tried all the same."""
        self.next += 1
        turned = [self.backends[(self.next + n) % len(self.backends)] for n in range(len(self.backends))]
        return sorted(turned, key=lambda backend: not backend.is_alive)

    async def join(self, client: Client) -> None:
        for backend in self.order():
            try:
                async with asyncio.timeout(CONNECT_S):
                    half = Server(client, backend, SILENT_S if len(self.backends) > 1 else ALONE_SILENT_S)
                    await asyncio.get_running_loop().create_connection(lambda h=half: h, backend.host, backend.port)
            except (OSError, TimeoutError):
                backend.doubted.set()
                continue
            if client.transport.is_closing():
                half.transport.close()
            else:
                client.join(half)
            return
        client.transport.abort()

    async def probe(self, backend: Backend) -> None:
        while True:
            backend.doubted.clear()
            answered = await answers(backend)
            is_up = answered and (backend.is_alive or await is_ready(backend, self.tls))
            was_alive = backend.is_alive
            backend.failures = 0 if is_up else min(backend.failures + 1, FAILURES_DEAD)
            if was_alive != backend.is_alive:
                print(f"API server {backend} {'answers' if is_up else 'does not answer'}", flush=True)
            if not backend.is_alive and any(other.is_alive for other in self.backends):
                for transport in list(backend.open):
                    transport.abort()
            await asyncio.sleep(NOT_READY_S * random.uniform(0.75, 1.25) if answered and not is_up else PROBE_EVERY_S)
            if is_up:
                await doubt(backend)


async def doubt(backend: Backend) -> None:
    """Until there is any, or it is time to look."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REST_S * random.uniform(0.75, 1.25)):
            await backend.doubted.wait()


async def answers(backend: Backend) -> bool:
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(backend.host, backend.port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def is_ready(backend: Backend, tls: ssl.SSLContext | None) -> bool:
    if tls is None:
        return True
    try:
        async with asyncio.timeout(CONNECT_S):
            where = {"host": backend.host, "port": backend.port, "ssl": tls, "server_hostname": NAME}
            reader, writer = await asyncio.open_connection(**where)
            writer.write(f"GET /readyz HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
            answer = await reader.readline()
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return b" 200 " in answer


async def main(path: str) -> None:
    config = json.loads(Path(path).read_text())
    tls = ssl.create_default_context(cafile=config["ca"]) if config["ca"] else None
    proxy = Proxy([Backend(each["host"], each["port"]) for each in config["backends"]], tls)
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    server = await loop.create_server(lambda: Client(proxy), config["host"], config["port"])
    # One API server alone has nobody to take its place: it need not be asked how it is.
    probes = [loop.create_task(proxy.probe(backend)) for backend in proxy.backends] if len(proxy.backends) > 1 else []
    print(f"{config['host']}:{config['port']} is {', '.join(map(str, proxy.backends))}", flush=True)
    await done.wait()
    server.close()
    for transport in [each for backend in proxy.backends for each in backend.open]:
        transport.abort()
    await asyncio.sleep(0.05)  # their ends are told to the other side, too
    for probe in probes:
        probe.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await probe


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
