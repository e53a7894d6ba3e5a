"""Runs the managers of a cluster over HTTP or HTTPS until told to stop; opens and shuts their doors."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tests.nsxsim.app import App
from tests.nsxsim.cluster import Cluster

BACKLOG: Final = 512
GRACE_S: Final = 0.05
CONTROL: Final = -2
"""The number of no manager."""


class _Protocol(HttpToolsProtocol):
    """Lets the application see the connection: for the client's certificate, and to drop it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # uvicorn types it as its own HTTPScope
        scope["nsxsim.transport"] = self.transport
        made = self.transport.get_extra_info("ssl_object")
        if made is not None:
            scope["nsxsim.peercert"] = made.getpeercert(binary_form=True)


class Manager:
    """One listening address. `switch(False)` refuses connections and drops open ones; `switch(True)` listens again."""

    def __init__(self, app: App, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.host, self.port, self.tls = host, port, tls
        self._config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="error", date_header=False)
        self._config.load()
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    async def switch(self, up: bool) -> None:
        if up:
            await self.start()
        else:
            self.stop()

    async def start(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Protocol(self._config, self._state, {}),
                self.host,
                self.port,
                ssl=self.tls,
                backlog=BACKLOG,
                reuse_address=True,
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            # The request that asked for this may be one of them: let it have its answer.
            asyncio.get_running_loop().call_later(GRACE_S, self._abort)

    def _abort(self) -> None:
        for connection in list(self._state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None and self._server is None:
                transport.abort()

    async def end(self) -> None:
        """Stops for good: what is being answered still is."""
        self.stop()
        await asyncio.sleep(GRACE_S)
        self._abort()


async def serve(
    cluster: Cluster, addresses: Sequence[tuple[str, int]], tls: ssl.SSLContext | None = None
) -> list[Manager]:
    """Starts one manager per address; the caller stops them."""
    managers = [Manager(App(cluster, n), host, port, tls) for n, (host, port) in enumerate(addresses)]
    for manager in managers:
        await manager.start()
        cluster.managers.append(manager.switch)
    return managers


async def control(cluster: Cluster, address: tuple[str, int]) -> Manager:
    """An address for the control door alone, plain HTTP, that no fault shuts."""
    manager = Manager(App(cluster, CONTROL), *address, None)
    await manager.start()
    return manager
