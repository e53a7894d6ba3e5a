"""Alerts as HTTP POSTs of JSON. The address may be a secret: only its host is ever named."""

import http.client
import json
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from director.adapters.alerts.sink import SinkFailure
from director.adapters.alerts.thread import Cord, in_thread
from director.adapters.alerts.words import VERSION, tree_of
from director.model.alert import Alert
from director.ports.failure import Retry

DEADLINE_S: Final = 20.0
SOCKET_S: Final = 10.0
ANSWER_BYTES: Final = 300
"""So much of a refusal is told on."""
_LATER: Final = frozenset((408, 425, 429))
"""Refusals that a later try may not meet; as every 5xx."""


class Webhook:
    """Implements ``Sink``. ``token`` goes as bearer token. ``ca_file`` is trusted in place of the system's CAs.

    Raises ValueError for an address that is none, and OSError for a CA file that cannot be read.
    """

    name = "webhook"
    pace_s = 0.0

    def __init__(self, url: str, *, director: str, token: str = "", ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("it must be an https:// address")
        if token and parts.scheme != "https":
            raise ValueError("a token is sent over https:// only")
        self._host, self._port = parts.hostname, parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._director = director
        self._headers = {"Content-Type": "application/json", "User-Agent": "director"}
        self._headers |= {"Authorization": f"Bearer {token}"} if token else {}

    def __repr__(self) -> str:
        return f"Webhook({self._host})"

    async def deliver(self, alerts: Sequence[Alert]) -> None:
        tree = {"version": VERSION, "alerts": [tree_of(alert, self._director) for alert in alerts]}
        try:
            status, said = await in_thread(partial(self._post, json.dumps(tree).encode()), DEADLINE_S, "alerts webhook")
        except TimeoutError:
            raise SinkFailure(f"{self._host} did not answer within {DEADLINE_S:g} s.", retry=Retry.SOON) from None
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise SinkFailure(f"{self._host} cannot be reached: {why}.", retry=Retry.SOON) from error
        if not 200 <= status < 300:
            retry = Retry.SOON if status >= 500 or status in _LATER else Retry.NEVER
            raise SinkFailure(f"{self._host} refused with HTTP {status}: {said or 'no words'}", retry=retry)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _post(self, body: bytes, cord: Cord) -> tuple[int, str]:
        connection = self._connection()
        try:
            connection.connect()
            cord.hold(connection.sock)
            connection.request("POST", self._path, body=body, headers=self._headers)
            answer = connection.getresponse()
            return answer.status, " ".join(answer.read(ANSWER_BYTES).decode(errors="replace").split())
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=SOCKET_S)
        return http.client.HTTPSConnection(self._host, self._port, timeout=SOCKET_S, context=self._tls)
