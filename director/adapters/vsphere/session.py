"""One login at one vCenter, and every call to it: deadlines, retries, logging in again, how much at once.

pyVmomi blocks, so its calls run in the threads of one small pool, each on a connection that is used again; the watch
has one thread more. Nothing here knows what is asked.

Note: what is repeated. A call that vCenter refused before doing anything (session ended, another task at work on it,
host not reached) goes out again, so does one that never left this machine; one whose answer was lost only when the
caller says that it may. All within a budget of tries and the call's deadline (the existing CPI repeats 8 times over
95 s: agent-cpi-vsphere.md 3.12).
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from http.client import HTTPException
from typing import Any, Final, TypeVar

from pyVmomi import vim, vmodl

from director.adapters.vsphere.bulk import retrieve
from director.adapters.vsphere.collector import Collector
from director.adapters.vsphere.connections import Connections, Login, NotReached, Stub, Unreadable
from director.adapters.vsphere.faults import TRANSIENT, Fault, fault_of, lost, unreadable
from director.adapters.vsphere.rest import Rest
from director.adapters.vsphere.version import best_version
from director.adapters.vsphere.watch import Watch
from director.model.tree import Tree
from director.ports.clock import Clock
from director.ports.failure import Retry

__all__ = ["Login", "Session"]

T = TypeVar("T")

PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between the tries of one call: 15.5 s at most, and never beyond its deadline."""
LOGIN_S: Final = 30.0
_LEAVE_S: Final = 5.0
REFUSED_S: Final = 60.0
"""A refused password is not tried again for so long: accounts are locked after a few wrong ones."""
SLOTS: Final[Mapping[str, int]] = {"vcenter": 64, "host": 16, "datastore": 32}
"""Operations in flight at once by default; a vCenter queues what is more on its own, out of our sight."""


