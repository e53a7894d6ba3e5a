"""Everything that the managers of one cluster share, wired together."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from tests.nsxsim import seed
from tests.nsxsim.auth import Auth, User
from tests.nsxsim.calls import Calls
from tests.nsxsim.clock import Clock
from tests.nsxsim.faults import Faults
from tests.nsxsim.limits import Limits
from tests.nsxsim.problems import Json
from tests.nsxsim.realise import Alarm
from tests.nsxsim.settings import Settings
from tests.nsxsim.sim import Sim

ROOMS: Final[tuple[str, ...]] = (
    "node",
    "states",
    "special",
    "actions",
    "search",
    "principals",
    "inventory",
    "inventory_api",
    "groups",
    "groups_api",
    "ipam",
    "ipam_rules",
    "ipam_api",
    "lb_status",
)
"""Modules with routes and rules; each may have an `install(sim)`. Add a module of yours here."""

FAILED: Final = 500100
"""The code of an injected realisation error that names none."""

ADMIN: Final = User("admin", "admin")


def rooms() -> list[ModuleType]:
    """Every added module, imported: its settings, routes and rules are there from then on."""
    return [import_module(f"tests.nsxsim.{name}") for name in ROOMS]


class Cluster:
    """One simulated cluster: state, users, limits, faults and the record of calls. `App` serves one manager of it."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        users: Iterable[User] = (ADMIN,),
        seeds: Json | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        modules = rooms()
        self.sim = Sim(clock=clock, settings=settings)
        self.clock, self.settings = self.sim.clock, self.sim.settings
        self.auth = Auth(self.clock, self.settings, tuple(users))
        self.limits = Limits(self.clock, self.settings)
        self.faults = Faults()
        self.calls = Calls()
        self.managers: list[Callable[[bool], Awaitable[None]]] = []
        """One per manager: call with False to refuse connections, True to accept them again."""
        self.down: set[int] = set()
        self.sim.rooms["auth"] = self.auth
        if tls is not None:
            self.sim.rooms["tls"] = tls
        self.sim.realisation.failing = self._failing
        for room in modules:
            install: Any = getattr(room, "install", None)
            if install is not None:
                install(self.sim)
        seed.plant(self.sim, seeds if seeds is not None else seed.DEFAULT)

    def _failing(self, path: str) -> Alarm | None:
        fault = self.faults.realisation_error(path)
        return None if fault is None else Alarm(fault.code or FAILED, fault.message)

    async def switch(self, manager: int, *, up: bool) -> None:
        """Makes one manager refuse connections, or accept them again."""
        (self.down.discard if up else self.down.add)(manager)
        if manager < len(self.managers):
            await self.managers[manager](up)

    def switch_soon(self, manager: int) -> None:
        """The same from a timer: the manager accepts connections again."""
        self._opening = asyncio.ensure_future(self.switch(manager, up=True))
