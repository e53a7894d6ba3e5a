"""An edge for demonstrations: virtual servers with a loopback address (127/8) really listen and forward TCP.

A connection goes to the pool's enabled members in turn, to the first that can be connected to; one that cannot is left
out for a while. Only virtual servers that are enabled and belong to a load balancer listen, and only as many as
`LISTEN_MAX` ports. Members are looked up for each connection, so a change of the pool counts from the next one on.
`GET /_sim/forwards` tells what listens.
"""

import asyncio
import ipaddress
import itertools
import logging
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.nsxsim.door import knob
from tests.nsxsim.groups import Groups
from tests.nsxsim.problems import Json

if TYPE_CHECKING:
    from tests.nsxsim.cluster import Cluster
    from tests.nsxsim.sim import Sim

LISTEN_MAX: Final = 256
CONNECTIONS_MAX: Final = 512
CONNECT_S: Final = 2.0
DOWN_S: Final = 5.0
"""How long a member that could not be connected to is asked last."""
IDLE_S: Final = 300.0
CHUNK: Final = 1 << 16

_log: Final = logging.getLogger(__name__)

Address = tuple[str, int]


class Forwarder:
    def __init__(self, sim: "Sim") -> None:
        self._sim = sim
        self._groups: Groups = sim.rooms["groups"]
        self._open: dict[Address, asyncio.Server] = {}
        self._servers: dict[Address, str] = {}
        self._turns: dict[str, Iterator[int]] = {}
        self._down: dict[Address, float] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        sim.rooms["forwards"] = self
        sim.tree.listen(self._heard)

    async def start(self) -> None:
        await self._settle()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="nsxsim forward")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for server in self._open.values():
            server.close()
        self._open.clear()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def listening(self) -> dict[str, str]:
        """`address:port` to the virtual server's path."""
        return {f"{ip}:{port}": self._servers[ip, port] for ip, port in sorted(self._open)}

    def is_down(self, address: str, port: int) -> bool:
        """Whether a member could not be connected to a moment ago."""
        return self._down.get((address, port), 0.0) > asyncio.get_running_loop().time()

    def _heard(self, _path: str, before: Json | None, after: Json | None) -> None:
        if (after or before or {}).get("resource_type") == "LBVirtualServer":
            self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._settle()

    async def _settle(self) -> None:
        """Opens what should listen and does not, closes what should not and does."""
        wanted = dict(itertools.islice(self._wanted(), LISTEN_MAX))
        for address in [address for address in self._open if address not in wanted]:
            self._open.pop(address).close()
        self._servers = wanted
        for address in [address for address in wanted if address not in self._open]:
            try:
                self._open[address] = await asyncio.start_server(partial(self._take, address), *address, limit=CHUNK)
            except OSError as refused:
                _log.warning("virtual server %s cannot listen: %s", wanted[address], refused)

    def _wanted(self) -> Iterator[tuple[Address, str]]:
        for node in sorted(self._sim.tree.of_kind("LBVirtualServer"), key=lambda node: node.path):
            body = node.body
            if body.get("enabled", True) and body.get("lb_service_path") and _is_loopback(str(body["ip_address"])):
                for port in _ports(body.get("ports") or ()):
                    yield (str(body["ip_address"]), port), node.path

    async def _take(self, at: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await self._forward(at, reader, writer)
        finally:
            self._connections.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _forward(self, at: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met = await self._member(at)
        if met is None:
            writer.transport.abort()  # as a virtual server without members does
            return
        inner_reader, inner_writer = met
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, inner_writer))
                both.create_task(_pump(inner_reader, writer))
        except* (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            inner_writer.close()

    async def _member(self, at: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        path = self._servers.get(at, "")
        now = asyncio.get_running_loop().time()
        for address in self._in_turn(path, self._members(path, at[1]), now):
            try:
                async with asyncio.timeout(CONNECT_S):
                    met = await asyncio.open_connection(*address, limit=CHUNK)
            except (OSError, TimeoutError):
                self._down[address] = now + DOWN_S
            else:
                self._down.pop(address, None)
                return met
        return None

    def _in_turn(self, path: str, members: list[Address], now: float) -> list[Address]:
        """The next first; those that were down a moment ago last."""
        if not members:
            return []
        turn = next(self._turns.setdefault(path, itertools.count())) % len(members)
        return sorted((*members[turn:], *members[:turn]), key=lambda each: self._down.get(each, 0.0) > now)

    def _members(self, path: str, port: int) -> list[Address]:
        server = self._sim.tree.get(path) or {}
        pool = self._sim.tree.get(str(server.get("pool_path"))) or {}
        usual = [int(each) for each in server.get("default_pool_member_ports") or () if str(each).isdigit()]
        fallback = usual[0] if len(usual) == 1 else port
        enabled = [each for each in pool.get("members") or () if each.get("admin_state", "ENABLED") == "ENABLED"]
        first = [each for each in enabled if not each.get("backup_member")] or enabled
        found = [(str(each["ip_address"]), int(each.get("port") or fallback)) for each in first]
        return found or self._of_group(pool.get("member_group") or {}, fallback)

    def _of_group(self, said: Json, fallback: int) -> list[Address]:
        path = said.get("group_path")
        if not path or self._sim.tree.node(path) is None:
            return []
        addresses = [each for each in self._groups.members(path).addresses if _is_address(each)]
        return [(each, int(said.get("port") or fallback)) for each in sorted(addresses)]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end, which is passed on; a side that says nothing for long ends too."""
    while True:
        async with asyncio.timeout(IDLE_S):
            some = await reader.read(CHUNK)
        if not some:
            break
        writer.write(some)
        await writer.drain()
    if writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()


def _is_loopback(text: str) -> bool:
    return _is_address(text) and ipaddress.ip_address(text).is_loopback


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _ports(said: Iterator[str] | tuple[str, ...]) -> Iterator[int]:
    for each in said:
        first, _, last = str(each).partition("-")
        yield from range(int(first), int(last or first) + 1)


@knob("GET", "forwards")
def _show(cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    forwarder: Forwarder | None = cluster.sim.rooms.get("forwards")
    return {"forwards": forwarder.listening() if forwarder else {}}
