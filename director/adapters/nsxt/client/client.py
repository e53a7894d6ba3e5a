"""The calls: GET, lists, searches and writes of the Policy API, by whichever manager can. Knows no kind of object.

Each call has one deadline, ``timeout_s``, for all its tries, pauses and pages; waiting in the own line for the user's
budget of requests is not counted, as it says nothing about NSX. One try may take half of it.
"""

import asyncio
import json
import random
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import httpx

from director.adapters.nsxt.client.account import Account, account_of
from director.adapters.nsxt.client.escape import Word, collection_of, target_of
from director.adapters.nsxt.client.faults import NsxFault
from director.adapters.nsxt.client.kinds import MANAGER_AWAY, Kind
from director.adapters.nsxt.client.login import NsxLogin, tls_context
from director.adapters.nsxt.client.managers import Manager, Managers
from director.adapters.nsxt.client.repeat import Course
from director.adapters.nsxt.client.sessions import Pass, Sessions
from director.adapters.nsxt.client.wire import Answer, Ask, Wire, transport_of
from director.model.tree import Tree

TIMEOUT_S: Final = 60.0
LIST_S: Final = 180.0
TREE_S: Final = 300.0
"""A hierarchical write is one transaction of up to 5,000 objects."""
OBJECTS_MAX: Final = 100_000
SEARCH_PAGE: Final = 50
"""NSX's search fails inside at larger pages."""
OWN_LOAD: Final = 4
"""A 503 with no more than so many of ours in flight is not about us."""
NOTHING: Final[frozenset[Kind]] = frozenset()

Trees = list[Tree]


