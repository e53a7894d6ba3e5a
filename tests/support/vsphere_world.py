"""An open session at a simulated vCenter, with the few things tests of one part need beside it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.folders import ensure_folder
from director.adapters.vsphere.session import Login, Session
from tests.support.vcsim import Vcsim

S = TypeVar("S", bound=Session)
T = TypeVar("T")


class Losing(Session):
    """Does what it is asked, and loses the answer once: to the request after ``lose_after`` more of them."""

    lose_after: int | None = None

    async def call(self, what: str, do: Callable[[], T], *, timeout_s: float = 60.0, repeatable: bool = True) -> T:
        answer = await super().call(what, do, timeout_s=timeout_s, repeatable=repeatable)
        self._lose(what)
        return answer

    async def task(self, what: str, start: Callable[[], Any], **more: Any) -> Any:
        answer = await super().task(what, start, **more)
        self._lose(f"the end of: {what}")
        return answer

    def _lose(self, what: str) -> None:
        if self.lose_after is None:
            return
        self.lose_after -= 1
        if self.lose_after < 0:
            self.lose_after = None
            raise Fault(f"lost: {what}", is_reply_lost=True)


@asynccontextmanager
async def opened(sim: Vcsim, kind: type[S] = Session, *, watches: bool = True) -> AsyncIterator[S]:  # type: ignore[assignment]  # S's default
    """Logged in, and watching the VMs of the simulator's one datacenter unless told otherwise."""
    session = kind(Login(host=sim.host, port=sim.port, user=sim.user, password=sim.password, is_verified=False))
    try:
        await session.open()
        if watches:
            session.watch.add_folder(await ensure_folder(session, ("DC0", "vm")))
            await session.watch.settled()
        yield session
    finally:
        await session.close()


async def moids(session: Session, kind: type) -> dict[str, str]:
    """name → moid of all objects of a kind."""
    seen = await session.read("list them", kind, ("name",))
    return {str(one["name"]): moid for moid, one in sorted(seen.items())}


async def value(session: Session, kind: type, moid: str, path: str) -> Any:
    """One property, asked afresh."""
    seen = await session.read("look", kind, (path,), [session.of(kind, moid)])
    return seen[moid].get(path)
