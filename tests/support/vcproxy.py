"""An HTTPS proxy in front of a vCenter (simulator) that breaks calls on demand, by SOAP method, and counts them.

It decides nothing by itself: a test says what goes wrong. Tasks that end in an error are the simulator's own doing
(``Vcsim.fail_task``). It runs in a thread of its own, and knows nothing of pytest.
"""

import asyncio
import contextlib
import fnmatch
import re
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from tests.support.certificate import write_certificate
from tests.support.http1 import HEAD_MAX, Message, read_reply, read_request
from tests.support.vcsim import Vcsim, unverified

_METHOD: Final = re.compile(rb"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)")
_COOKIE: Final = re.compile(r"vmware_soap_session=\"?([^;\"]+)")
_WITHOUT_LOGIN: Final = {"Login", "RetrieveServiceContent", "RetrieveInternalContent"}
_START_S: Final = 10.0


class Do(Enum):
    """What happens to a call. LOSE_REPLY carries it out first; DROP never lets it through."""

    LOSE_REPLY = "lose reply"
    DROP = "drop"
    DELAY = "delay"
    FAULT = "fault"


@dataclass(slots=True, kw_only=True)
class _Rule:
    method: str
    do: Do
    times: int
    skip: int
    seconds: float
    fault: str
    message: str
    fields: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """``at_once_max`` is the most that were open at one time since the start."""

    now: int
    at_once_max: int
    ever: int


