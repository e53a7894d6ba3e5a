"""Stands before every route: who asks, and what an unforeseen error may show. Decides nothing about the routes."""

import base64
import binascii
import hmac

import structlog
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from director.api.answer import SYSTEM_ERROR, error_answer
from director.api.services import Credentials

log = structlog.get_logger()

OPEN_PATHS = frozenset(("/info", "/healthz", "/agent/bundle.tar.gz"))
"""Answered to anybody (section 6.2)."""

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="BOSH Director"'}


METRICS_PATH = "/metrics"


def may_scrape(header: bytes, credentials: Credentials) -> bool:
    """Whether ``header`` (of Authorization) holds the token that reads metrics."""
    scheme, _, token = header.partition(b" ")
    expected = credentials.metrics_token.encode()
    return scheme.lower() == b"bearer" and bool(expected) and hmac.compare_digest(token.strip(), expected)


def user_in(header: bytes, credentials: Credentials) -> str | None:
    """The client's name when ``header`` (of Authorization) holds its secret. Takes as long for a wrong one."""
    scheme, _, token = header.partition(b" ")
    try:
        given = base64.b64decode(token.strip(), validate=True) if scheme.lower() == b"basic" else b""
    except binascii.Error:
        given = b""
    expected = f"{credentials.client}:{credentials.secret}".encode()
    return credentials.client if hmac.compare_digest(given, expected) else None


class Guard:
    """Puts the user into the scope, or answers 401; turns a bug into one log entry and a 500 without details."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self.app = app
        self.credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"authorization", b"")
        user = user_in(given, self.credentials)
        if user is None and scope["path"] == METRICS_PATH and may_scrape(given, self.credentials):
            user = "metrics"
        if user is None and scope["path"] not in OPEN_PATHS:
            text = f"Not authorized: '{scope['path']}'\n"
            await PlainTextResponse(text, status_code=401, headers=_CHALLENGE)(scope, receive, send)
            return
        scope["director.user"] = user
        await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def tell(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, tell)
        except Exception:
            log.exception("a request's handler broke", method=scope["method"], path=scope["path"])
            if has_begun:
                # Half an answer cannot be taken back; the server closes the connection and the client sees it.
                raise
            text = "The director itself failed; see the director's log. Nothing was lost."
            await error_answer(500, SYSTEM_ERROR, text)(scope, receive, send)
