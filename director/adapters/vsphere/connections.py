"""The few TLS connections to one vCenter: kept open, used again, counted. Holds no session and knows no SOAP.

As many are open as threads ask at once, so the thread pools of ``session`` and ``watch`` are what bounds them.
"""

import select
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from typing import Any, Final
from xml.parsers.expat import ExpatError

from pyVmomi.SoapAdapter import SoapStubAdapter

_IDLE_S: Final = 300.0
"""Proxies in front of vCenter close idle connections after some minutes; a younger one may be used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """``ca_certificate`` is PEM text; without it the system's authorities are trusted."""

    host: str
    user: str
    password: str = field(repr=False)
    port: int = 443
    ca_certificate: str | None = field(default=None, repr=False)
    is_verified: bool = True


class NotReached(OSError):
    """No connection came about, so nothing was sent."""


class Unreadable(HTTPException):
    """What came is nothing that pyVmomi knows: a class of another product's, a page of some proxy's."""


class Connections:
    """``opened`` counts connections ever made, ``open_most`` the most at one time, ``requests`` what was sent."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._context = _tls(login)
        self._lock = threading.Lock()
        self._idle: list[tuple[HTTPSConnection, float]] = []
        self._open: set[HTTPSConnection] = set()
        self._timeouts = threading.local()
        self.opened = 0
        self.open_most = 0
        self.requests = 0

    @property
    def open_now(self) -> int:
        return len(self._open)

    def set_timeout(self, timeout_s: float) -> None:
        """For what this thread asks from now on."""
        self._timeouts.seconds = timeout_s

    def take(self) -> HTTPSConnection:
        """One that is alive, as far as can be seen without asking. Raises OSError."""
        timeout_s: float = self._timeouts.seconds
        connection = self._young() or self._new(timeout_s)
        with self._lock:
            self.requests += 1
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        return connection

    def _young(self) -> HTTPSConnection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            if time.monotonic() - since < _IDLE_S and not _is_closed_by_peer(connection):
                return connection
            self.drop(connection)

    def _new(self, timeout_s: float) -> HTTPSConnection:
        connection = HTTPSConnection(self._login.host, self._login.port, timeout=timeout_s, context=self._context)
        try:
            connection.connect()
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            raise NotReached(str(error) or type(error).__name__) from error
        with self._lock:
            self._open.add(connection)
            self.opened += 1
            self.open_most = max(self.open_most, len(self._open))
        return connection

    def give(self, connection: HTTPSConnection) -> None:
        with self._lock:
            if connection.sock is not None and connection in self._open:
                self._idle.append((connection, time.monotonic()))
                return
        self.drop(connection)

    def drop(self, connection: HTTPSConnection) -> None:
        connection.close()
        with self._lock:
            self._open.discard(connection)

    def drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            self.drop(connection)

    def close(self) -> None:
        """Also of those in use: threads that read from them get an OSError at once."""
        with self._lock:
            every, self._idle = list(self._open), []
        for connection in every:
            with suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(2)
            self.drop(connection)


class Stub(SoapStubAdapter):
    """pyVmomi's own adapter over these connections, for ``path`` (``/sdk``, ``/pbm/sdk``) in API ``version``."""

    def __init__(self, connections: Connections, login: Login, *, path: str, version: str) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # the library has no types here
            host=login.host, port=login.port, path=path, version=version
        )
        self._connections = connections

    def InvokeMethod(self, *arguments: Any, **named: Any) -> Any:  # noqa: N802  # the library's name
        try:
            return super().InvokeMethod(*arguments, **named)  # type: ignore[no-untyped-call]  # as above
        except (KeyError, ValueError, TypeError, AttributeError, ExpatError) as error:
            raise Unreadable(f"{type(error).__name__}: {error}") from error

    def GetConnection(self) -> HTTPSConnection:  # noqa: N802  # the library's name
        return self._connections.take()

    def ReturnConnection(self, conn: HTTPSConnection) -> None:  # noqa: N802  # the library's name
        self._connections.give(conn)

    def DropConnections(self) -> None:  # noqa: N802  # the library's name
        self._connections.drop_idle()


def _is_closed_by_peer(connection: HTTPSConnection) -> bool:
    """An idle connection has nothing to say; one that can be read from has been closed at the other end."""
    if connection.sock is None:
        return True
    # Not select(): that refuses a descriptor above 1023, and a director of a thousand agents has those.
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _tls(login: Login) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=login.ca_certificate)
    if not login.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
