"""Talks HTTP to a director. The only module of the command that opens a connection.

Standard library only: a whole HTTP stack would cost more to import than most commands take to run.
"""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from director.cli.errors import CommandFailed, Exit
from director.cli.target import Target

WAIT_S = 25
"""How long the director may hold a request open until there is something new to say."""
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    location: str = ""

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Client:
    """One director. Keeps its connection open between requests."""

    def __init__(self, target: Target) -> None:
        self._target = target
        parts = urlsplit(target.url)
        self._host, self._port = parts.hostname or "", parts.port or 25555
        context = ssl.create_default_context(cadata=target.ca_certificate or None)
        self._connection = http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_S, context=context)
        token = base64.b64encode(f"{target.client}:{target.client_secret}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}

    def get(self, path: str, **query: object) -> Any:
        return self.send("GET", path, query=query).json()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, object] | None = None,
        body: bytes | IO[bytes] | None = None,
        headers: dict[str, str] | None = None,
        accept: tuple[int, ...] = (200, 201, 204, 206, 302, 303),
    ) -> Answer:
        """The answer, when its status is one of ``accept``. Raises CommandFailed with the director's own words."""
        given = {key: _text(value) for key, value in (query or {}).items() if value not in (None, False, "", ())}
        where = f"{path}?{urlencode(given)}" if given else path
        answer = self._exchange(method, where, body, headers or {})
        if answer.status not in accept:
            raise _failure(answer, f"{method} {path}")
        return answer

    def send_json(self, method: str, path: str, value: object, **query: object) -> Answer:
        headers = {"Content-Type": "application/json"}
        return self.send(method, path, query=query, body=json.dumps(value).encode(), headers=headers)

    def send_yaml(self, method: str, path: str, text: str, *, source: str = "", **query: object) -> Answer:
        headers = {"Content-Type": "text/yaml"} | ({"X-Director-Manifest": source} if source else {})
        return self.send(method, path, query=query, body=text.encode(), headers=headers)

    def upload(self, path: str, file: Path, **query: object) -> Answer:
        headers = {"Content-Type": "application/x-compressed", "Content-Length": str(file.stat().st_size)}
        with file.open("rb") as stream:
            return self.send("POST", path, query=query, body=stream, headers=headers)

    def download(self, path: str, to: Path) -> int:
        """Streams a body into a file; returns its size."""
        response = self._open("GET", path, None, {})
        if response.status != 200:
            raise _failure(Answer(status=response.status, body=response.read()), f"GET {path}")
        with to.open("wb") as stream:
            while chunk := response.read(262_144):
                stream.write(chunk)
            return stream.tell()

    def output(self, task: int, kind: str, *, follow: bool) -> Iterator[str]:
        """Lines of a task's output; with ``follow`` until the task has ended, pushed as they are written."""
        offset, rest = 0, b""
        while True:
            headers = {"Range": f"bytes={offset}-"} | ({"X-Director-Wait": str(WAIT_S)} if follow else {})
            answer = self.send(
                "GET",
                f"/tasks/{task}/output",
                query={"type": kind},
                headers=headers,
                accept=(200, 204, 206, 416),
            )
            if answer.status in {200, 206} and answer.body:
                offset += len(answer.body)
                *lines, rest = (rest + answer.body).split(b"\n")
                yield from (line.decode() for line in lines)
            elif not follow or self.get(f"/tasks/{task}")["state"] not in RUNNING_STATES:
                break
            if answer.status == 200 and not follow:
                break
        if rest:
            yield rest.decode()

    def _exchange(self, method: str, where: str, body: bytes | IO[bytes] | None, headers: dict[str, str]) -> Answer:
        response = self._open(method, where, body, headers)
        location = response.getheader("Location") or ""
        return Answer(status=response.status, body=response.read(), location=urlsplit(location).path)

    def _open(
        self, method: str, where: str, body: bytes | IO[bytes] | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        for is_last in (False, True):
            try:
                self._connection.request(method, where, body=body, headers={**self._headers, **headers})
                return self._connection.getresponse()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                self._connection.close()
                if is_last or method != "GET":
                    raise self._unreachable(error) from error
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise self._unreachable(error) from error
        raise AssertionError("the loop above returns or raises")

    def _unreachable(self, error: Exception) -> CommandFailed:
        message = f"No director answers at {self._target.url} ({error}).\n{self._target.hint}"
        return CommandFailed(message, Exit.NO_DIRECTOR)


RUNNING_STATES = frozenset({"queued", "processing", "cancelling"})


def _text(value: object) -> str:
    return "true" if value is True else str(value)


def _failure(answer: Answer, what: str) -> CommandFailed:
    """The director's problems, each with its place; its one description; or what little there is."""
    if answer.status == 401:
        return CommandFailed("The director does not accept these credentials (see --client).", Exit.NO_DIRECTOR)
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        text = answer.body.decode(errors="replace").strip()
        return CommandFailed(f"{what} was answered with {answer.status}: {text}")
    problems = [problem for problem in body.get("problems") or [] if isinstance(problem, dict)]
    if not problems:
        return CommandFailed(str(body.get("description", body)))
    return CommandFailed("\n".join(shown(problem) for problem in problems), Exit.BAD_INPUT)


def shown(problem: dict[str, Any]) -> str:
    """``file:line:column: error: what is wrong`` and, below it, what to do."""
    place = f"{problem['file']}:{problem['line']}:{problem['column']}: " if problem.get("file") else ""
    return f"{place}{problem.get('severity', 'error')}: {problem['detail']}\n    to fix it: {problem['fix']}"
