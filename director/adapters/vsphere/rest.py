"""vCenter's REST interface, with its own session. Blocking; runs in the session's threads and on its connections."""

import base64
import json
import threading
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final

from director.adapters.vsphere.connections import Connections, Login
from director.adapters.vsphere.faults import Fault
from director.model.tree import Tree
from director.ports.failure import Retry

_HEADER: Final = "vmware-api-session-id"
_LOGINS: Final = ("/api/session", "/rest/com/vmware/cis/session")
"""The second is for vCenters before 7.0."""


class Rest:
    def __init__(self, connections: Connections, login: Login) -> None:
        self._connections = connections
        self._login = login
        self._token: str | None = None
        self._entering = threading.Lock()

    def ask(self, method: str, path: str, body: Tree | None) -> Any:
        """One request, and a login before it when there is no session yet or the last one ended. Raises Fault."""
        seen = self._token
        if seen is None:
            self._enter(None)
        status, answer = self._send(method, path, body, {_HEADER: self._token or ""})
        if status == 401:
            self._enter(self._token if seen is None else seen)
            status, answer = self._send(method, path, body, {_HEADER: self._token or ""})
        if status >= 400:
            raise _refused(f"{method} {path}", status, answer)
        return answer

    def _enter(self, seen: str | None) -> None:
        with self._entering:
            if self._token == seen:
                self._token = self._log_in()

    def _log_in(self) -> str:
        basic = base64.b64encode(f"{self._login.user}:{self._login.password}".encode()).decode()
        for path in _LOGINS:
            status, answer = self._send("POST", path, None, {"Authorization": f"Basic {basic}"})
            if status < 400:
                return str(answer["value"] if isinstance(answer, Mapping) else answer)
            if status != 404:
                break
        raise _refused(f"logging in to vCenter's REST interface as {self._login.user}", status, answer)

    def _send(self, method: str, path: str, body: Tree | None, headers: Mapping[str, str]) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body).encode()
        sent = {**headers, "Accept": "application/json"} | ({"Content-Type": "application/json"} if content else {})
        connection = self._connections.take()
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, HTTPException):
            self._connections.drop(connection)
            raise
        self._connections.give(connection)
        return answer.status, _tree(text)


def _tree(text: bytes) -> Any:
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text.decode(errors="replace")[:500]


def _refused(what: str, status: int, answer: Any) -> Fault:
    value = answer.get("value", answer) if isinstance(answer, Mapping) else {}
    messages = value.get("messages") if isinstance(value, Mapping) else None
    said = "; ".join(str(each.get("default_message", each)) for each in messages or ()) or f"HTTP {status}"
    retry = Retry.SOON if status in {429, 503} else Retry.BOUNDED if status >= 500 else Retry.NEVER
    return Fault(f"{what}: vCenter answered {said} ({status}).", status=status, retry=retry)