@dataclass(slots=True)
class Proxy:
    """Stands where the simulator stood: host, port, user, password. ``ca`` is a certificate to trust."""

    sim: Vcsim
    ca: Path
    host: str = "127.0.0.1"
    port: int = 0
    _rules: list[_Rule] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _at_once_max: int = 0
    _ever: int = 0
    _is_gone: bool = False
    _sessions: set[str] = field(default_factory=set)
    _expired: set[str] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None
    _expiry: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def user(self) -> str:
        return self.sim.user

    @property
    def password(self) -> str:
        return self.sim.password

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}/sdk"

    @property
    def counts(self) -> Mapping[str, int]:
        """Calls so far by SOAP method, and others as ``GET /folder``; those that were dropped too."""
        return dict(sorted(self._counts.items()))

    @property
    def connections(self) -> Connections:
        return Connections(now=len(self._open), at_once_max=self._at_once_max, ever=self._ever)

    def reset_counts(self) -> None:
        self._counts.clear()

    def lose_reply(self, method: str, *, times: int = 1, skip: int = 0) -> None:
        """The next calls of ``method`` (a pattern: ``*_Task``) are carried out, and the connection breaks."""
        self._add(method, Do.LOSE_REPLY, times, skip)

    def drop(self, method: str, *, times: int = 1, skip: int = 0) -> None:
        """The connection breaks before the call is carried out."""
        self._add(method, Do.DROP, times, skip)

    def delay(self, method: str, seconds: float, *, times: int = 1, skip: int = 0) -> None:
        self._add(method, Do.DELAY, times, skip, seconds=seconds)

    def fault(
        self, method: str, fault: str, message: str = "", *, fields: str = "", times: int = 1, skip: int = 0
    ) -> None:
        """The call is not carried out but answered with a fault: ``HostCommunication``, ``NoPermission``…

        ``fields`` are the fault's own, as XML.
        """
        self._add(method, Do.FAULT, times, skip, fault=fault, message=message, fields=fields)

    def forget(self) -> None:
        """Nothing goes wrong any more."""
        self._rules.clear()

    def expire_sessions(self) -> None:
        """All who are logged in now are not any more: calls in flight end in NotAuthenticated, too."""
        self._call(self._expire())

    def go_away(self) -> None:
        """Every connection breaks, and so does each new one until ``come_back``."""
        self._call(self._leave())

    def come_back(self) -> None:
        self._is_gone = False

    def _add(self, method: str, do: Do, times: int, skip: int, *, seconds: float = 0, **texts: str) -> None:
        words = {"fault": "", "message": "", "fields": "", **texts}
        self._rules.append(_Rule(method=method, do=do, times=times, skip=skip, seconds=seconds, **words))

    def _match(self, method: str) -> _Rule | None:
        for rule in self._rules:
            if rule.times == 0 or not fnmatch.fnmatchcase(method, rule.method):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.times -= 1
            return rule
        return None

    def _call(self, what: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(what, self._loop).result(_START_S)

    async def _expire(self) -> None:
        self._expired |= self._sessions
        self._sessions.clear()
        self._expiry.set()
        self._expiry = asyncio.Event()

    async def _leave(self) -> None:
        self._is_gone = True
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _stop(self) -> None:
        await self._leave()
        self._over.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, which has one to the simulator behind it."""
        self._open.add(writer)
        self._ever += 1
        self._at_once_max = max(self._at_once_max, len(self._open))
        behind: asyncio.StreamWriter | None = None
        try:
            if self._is_gone:
                return
            sim, behind = await asyncio.open_connection(
                self.sim.host, self.sim.port, ssl=unverified(), limit=HEAD_MAX
            )  # fmt: skip
            while (request := await read_request(reader)) is not None:
                reply = await self._answer(request, sim, behind)
                if reply is None:
                    return
                writer.write(reply.encode())
                await writer.drain()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            return  # a client that goes away is what this proxy is for
        finally:
            self._open.discard(writer)
            for end in (writer, behind):
                if end is not None:
                    end.transport.abort()

    async def _answer(
        self, request: Message, sim: asyncio.StreamReader, behind: asyncio.StreamWriter
    ) -> Message | None:
        """The reply, or None to break the connection."""
        method = _method_of(request)
        self._counts[method] += 1
        rule = self._match(method)
        match rule.do if rule else None:
            case Do.DROP:
                return None
            case Do.FAULT:
                assert rule is not None
                return soap_fault(rule.fault, rule.message, rule.fields)
            case Do.DELAY:
                assert rule is not None
                await asyncio.sleep(rule.seconds)
            case _:
                pass
        session = _session_of(request.get("cookie"))
        if session in self._expired:
            if method not in _WITHOUT_LOGIN and request.first.startswith("POST /sdk"):
                return soap_fault("NotAuthenticated", "The session is not authenticated.")
            request = request.without("cookie")
        reply = await self._forward(request, sim, behind)
        given = _session_of(reply.get("set-cookie")) if reply else ""
        self._sessions |= {session, given} - self._expired - {""}
        return None if rule and rule.do is Do.LOSE_REPLY else reply

    async def _forward(
        self, request: Message, sim: asyncio.StreamReader, behind: asyncio.StreamWriter
    ) -> Message | None:
        behind.write(request.encode())
        await behind.drain()
        expiry = asyncio.ensure_future(self._expiry.wait())
        reading = asyncio.ensure_future(read_reply(sim, request.first.partition(" ")[0]))
        await asyncio.wait({expiry, reading}, return_when=asyncio.FIRST_COMPLETED)
        expiry.cancel()
        if not reading.done():
            reading.cancel()
            return None if not _is_soap(request) else soap_fault("NotAuthenticated", "The session has expired.")
        reply = reading.result()
        if reply is None:
            return None
        ours, theirs = f"{self.host}:{self.port}".encode(), f"{self.sim.host}:{self.sim.port}".encode()
        return replace(reply, body=reply.body.replace(theirs, ours)) if _is_soap(request) else reply


def _is_soap(request: Message) -> bool:
    return bool(request.get("soapaction"))


def _method_of(request: Message) -> str:
    found = _METHOD.search(request.body) if _is_soap(request) else None
    if found:
        return found[1].decode()
    verb, path, *_ = request.first.split(" ")
    return f"{verb} /{path.split('?')[0].split('/')[1]}"


def _session_of(cookie: str) -> str:
    found = _COOKIE.search(cookie)
    return found[1] if found else ""


def soap_fault(fault: str, message: str, fields: str = "") -> Message:
    """vCenter's answer to a call that it refuses."""
    words = escape(message or fault)
    envelope = (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>'
        f"<faultcode>ServerFaultCode</faultcode><faultstring>{words}</faultstring>"
        f'<detail><{fault}Fault xmlns="urn:vim25" xsi:type="{fault}">{fields}</{fault}Fault></detail>'
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    return Message(
        first="HTTP/1.1 500 Internal Server Error",
        headers=(("content-type", "text/xml; charset=utf-8"),),
        body=envelope.encode(),
    )


@contextlib.contextmanager
def vcproxy(sim: Vcsim) -> Iterator[Proxy]:
    """A proxy in front of ``sim``, on a port of its own, with a certificate made for it."""
    with tempfile.TemporaryDirectory(prefix="vcproxy-") as directory:
        certificate, key = write_certificate(Path(directory), "127.0.0.1")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        proxy, ready = Proxy(sim, certificate), threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(_serve(proxy, context, ready)), name="vcproxy")
        thread.start()
        try:
            assert ready.wait(_START_S), "the proxy did not start"
            yield proxy
        finally:
            proxy._call(proxy._stop())
            thread.join(_START_S)


async def _serve(proxy: Proxy, context: ssl.SSLContext, ready: threading.Event) -> None:
    proxy._loop = asyncio.get_running_loop()
    server = await asyncio.start_server(proxy.accept, proxy.host, 0, ssl=context, limit=HEAD_MAX)
    proxy.port = server.sockets[0].getsockname()[1]
    ready.set()
    await proxy._over.wait()
    server.close()
