"""A manager at the wire, for what no simulator can be made to do on demand: each answer is written by the test."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import httpx
import pytest

from director.adapters.nsxt.client import Auth, NsxClient, NsxLogin


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """``answers`` come in turn to whatever is asked beside logins; an exception is raised. Then all is well."""

    answers: list = field(default_factory=list)
    logins: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    delay_s: float = 0.0
    password: str = "right"
    token: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((asyncio.get_running_loop().time(), request))
        await asyncio.sleep(self.delay_s)
        if request.url.path.startswith("/api/session/"):
            return self._login(request)
        next_ = self.answers.pop(0) if self.answers else {}
        next_ = next_(request) if callable(next_) else next_
        if isinstance(next_, Exception):
            raise next_
        return next_ if isinstance(next_, httpx.Response) else httpx.Response(200, json=next_)

    def _login(self, request: httpx.Request) -> httpx.Response:
        next_ = self.logins.pop(0) if self.logins else None
        if isinstance(next_, Exception):
            raise next_
        if next_ is not None:
            return next_
        if f"j_password={self.password}".encode() not in request.content and "create" in request.url.path:
            return refused(403, 403, "The credentials were incorrect or the account specified has been locked.")
        self.token += 1
        headers = {"Set-Cookie": f"JSESSIONID=s{self.token}; Path=/; Secure", "X-XSRF-TOKEN": f"t{self.token}"}
        return httpx.Response(200, headers=headers)

    def calls(self) -> list[httpx.Request]:
        return [request for _, request in self.asked if not request.url.path.startswith("/api/session/")]

    def times(self) -> list[float]:
        return [when for when, request in self.asked if not request.url.path.startswith("/api/session/")]

    def entered(self) -> int:
        return sum(request.url.path == "/api/session/create" for _, request in self.asked)

    def hosts(self) -> list[str]:
        return [urlsplit(str(request.url)).netloc for request in self.calls()]


def refused(status: int, code: int | None = None, message: str = "no", **more: object) -> httpx.Response:
    headers = more.pop("headers", None)
    body = {"httpStatus": "X", "error_code": code, "module_name": "policy", "error_message": message, **more}
    return httpx.Response(status, content=json.dumps(body), headers=headers)


LOGIN = NsxLogin(managers=("one",), user="director", password="right")


@pytest.fixture
def client() -> Callable[..., NsxClient]:
    def make(wire: Wire, *, chance: float = 1.0, allows_overwrite: bool = False, **login: object) -> NsxClient:
        return NsxClient(
            replace(LOGIN, **login), transport=wire, chance=lambda: chance, allows_overwrite=allows_overwrite
        )

    return make


@pytest.fixture
def wire() -> Callable[..., Wire]:
    return lambda *answers, **more: Wire(answers=list(answers), **more)


@pytest.fixture
def refusal() -> Callable[..., httpx.Response]:
    return refused


@pytest.fixture
def basic() -> Auth:
    return Auth.BASIC
