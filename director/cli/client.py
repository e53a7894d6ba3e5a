"""Talks HTTP to a director. The only module of the command that opens a connection.

Standard library only: a whole HTTP stack would cost more to import than most commands take to run.

Note: what is asked again. Only a GET, only when this director has answered before, and a few times: long enough for
a director to be restarted, not for a person to wonder. Everything else might be done twice.
"""

import base64
import http.client
import json
import os
import shutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlencode, urlsplit

from director.cli.answer import Answer, failure_of
from director.cli.errors import CommandFailed, Exit
from director.cli.target import DEFAULT_PORT, Target

WAIT_S: Final = 25
"""How long the director may hold a request open until there is something new to say."""
TIMEOUT_S: Final = 60
IDLE_S: Final = 5.0
"""A connection unused for longer may have been closed by the other side; a new one costs a few milliseconds."""
PAUSES_S: Final = (0.1, 0.4, 1.0, 2.0, 4.0)
PACE_S: Final = 0.5
"""The least time between two questions about a task, for directors that answer at once (BOSH's own do)."""
BLOCK_BYTES: Final = 262_144

RUNNING_STATES: Final = frozenset({"queued", "processing", "cancelling"})
_BUSY: Final = frozenset((502, 503, 504))
_WELCOME: Final = (200, 201, 204, 206, 302, 303)
_LOST: Final = (OSError, http.client.HTTPException)