class NsxClient:
    """``by_kind`` counts requests as ``PATCH segments``; ``faults`` what they met; ``requests`` and ``logins`` all.

    ``allows_overwrite`` lets it change what another principal identity made. ``transport`` is for tests at the wire.
    Made and used within one event loop; ``close`` it. Raises NsxFault when a certificate cannot be read, ValueError
    when an address is none.
    """

    def __init__(
        self,
        login: NsxLogin,
        *,
        allows_overwrite: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._managers = Managers(login.urls)
        self._account: Account = account_of(login)
        self._wire = Wire(transport or transport_of(_context(login)))
        self._sessions = Sessions(login, self._wire, self._account)
        self._chance = chance
        self._headers = {"Accept": "application/json", **({"X-Allow-Overwrite": "true"} if allows_overwrite else {})}
        self.by_kind: Counter[str] = Counter()
        self.faults: Counter[Kind] = Counter()

    @property
    def requests(self) -> int:
        """All that went out, logins and repeats too."""
        return self._wire.requests

    @property
    def logins(self) -> int:
        return self._sessions.logins

    @property
    def share(self) -> float:
        """Which part (0 to 1) of the user's budget is used at present: less than 1 after a 429."""
        return self._account.budget.share

    async def get(self, path: str, *, timeout_s: float = TIMEOUT_S, **query: Word) -> Tree:
        return await self._call("GET", path, query=query, timeout_s=timeout_s)

    async def list(
        self, path: str, *, timeout_s: float = LIST_S, objects_max: int = OBJECTS_MAX, **query: Word
    ) -> Trees:
        """All pages of a collection, in NSX's order. More than ``objects_max`` objects are a fault, UNREADABLE."""
        return await self._pages(path, query, timeout_s, objects_max)

    async def search(
        self, query: str, *, page_size: int = SEARCH_PAGE, timeout_s: float = LIST_S, **more: Word
    ) -> Trees:
        """What the index knows, each path once, without what it knows to be on its way out.

        The index is seconds late: what is found may be gone, what was just made may be missing.
        """
        words = {"query": query, "page_size": page_size, **more}
        every = await self._pages("/search/query", words, timeout_s, OBJECTS_MAX)
        alive = [each for each in every if each.get("marked_for_delete") is not True]
        return [*{str(each.get("path", number)): each for number, each in enumerate(alive)}.values()]

    async def patch(
        self,
        path: str,
        body: Tree,
        *,
        query: Mapping[str, Word] | None = None,
        timeout_s: float = TIMEOUT_S,
        also: frozenset[Kind] = NOTHING,
    ) -> None:
        """Makes or merges. ``also`` names kinds to wait out until ``timeout_s``, such as PENDING_DELETE."""
        await self._call("PATCH", path, body=body, query=query, timeout_s=timeout_s, also=also)

    async def put(
        self,
        path: str,
        body: Tree,
        *,
        query: Mapping[str, Word] | None = None,
        timeout_s: float = TIMEOUT_S,
        also: frozenset[Kind] = NOTHING,
    ) -> Tree:
        """Replaces what has the body's ``_revision``, or makes it if there is none; what NSX made of it.

        Raises STALE when it changed since; with ``may_have_happened`` that may have been this very call, its first
        answer lost: read it and compare.
        """
        return await self._call("PUT", path, body=body, query=query, timeout_s=timeout_s, also=also)

    async def delete(
        self,
        path: str,
        *,
        force: bool = False,
        timeout_s: float = TIMEOUT_S,
        also: frozenset[Kind] = NOTHING,
    ) -> None:
        """What is gone already, or on its way out, is done.

        ``also=LINGERING`` waits until what is below it or points to it is gone, and what was on its way out as well.
        """
        query = {"force": True} if force else None
        try:
            await self._call("DELETE", path, query=query, timeout_s=timeout_s, also=also)
        except NsxFault as fault:
            if fault.kind not in {Kind.NOT_FOUND, Kind.PENDING_DELETE} - also:
                raise

    async def post(
        self,
        path: str,
        body: Tree | None = None,
        *,
        query: Mapping[str, Word] | None = None,
        timeout_s: float = TIMEOUT_S,
        is_repeatable: bool = False,
    ) -> Tree:
        """``is_repeatable``: it may be done twice, so it goes out again when an answer was lost."""
        return await self._call("POST", path, body=body, query=query, timeout_s=timeout_s, is_repeatable=is_repeatable)

    async def patch_tree(
        self,
        children: Sequence[Tree],
        *,
        enforce_revisions: bool,
        timeout_s: float = TREE_S,
        also: frozenset[Kind] = NOTHING,
    ) -> None:
        """``Child…`` wrappers below ``/infra``, all or nothing in one call (agent-cpi-vsphere.md 5.8).

        With ``enforce_revisions`` each object that exists must carry its ``_revision``, else STALE; and a lost answer
        shows as with ``put``.
        """
        body: Tree = {"resource_type": "Infra", "children": [*children]}
        query = {"enforce_revision_check": enforce_revisions}
        await self._call("PATCH", "/infra", body=body, query=query, timeout_s=timeout_s, also=also)

    async def close(self) -> None:
        """Ends the sessions and connections; what NSX carries out goes on."""
        try:
            await self._sessions.leave()
        finally:
            await self._wire.close()

    async def _pages(self, path: str, query: Mapping[str, Word], timeout_s: float, objects_max: int) -> Trees:
        course = self._course(timeout_s)
        found: Trees = []
        cursors: set[str] = set()
        cursor: str | None = None
        while True:
            page = await self._go(self._ask("GET", path, None, {**query, "cursor": cursor}), course)
            found.extend(_results(page))
            cursor = _cursor(page)
            if cursor is None:
                return found
            if cursor in cursors or len(found) > objects_max or course.left_s <= 0:
                raise _endless(path, len(found))
            cursors.add(cursor)
            course.begin_anew()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        body: Tree | None = None,
        query: Mapping[str, Word] | None = None,
        is_repeatable: bool = True,
        also: frozenset[Kind] = NOTHING,
    ) -> Tree:
        course = self._course(timeout_s, is_repeatable=is_repeatable, also=also)
        return await self._go(self._ask(method, path, body, query or {}), course)

    def _course(self, timeout_s: float, *, is_repeatable: bool = True, also: frozenset[Kind] = NOTHING) -> Course:
        return Course(timeout_s=timeout_s, is_repeatable=is_repeatable, also=also, chance=self._chance)

    async def _go(self, ask: Ask, course: Course) -> Tree:
        while True:
            try:
                return (await self._try(ask, course)).body
            except NsxFault as fault:
                self.faults[fault.kind] += 1
                pause_s = course.pause_after(fault, has_another=self._managers.has_open)
            await asyncio.sleep(pause_s)

    def _ask(self, method: str, path: str, body: Tree | None, query: Mapping[str, Word]) -> Ask:
        if body is None:
            return Ask(method=method, path=path, target=target_of(path, query), headers=self._headers)
        content = json.dumps(body, separators=(",", ":")).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        return Ask(method=method, path=path, target=target_of(path, query), content=content, headers=headers)

    async def _try(self, ask: Ask, course: Course) -> Answer:
        loop = asyncio.get_running_loop()
        async with self._account.budget.turn():
            began = loop.time()
            manager = self._managers.choose()
            try:
                with manager.visit():
                    return await self._visit(manager, ask, course.try_s)
            finally:
                course.spend(loop.time() - began)

    async def _visit(self, manager: Manager, ask: Ask, within_s: float) -> Answer:
        sent_at, shown = asyncio.get_running_loop().time(), None
        try:
            async with asyncio.timeout(within_s):
                shown = await self._sessions.enter(manager)
                self.by_kind[f"{ask.method} {collection_of(ask.path)}"] += 1
                answer = await self._wire.send(ask, manager, shown.headers, within_s=within_s)
        except TimeoutError as error:
            fault = _late(ask, manager, within_s, is_sent=shown is not None)
            raise self._learned(manager, shown, fault, sent_at) from error
        except NsxFault as fault:
            learned = self._learned(manager, shown, fault, sent_at)
            if learned is fault:
                raise
            raise learned from fault
        manager.came_through()
        return answer

    def _learned(self, manager: Manager, shown: Pass | None, fault: NsxFault, sent_at: float) -> NsxFault:
        """What this fault says about the manager, the budget and the session, is kept; what the call should know."""
        budget = self._account.budget
        if fault.kind in MANAGER_AWAY:
            manager.rest(sent_at, at_least_s=fault.after_s or 0.0)
        elif fault.status is not None:
            manager.came_through()
        is_ours = fault.kind is Kind.OVERLOADED and budget.in_flight > OWN_LOAD
        if fault.kind is Kind.THROTTLED or is_ours:
            budget.slow_down(sent_at, rest_s=0.0 if is_ours else fault.after_s or 0.0)
        return fault if shown is None else self._sessions.met(manager, shown, fault)


def _context(login: NsxLogin) -> ssl.SSLContext:
    try:
        return tls_context(login)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
        message = f"the certificate, key or authority given for NSX-T cannot be read ({reason})"
        raise NsxFault(Kind.CERTIFICATE, message=message, path="making ready") from error


def _late(ask: Ask, manager: Manager, within_s: float, *, is_sent: bool) -> NsxFault:
    return NsxFault(
        Kind.UNREACHABLE,
        message=f"no answer within {within_s:g} s",
        method=ask.method,
        path=ask.path,
        manager=manager.name,
        may_have_happened=is_sent and ask.method != "GET",
    )


def _results(page: Tree) -> Trees:
    results = page.get("results", [])
    return [each for each in results if isinstance(each, Mapping)] if isinstance(results, list) else []


def _cursor(page: Tree) -> str | None:
    cursor = page.get("cursor")
    return str(cursor) if cursor not in {None, ""} else None


def _endless(path: str, count: int) -> NsxFault:
    message = f"the list had no end after {count} objects"
    return NsxFault(Kind.UNREADABLE, message=message, method="GET", path=path)