class Session:
    """``requests`` counts what was sent, ``connections`` the most open at one time (at most ``calls_at_once`` + 1).

    ``key`` is vCenter's id of the present session.
    """

    def __init__(
        self,
        login: Login,
        *,
        clock: Clock | None = None,
        calls_at_once: int = 7,
        slots: Mapping[str, int] | None = None,
    ) -> None:
        self._login = login
        self._clock = clock
        self._connections = Connections(login)
        self._calls = ThreadPoolExecutor(calls_at_once, thread_name_prefix="vsphere")
        self._waiter = ThreadPoolExecutor(1, thread_name_prefix="vsphere-watch")
        self._stub: Stub | None = None
        self._content: Any = None
        self._entering = asyncio.Lock()
        self._logins = 0
        self.key = ""
        self._refused: tuple[Fault, float] | None = None
        self._limits = {**SLOTS, **(slots or {})}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._rest = Rest(self._connections, login)
        self.watch = Watch(_Line(self))

    @property
    def requests(self) -> int:
        return self._connections.requests

    @property
    def connections(self) -> int:
        return self._connections.open_most

    @property
    def logins(self) -> int:
        return self._logins

    @property
    def content(self) -> Any:
        """The ServiceContent as it was at login: vCenter's managers, without a request."""
        assert self._content is not None, "the session is not open"
        return self._content

    def of(self, kind: Callable[..., T], moid: str) -> T:
        """The managed object of that id, without a request."""
        assert self._stub is not None, "the session is not open"
        return kind(moid, self._stub)

    def stub(self, path: str, version: str) -> Stub:
        """For another SOAP service of this vCenter (``/pbm/sdk``), over the same connections and session."""
        other = Stub(self._connections, self._login, path=path, version=version)
        other.cookie = self.cookie()
        return other

    def cookie(self) -> str:
        """``vmware_soap_session=…`` of the present login. A secret."""
        assert self._stub is not None, "the session is not open"
        return str(self._stub.cookie).split(";", 1)[0]

    async def open(self) -> None:
        """Logs in if that was not done yet. Raises Fault."""
        if self._content is None:
            await self._enter(0)

    async def close(self) -> None:
        """Logs out and ends all threads; what vCenter does goes on."""
        await self.watch.close()
        if self._content is not None:
            with suppress(Fault):
                await self.once("logging out", self._content.sessionManager.Logout, _LEAVE_S)
        self._connections.close()
        await asyncio.to_thread(self._calls.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._waiter.shutdown, cancel_futures=True)

    async def call(self, what: str, do: Callable[[], T], *, timeout_s: float = 60.0, repeatable: bool = True) -> T:
        """``do`` makes one request, in a thread. ``what`` is its name in an error: ``cloning VM web-1``.

        Raises Fault; with ``is_reply_lost`` when it is not repeatable and nobody knows whether it was done.
        """
        return await self._tried(what, do, timeout_s, repeatable=repeatable)

    async def task(
        self,
        what: str,
        start: Callable[[], Any],
        *,
        timeout_s: float = 3600.0,
        slots: Sequence[str] = (),
        progress: Callable[[int], None] | None = None,
    ) -> Any:
        """Starts a task and returns its result when vCenter tells of its end.

        ``slots`` name the host and datastore it works on (``host:host-12``): so many at once on each as its limit.
        Raises Fault; with ``is_reply_lost`` when the task may have been started, or goes on out of sight.
        """
        async with AsyncExitStack() as held:
            for slot in ("vcenter", *sorted(set(slots) - {"vcenter"})):
                await held.enter_async_context(self._slot(slot))
            for pause_s in (*PAUSES_S, None):
                task = await self.call(what, start, repeatable=False)
                try:
                    return await self.watch.end_of(what, task, timeout_s, progress)
                except Fault as fault:
                    if pause_s is None or not fault.is_a(*TRANSIENT):
                        raise
                    await self.pause(pause_s)
        raise AssertionError("the last try returns or raises")

    def _slot(self, name: str) -> asyncio.Semaphore:
        limit = self._limits.get(name.partition(":")[0], self._limits["vcenter"])
        return self._slots.setdefault(name, asyncio.Semaphore(limit))

    async def read(
        self,
        what: str,
        kind: type,
        paths: Sequence[str],
        objects: Sequence[Any] | None = None,
        *,
        under: Any = None,
    ) -> Mapping[str, Mapping[str, Any]]:
        """In bulk: moid → {path: value} of these objects, or of every ``kind`` below ``under`` (the root folder).

        Objects that are gone, and properties that are unset or may not be read, are left out.
        """
        await self.open()
        collector = self.content.propertyCollector
        start = None if objects is not None else under or self.content.rootFolder
        found: dict[str, Mapping[str, Any]] = {}
        token: str | None = None
        while token is not None or not found:
            page = partial(retrieve, collector, kind, tuple(paths), objects, start, token)
            some, token = await self.call(what, page, timeout_s=120.0)
            found.update(some)
            if token is None:
                break
        return found

    async def rest(self, method: str, path: str, body: Tree | None = None) -> Any:
        """``/api/…`` and ``/rest/…`` with a session of its own, JSON to trees. Raises Fault, with its ``status``."""
        what = f"{method} {path}"
        ask = partial(self._rest.ask, method, path, body)
        return await self._tried(what, ask, 60.0, repeatable=method != "POST", logged_in=False)

    async def pause(self, seconds: float) -> None:
        await (asyncio.sleep(seconds) if self._clock is None else self._clock.sleep(seconds))

    async def _tried(
        self, what: str, do: Callable[[], T], timeout_s: float, *, repeatable: bool, logged_in: bool = True
    ) -> T:
        last: Fault | None = None
        try:
            async with asyncio.timeout(timeout_s):
                for pause_s in (*PAUSES_S, None):
                    login = await self._entered() if logged_in else 0
                    try:
                        return await self.once(what, do, timeout_s)
                    except Fault as fault:
                        if not _may_go_out_again(fault, repeatable=repeatable):
                            raise
                        if pause_s is None:
                            raise fault.given_up() from fault
                        last = fault
                    if last.is_a(vim.fault.NotAuthenticated):
                        await self._enter(login)
                    else:
                        await self.pause(pause_s)
        except TimeoutError as error:
            late = TimeoutError(f"no answer within {timeout_s:g} s")
            raise last or lost(what, self._login.host, late, is_sent=True) from error
        raise AssertionError("the last try returns or raises")

    async def _entered(self) -> int:
        if self._content is None:
            await self._enter(0)
        return self._logins

    async def once(self, what: str, do: Callable[[], T], timeout_s: float, *, is_wait: bool = False) -> T:
        """In a thread, never again, without a login. Raises Fault. ``is_wait`` is the watch's, which has its own."""

        def work() -> T:
            self._connections.set_timeout(timeout_s)
            return do()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._waiter if is_wait else self._calls, work)
        except vmodl.MethodFault as fault:
            raise fault_of(what, fault) from fault
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(what, self._login.host, error) from error
        except Unreadable as error:
            raise unreadable(what, self._login.host, error) from error
        except (OSError, HTTPException) as error:
            raise lost(what, self._login.host, error, is_sent=not isinstance(error, NotReached)) from error

    async def _enter(self, seen: int) -> None:
        """Logs in unless somebody did since login number ``seen``: one flight for all who find the session ended."""
        async with self._entering:
            if self._content is not None and self._logins != seen:
                return
            if self._refused is not None and self._now() < self._refused[1]:
                raise self._refused[0]
            try:
                await self._login_now()
            except Fault as fault:
                if fault.is_a(vim.fault.InvalidLogin):
                    self._refused = (fault, self._now() + REFUSED_S)
                raise

    async def _login_now(self) -> None:
        what = f"logging in to vCenter {self._login.host} as {self._login.user}"
        if self._stub is None:
            version = await self.once(what, partial(best_version, self._connections), LOGIN_S)
            self._stub = Stub(self._connections, self._login, path="/sdk", version=version)
        stub = self._stub
        service = vim.ServiceInstance("ServiceInstance", stub)
        if self._content is None:
            self._content = await self.once(what, service.RetrieveContent, LOGIN_S)
        stub.cookie = ""
        enter = partial(self._content.sessionManager.Login, self._login.user, self._login.password)
        self.key = str((await self.once(what, enter, LOGIN_S)).key)
        self._logins += 1

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock.monotonic()


