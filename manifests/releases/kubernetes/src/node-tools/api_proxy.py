"""The API servers behind one address of this VM: `api_proxy.py CONFIG.json`. TCP only, so TLS goes through as it is.

Every client on the VM speaks to this address, so a master that comes or goes is nobody's concern but this program's. A
new connection goes to an API server that answers. An API server whose VM is gone says nothing at all, and its
connections would hang for minutes: it is asked for a connection twice a second, and after two that fail its
connections are cut while another one is there to take them. It gets new ones when it says that it is ready: one that
has just been started takes connections long before.
"""

import asyncio
import contextlib
import json
import signal
import ssl
import sys
from pathlib import Path

PROBE_EVERY_S = 0.5
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
    def __init__(self, client: Client, backend: Backend) -> None:
        super().__init__(client)
        self.backend = backend

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.backend.open.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.backend.open.discard(self.transport)
        super().connection_lost(error)


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
                    half = Server(client, backend)
                    await asyncio.get_running_loop().create_connection(lambda h=half: h, backend.host, backend.port)
            except (OSError, TimeoutError):
                continue
            if client.transport.is_closing():
                half.transport.close()
            else:
                client.join(half)
            return
        client.transport.abort()

    async def probe(self, backend: Backend) -> None:
        while True:
            is_up = await answers(backend) and (backend.is_alive or await is_ready(backend, self.tls))
            was_alive = backend.is_alive
            backend.failures = 0 if is_up else min(backend.failures + 1, FAILURES_DEAD)
            if was_alive != backend.is_alive:
                print(f"API server {backend} {'answers' if is_up else 'does not answer'}", flush=True)
            if not backend.is_alive and any(other.is_alive for other in self.backends):
                for transport in list(backend.open):
                    transport.abort()
            await asyncio.sleep(PROBE_EVERY_S)


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
    # One API server alone has nobody to take its place: its connections last as long as it does.
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
