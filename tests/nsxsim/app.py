"""HTTP: turns requests into calls and answers or refusals into responses. One `App` per manager of a cluster.

Order of a request: overload, faults, who asks, that user's limits, the answer; then faults that lose the reply.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from tests.nsxsim import door
from tests.nsxsim.cluster import Cluster
from tests.nsxsim.faults import Fault
from tests.nsxsim.page import Page
from tests.nsxsim.problems import Json, Refusal
from tests.nsxsim.routes import Answer, Call
from tests.nsxsim.write import Who

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BASE: Final = "/policy/api/v1"
UNSAFE: Final = frozenset('[]{}|\\^"<> `')
OPEN: Final = frozenset({"/api/session/create"})
ANYONE: Final = Who("", role="anonymous")
NO_BODY: Final = frozenset({"GET", "DELETE", "HEAD"})


class App:
    """An ASGI application: manager number `manager` of a cluster. `pages` answer what lies outside the APIs."""

    def __init__(self, cluster: Cluster, manager: int = 0) -> None:
        self.cluster, self.manager = cluster, manager
        shown = Page(cluster)
        self.pages: list[tuple[str, Callable[[Scope, Receive, Send], Awaitable[None]]]] = [
            ("/", shown),
            ("/object", shown),
        ]
        """(path, ASGI app) of read-only pages."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        target = scope["path"]
        if target.startswith("/_sim"):
            await _send(send, await door.answer(self.cluster, scope["method"], target, await _read(receive, 1 << 30)))
            return
        for place, page in self.pages:
            if target == place:
                await page(scope, receive, send)
                return
        if self.manager in self.cluster.down:
            await _drop(scope)
            return
        await self._api(scope, receive, send)

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        cluster, began = self.cluster, self.cluster.clock.now()
        user = "-"
        lost = False
        with ExitStack() as held:
            try:
                held.enter_context(cluster.limits.one_more())
                call = await self._call(scope, receive)
                fired = cluster.faults.fires(call.method, _target(scope), _guess(call, cluster), self.manager)
                lost = await self._go_wrong(fired)
                user = self._who(call, scope)
                held.enter_context(cluster.limits.of(user))
                if cluster.settings.latency_s:
                    await asyncio.sleep(cluster.settings.latency_s)
                answer = _answer(cluster.sim.ask(call))
                code = 0
            except Refusal as refusal:
                answer, code = Answer(refusal.status, refusal.body(), dict(refusal.headers)), refusal.code
        cluster.calls.note(
            at=round(began, 4),
            seconds=round(cluster.clock.now() - began, 6),
            method=scope["method"],
            path=scope["path"],
            query=scope.get("query_string", b"").decode("latin-1"),
            status=answer.status,
            code=code,
            user=user,
            manager=self.manager,
            lost=lost,
        )
        if lost:
            await _drop(scope)
        else:
            await _send(send, answer)

    async def _call(self, scope: Scope, receive: Receive) -> Call:
        settings = self.cluster.settings
        text = await _read(receive, settings.body_bytes_max)
        method = scope["method"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope.get("query_string", b"").decode(), keep_blank_values=True))
        path = _path(scope)
        is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        body = {} if method in NO_BODY or is_form else _json(text)
        return Call(
            sim=self.cluster.sim,
            method=method,
            path=path,
            query=query,
            body=body,
            who=ANYONE,
            headers=headers,
            text=text,
            secure=scope.get("scheme") == "https",
        )

    def _who(self, call: Call, scope: Scope) -> str:
        if call.path in OPEN:
            return "-"
        call.who = self.cluster.auth.who(call.headers, scope.get("nsxsim.peercert"))
        if call.who.role == "auditor" and call.method not in ("GET", "HEAD"):
            raise Refusal(403, 403, f"User '{call.who.name}' has no permission to change", module="common-services")
        return call.who.name

    async def _go_wrong(self, fired: list[Fault]) -> bool:
        """Carries out faults that come before the answer; whether the reply is to be lost."""
        lost = False
        for fault in fired:
            match fault.effect:
                case "delay":
                    await asyncio.sleep(fault.delay_s)
                case "expire-sessions":
                    self.cluster.auth.expire_all(fault.user)
                case "stale-search":
                    self.cluster.sim.rooms["search"].freeze(fault.delay_s)
                case "refuse":
                    await self._refuse(fault)
                    lost = True
                case "lost":
                    lost = True
                case _:
                    raise fault.refusal()
        return lost

    async def _refuse(self, fault: Fault) -> None:
        """Shuts this manager's door; opens it again after `delay_s` when that is above 0."""
        manager = self.manager if fault.manager < 0 else fault.manager
        await self.cluster.switch(manager, up=False)
        if fault.delay_s > 0:
            self.cluster.clock.later(fault.delay_s, self.cluster.switch_soon, manager)


def _guess(call: Call, cluster: Cluster) -> str:
    """The user a request names, unproved: faults come before anybody is let in."""
    try:
        return "" if call.path in OPEN else cluster.auth.named(call.headers)
    except Refusal:
        return ""


def _target(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{scope['path']}?{query}" if query else str(scope["path"])


def _path(scope: Scope) -> str:
    """The decoded path below the base. Raises 400 for characters that must be escaped, and for slashes in an id."""
    raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    if UNSAFE & set(raw):
        raise Refusal(400, 400, "Invalid URI: reserved characters must be percent-encoded", module="common-services")
    pieces = [unquote(piece) for piece in raw.split("/")]
    if any("/" in piece for piece in pieces):
        raise Refusal(400, 255, "An identifier cannot hold a slash", module="common-services")
    path = "/".join(pieces)
    if path.startswith(BASE):
        return path.removeprefix(BASE) or "/"
    if path.startswith("/api/v1/search/") or path == "/api/v1/search":
        return path.removeprefix("/api/v1")
    return path


def _json(text: bytes) -> Json:
    if not text.strip():
        return {}
    try:
        body = json.loads(text)
    except ValueError as wrong:
        raise Refusal(400, 202, f"The body is not JSON: {wrong}", module="common-services") from wrong
    if not isinstance(body, dict):
        raise Refusal(400, 220, "The body must be an object", module="common-services")
    return body


def _answer(said: Json | Answer | None) -> Answer:
    return said if isinstance(said, Answer) else Answer(body=said)


async def _read(receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise Refusal(413, 413, f"The body is larger than {most} bytes", module="common-services")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, answer: Answer) -> None:
    raw = answer.body if isinstance(answer.body, bytes) else b""
    if answer.body is not None and not isinstance(answer.body, bytes):
        raw = json.dumps(answer.body, separators=(",", ":")).encode()
    headers = [(b"content-length", str(len(raw)).encode())]
    if raw:
        headers.append((b"content-type", answer.media.encode()))
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})


async def _drop(scope: Scope) -> None:
    """Ends the connection without a byte of an answer."""
    transport = scope.get("nsxsim.transport")
    if transport is None:
        raise ConnectionResetError("the reply is lost")
    transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