def _may_go_out_again(fault: Fault, *, repeatable: bool) -> bool:
    if fault.is_a(vim.fault.NotAuthenticated, *TRANSIENT):
        return True
    was_not_sent = fault.fault is None and fault.retry is Retry.SOON and not fault.is_reply_lost
    return was_not_sent or (fault.is_reply_lost and repeatable)


def _untrusted(what: str, host: str, error: ssl.SSLCertVerificationError) -> Fault:
    words = f"{what}: the certificate of vCenter {host} is not trusted ({error.verify_message})"
    return Fault(f"{words}. Put its authority's certificate into connection_options.ca_cert.")


class _Line:
    """The watch's end of the session: its waits have a thread to themselves, and are tried anew by the watch."""

    def __init__(self, session: Session) -> None:
        self._session = session

        self._last: Collector | None = None

    async def collector(self, *, is_careful: bool) -> Collector:
        await self._session.open()
        content, last = self._session.content, self._last
        if last is not None:
            # It went with its session, or its answers were lost on the way.
            with suppress(Fault):
                await self._session.call("leaving a property collector", last.destroy, timeout_s=_LEAVE_S)
        self._last = await self._session.call(
            "making a property collector", lambda: Collector(content, is_careful=is_careful)
        )
        return self._last

    async def ask(self, what: str, do: Callable[[], T], *, timeout_s: float) -> T:
        return await self._session.call(what, do, timeout_s=timeout_s, repeatable=False)

    async def wait(self, what: str, do: Callable[[], T], *, timeout_s: float) -> T:
        return await self._session.once(what, do, timeout_s, is_wait=True)

    async def pause(self, seconds: float) -> None:
        await self._session.pause(seconds)