class Client:
    """One director. Keeps its connection open between requests."""

    def __init__(self, target: Target, *, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._target = target
        self._pauses_s = pauses_s
        self._was_reached = False
        self._used = 0.0
        parts = urlsplit(target.url)
        self._connection = http.client.HTTPSConnection(
            parts.hostname or "",
            parts.port or DEFAULT_PORT,
            timeout=TIMEOUT_S,
            context=_trusting(target.ca_certificate),
            blocksize=BLOCK_BYTES,
        )
        token = base64.b64encode(f"{target.client}:{target.client_secret}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}

    def close(self) -> None:
        self._connection.close()

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
        accept: tuple[int, ...] = _WELCOME,
    ) -> Answer:
        """The answer, when its status is one of ``accept``. Raises CommandFailed with the director's own words.

        ``path`` is quoted already; of ``query`` what is empty or False is left out.
        """
        given = {key: _text(value) for key, value in (query or {}).items() if value not in (None, False, "", ())}
        where = f"{path}?{urlencode(given)}" if given else path
        answer = self._exchange(method, where, body, headers or {})
        if answer.status not in accept:
            raise self._failure(answer, f"{method} {path}")
        return answer

    def send_json(self, method: str, path: str, value: object, **query: object) -> Answer:
        headers = {"Content-Type": "application/json"}
        return self.send(method, path, query=query, body=json.dumps(value).encode(), headers=headers)

    def send_yaml(self, method: str, path: str, text: str, **query: object) -> Answer:
        """``source`` in the query is what problems call the text."""
        return self.send(method, path, query=query, body=text.encode(), headers={"Content-Type": "text/yaml"})

    def upload(self, path: str, file: Path, **query: object) -> Answer:
        """Streams a file as the body."""
        headers = {"Content-Type": "application/x-compressed", "Content-Length": str(file.stat().st_size)}
        with file.open("rb") as stream:
            return self.send("POST", path, query=query, body=stream, headers=headers)

    def download(self, path: str, to: Path) -> int:
        """Streams a body into a file that only its owner may read, whole or not at all; returns its size."""
        part = to.with_name(f"{to.name}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                self._receive(path, stream)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        return to.stat().st_size

    def output(self, task: int, kind: str, *, follow: bool) -> Iterator[str]:
        """Lines of a task's output; with ``follow`` until the task has ended, pushed as they are written."""
        if not follow:
            answer = self.send("GET", f"/tasks/{task}/output", query={"type": kind}, accept=(200, 204))
            yield from answer.body.decode(errors="replace").removesuffix("\n").split("\n") if answer.body else ()
            return
        rest = b""
        for news in self._news(task, kind):
            # Lines, not chunks, are decoded: a chunk may end inside a character.
            *lines, rest = (rest + news).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if rest:
            yield rest.decode(errors="replace")

    def _news(self, task: int, kind: str) -> Iterator[bytes]:
        """What is written, piece by piece. Once the task has ended one more look makes sure that nothing is missed."""
        offset, wait_s, is_over = 0, 0, False
        while True:
            began = time.monotonic()
            answer = self._part(task, kind, offset, 0 if is_over else wait_s)
            news = answer.body[offset:] if answer.status == 200 else answer.body if answer.status == 206 else b""
            if news:
                offset += len(news)
                yield news
            elif is_over:
                return
            else:
                is_over = self.get(f"/tasks/{task}")["state"] not in RUNNING_STATES
                # The log of a task that ended long ago may wait in vain, so only a running one is waited for.
                if wait_s and not is_over:
                    time.sleep(max(0.0, PACE_S - (time.monotonic() - began)))
                wait_s = WAIT_S

    def _part(self, task: int, kind: str, offset: int, wait_s: int) -> Answer:
        headers = {"Range": f"bytes={offset}-"} | ({"X-Director-Wait": str(wait_s)} if wait_s else {})
        path, query = f"/tasks/{task}/output", {"type": kind}
        return self.send("GET", path, query=dict(query), headers=headers, accept=(200, 204, 206, 416))

    def _exchange(self, method: str, where: str, body: bytes | IO[bytes] | None, headers: dict[str, str]) -> Answer:
        for pause_s in (*(self._pauses_s if method == "GET" and self._was_reached else ()), None):
            try:
                response = self._open(method, where, body, headers)
                answer = Answer(
                    status=response.status,
                    body=response.read(),
                    location=_path_in(response),
                    tag=response.getheader("ETag") or "",
                )
            except _LOST as error:
                self._connection.close()
                if pause_s is None or isinstance(error, TimeoutError):
                    raise self._unreachable(error) from error
            else:
                if pause_s is None or answer.status not in _BUSY:
                    return answer
            time.sleep(pause_s)
        raise AssertionError("the last round returns or raises")

    def _open(
        self, method: str, where: str, body: bytes | IO[bytes] | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        """Sends the request; the body of its answer is still to be read."""
        if time.monotonic() - self._used > IDLE_S:
            self._connection.close()
        try:
            self._connection.request(method, where, body=body, headers={**self._headers, **headers})
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            if body is None:
                raise
            # A body that was refused before it was sent whole: the answer that says why may have come already.
        response = self._connection.getresponse()
        self._was_reached, self._used = True, time.monotonic()
        return response

    def _receive(self, path: str, stream: IO[bytes]) -> None:
        try:
            response = self._open("GET", path, None, {})
            if response.status != 200:
                raise self._failure(Answer(status=response.status, body=response.read()), f"GET {path}")
            shutil.copyfileobj(response, stream, BLOCK_BYTES)
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
        except _LOST as error:
            self._connection.close()
            if isinstance(error, OSError) and error.filename:
                raise
            raise self._unreachable(error) from error

    def _failure(self, answer: Answer, what: str) -> CommandFailed:
        if answer.status != 401:
            return failure_of(answer, what)
        who = f'the credentials of "{self._target.client}"' if self._target.client else "a request without credentials"
        message = f"The director at {self._target.url} does not accept {who}.\n{self._target.credentials_hint}"
        return CommandFailed(message, Exit.NO_DIRECTOR)

    def _unreachable(self, error: Exception) -> CommandFailed:
        if isinstance(error, ssl.SSLCertVerificationError):
            said = f"The certificate of {self._target.url} is not trusted: {error.verify_message}."
        else:
            why = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
            lost = "stopped answering" if self._was_reached else "cannot be reached"
            said = f"The director at {self._target.url} {lost}: {why}."
        return CommandFailed(f"{said}\n{self._target.remedy}", Exit.NO_DIRECTOR)


def _trusting(certificate: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=certificate or None)
    except (ssl.SSLError, ValueError) as error:
        raise CommandFailed(f"The CA certificate is not in PEM form: {error}.", Exit.BAD_INPUT) from error


def _path_in(response: http.client.HTTPResponse) -> str:
    return urlsplit(response.getheader("Location") or "").path


def _text(value: object) -> str:
    return "true" if value is True else str(value)
