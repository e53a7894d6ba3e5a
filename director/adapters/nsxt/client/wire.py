"""One request to one manager and its answer, or what went wrong with it. Repeats nothing, holds no session.

httpx's transport is used by itself: no cookies kept, no redirects followed, no proxies from the environment.
"""

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from director.adapters.nsxt.client.budget import IN_FLIGHT
from director.adapters.nsxt.client.faults import NsxFault, fault_of
from director.adapters.nsxt.client.kinds import Kind
from director.adapters.nsxt.client.managers import Manager
from director.model.tree import Tree

CONNECT_S: Final = 5.0
IDLE_S: Final = 60.0
_DEPTH_MAX: Final = 10
"""A connection that was idle for so long is not used again: NSX's proxy closes it at about that age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """``target`` is path and query as they go out; ``path`` is for words. ``content`` may hold secrets."""

    method: str
    path: str
    target: str
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    body: Tree
    headers: httpx.Headers = field(repr=False)


class Wire:
    """``requests`` is what was handed to the network, answered or not."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self.requests = 0

    async def send(self, ask: Ask, manager: Manager, headers: Mapping[str, str], *, within_s: float) -> Answer:
        """The answer to it, of a status below 400. Raises NsxFault; within ``within_s`` for each part of it."""
        self.requests += 1
        connect_s = min(CONNECT_S, within_s / 2)
        timeout = {"connect": connect_s, "read": within_s, "write": within_s, "pool": within_s}
        request = httpx.Request(
            ask.method,
            manager.url + ask.target,
            headers={**ask.headers, **headers},
            content=ask.content,
            extensions={"timeout": timeout},
        )
        try:
            response = await self._transport.handle_async_request(request)
            try:
                content = await response.aread()
            finally:
                await response.aclose()
        except (httpx.TransportError, ssl.SSLError, OSError) as error:
            raise _lost(ask, manager, error) from error
        return _answer(ask, manager, response, content)

    async def close(self) -> None:
        await self._transport.aclose()


def transport_of(context: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT, keepalive_expiry=IDLE_S)
    return httpx.AsyncHTTPTransport(verify=context, limits=limits, trust_env=False)


def _answer(ask: Ask, manager: Manager, response: httpx.Response, content: bytes) -> Answer:
    body = _json(content)
    if response.status_code >= 400:
        after_s = _after_s(response.headers)
        raise fault_of(
            response.status_code, body, method=ask.method, path=ask.path, manager=manager.name, after_s=after_s
        )
    if response.status_code >= 300 or (content.strip() and not isinstance(body, Mapping)):
        raise _unreadable(ask, manager, response)
    return Answer(body=body if isinstance(body, Mapping) else {}, headers=response.headers)


def _json(content: bytes) -> object:
    try:
        found: object = json.loads(content)
    except ValueError:
        return None
    return found


def _unreadable(ask: Ask, manager: Manager, response: httpx.Response) -> NsxFault:
    kind = response.headers.get("content-type", "nothing")
    return NsxFault(
        Kind.UNREADABLE,
        status=response.status_code,
        message=f"it answered {kind} instead of JSON",
        method=ask.method,
        path=ask.path,
        manager=manager.name,
        may_have_happened=ask.method != "GET",
    )


def _lost(ask: Ask, manager: Manager, error: Exception) -> NsxFault:
    """Whether it went out: not while connecting, nor when the manager ended the TLS handshake (1.3 tells it late)."""
    tls = _tls_error(error)
    is_sent = tls is None and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return NsxFault(
        Kind.UNREACHABLE if tls is None else Kind.CERTIFICATE,
        message=_reason(error) if tls is None else tls,
        method=ask.method,
        path=ask.path,
        manager=manager.name,
        may_have_happened=is_sent and ask.method != "GET",
    )


def _tls_error(error: Exception) -> str | None:
    """OpenSSL's words about a certificate, if that is what it was."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            return f"it ended the TLS handshake ({(cause.reason or '').lower().replace('_', ' ')})"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """It and what lies below it: httpx, httpcore and anyio each wrap what they met."""
    cause: BaseException | None = error
    for _ in range(_DEPTH_MAX):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__


_REASONS: Final[Mapping[type[Exception], str]] = {
    httpx.ConnectTimeout: f"no connection within {CONNECT_S:g} s",
    httpx.ReadTimeout: "no answer in time",
    httpx.WriteTimeout: "it took the request too slowly",
}


def _reason(error: Exception) -> str:
    """The system's words are the shortest and the clearest; the libraries' are often none."""
    if type(error) in _REASONS:
        return _REASONS[type(error)]
    causes = [*_causes(error)]
    if any(isinstance(cause, ssl.SSLEOFError) for cause in causes):
        return "it ended the TLS handshake; it may speak no TLS here, or want a client certificate"
    words = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), "")
    return (words.lower() or str(error)).rstrip(".") or "the connection was lost before the answer came"


def _after_s(headers: httpx.Headers) -> float | None:
    """``Retry-After`` as seconds; a date counts from the answer's own, so no clock but the server's matters."""
    word = headers.get("retry-after", "")
    if word.isdecimal():
        return float(word)
    try:
        wait = parsedate_to_datetime(word) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())
