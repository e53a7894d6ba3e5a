"""What shows NSX who asks: a session for each manager, or the same headers with every call. Knows no retries.

Note: one flight. However many find a session ended, one logs in and the others take what came of it, be it a fault.
Logins at several managers go one after another, so that a wrong password is sent once (see ``account``).
"""

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from director.adapters.nsxt.client.account import Account
from director.adapters.nsxt.client.faults import NsxFault
from director.adapters.nsxt.client.kinds import Kind
from director.adapters.nsxt.client.login import Auth, NsxLogin
from director.adapters.nsxt.client.managers import Manager
from director.adapters.nsxt.client.wire import Answer, Ask, Wire

LOGIN_S: Final = 15.0
LEAVE_S: Final = 3.0
_ENTER: Final = "/api/session/create"
_LEAVE: Final = "/api/session/destroy"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pass:
    """What goes with a call. ``number`` tells one session from the next."""

    headers: Mapping[str, str] = field(repr=False)
    number: int = 0


class Sessions:
    """``logins`` counts those that came through."""

    def __init__(self, login: NsxLogin, wire: Wire, account: Account) -> None:
        self._login = login
        self._wire = wire
        self._account = account
        self._passes: dict[Manager, Pass] = {}
        self._entering = asyncio.Lock()
        self._flights: dict[Manager, tuple[int, NsxFault | None]] = {}
        self._plain = Pass(headers=_plain_headers(login))
        self.logins = 0

    async def enter(self, manager: Manager) -> Pass:
        """What to show that manager; logs in if that is needed. Raises NsxFault."""
        if manager in self._passes:
            return self._passes[manager]
        self._account.check(self._login)
        return await self._one_flight(manager) if self._login.auth is Auth.SESSION else self._plain

    def met(self, manager: Manager, shown: Pass, fault: NsxFault) -> NsxFault:
        """What ``fault`` means, given what was shown: a session that ended is forgotten, a password refused kept."""
        if fault.kind not in {Kind.SESSION, Kind.CREDENTIALS}:
            return fault
        if self._login.auth is Auth.SESSION:
            # An ended session is sometimes called wrong credentials; only a new login tells them apart.
            if self._passes.get(manager) is shown:
                del self._passes[manager]
            return fault.like(kind=Kind.SESSION)
        return self._refused(fault.like(kind=Kind.CREDENTIALS))

    async def leave(self) -> None:
        """Ends the sessions, where that is possible within a few seconds."""
        for manager, shown in [*self._passes.items()]:
            with suppress(NsxFault, TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    ask = Ask(method="POST", path=_LEAVE, target=_LEAVE, content=b"")
                    await self._wire.send(ask, manager, shown.headers, within_s=LEAVE_S)
        self._passes.clear()

    async def _one_flight(self, manager: Manager) -> Pass:
        seen, _ = self._flights.get(manager, (0, None))
        async with self._entering:
            number, fault = self._flights.get(manager, (0, None))
            if manager in self._passes:
                return self._passes[manager]
            if number != seen and fault is not None:
                raise fault.like()
            self._account.check(self._login)
            try:
                self._passes[manager] = await self._enter(manager)
            except NsxFault as met:
                self._flights[manager] = (number + 1, met)
                raise
            self._flights[manager] = (number + 1, None)
            return self._passes[manager]

    async def _enter(self, manager: Manager) -> Pass:
        words = urlencode({"j_username": self._login.user, "j_password": self._login.password})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        what = f"logging in as {self._login.user}"
        ask = Ask(method="POST", path=_ENTER, target=_ENTER, content=words.encode(), headers=kind)
        self._account.budget.spend()
        try:
            async with asyncio.timeout(LOGIN_S):
                answer = await self._wire.send(ask, manager, {}, within_s=LOGIN_S)
        except NsxFault as fault:
            told = fault.like(method="", path=what, may_have_happened=False)
            if told.kind in {Kind.SESSION, Kind.FORBIDDEN, Kind.CREDENTIALS}:
                raise self._refused(told.like(kind=Kind.CREDENTIALS)) from fault
            raise told from fault
        except TimeoutError as error:
            raise NsxFault(Kind.UNREACHABLE, message="no answer in time", path=what, manager=manager.name) from error
        self.logins += 1
        return Pass(headers=_session_headers(answer, manager, what), number=self.logins)

    def _refused(self, fault: NsxFault) -> NsxFault:
        self._account.refuse(self._login, fault)
        return fault


def _plain_headers(login: NsxLogin) -> Mapping[str, str]:
    if login.auth is not Auth.BASIC:
        return {}
    return {"Authorization": "Basic " + b64encode(f"{login.user}:{login.password}".encode()).decode()}


def _session_headers(answer: Answer, manager: Manager, what: str) -> Mapping[str, str]:
    cookies = [line.partition(";")[0].strip() for line in answer.headers.get_list("set-cookie")]
    token = answer.headers.get("x-xsrf-token")
    if not cookies or token is None:
        message = "it gave no session (no cookie, or no X-XSRF-TOKEN)"
        raise NsxFault(Kind.UNREADABLE, message=message, path=what, manager=manager.name)
    return {"Cookie": "; ".join(cookies), "X-XSRF-TOKEN": token}
