"""Addresses given back to their pools, which NSX keeps from everybody for a while yet tells nobody of.

Known to this process only: after a restart within that while, NSX refuses some that look free, and each is noted then.
"""

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address

from director.adapters.nsxt.paths import HOMES, What
from director.adapters.nsxt.refs import Names, Refs
from director.model.fabric import NetworkObject, PoolAddress

_USUAL_MS = 120_000
"""NSX's own ``ip_release_delay`` (agent-cpi-vsphere.md 5.7)."""


class Released:
    def __init__(self) -> None:
        self._until: dict[tuple[str, int], float] = {}

    async def note(self, refs: Refs, names: Names, things: Iterable[NetworkObject]) -> None:
        """They have just been removed, or were not given."""
        mine = [thing for thing in things if isinstance(thing, PoolAddress)]
        if not mine:
            return
        delays = {str(body.get("path")): body for body in await refs.kin(HOMES[What.IP_POOL][0])}
        now = asyncio.get_running_loop().time()
        for thing in mine:
            path = names.somehow(What.IP_POOL, thing.pool)
            delay_ms = delays.get(path, {}).get("ip_release_delay", _USUAL_MS)
            self._until[path, int(ip_address(thing.ip))] = now + float(str(delay_ms)) / 1000

    def of(self, pool: str) -> tuple[tuple[int, int], ...]:
        """As ranges of one address each; forgets what is over."""
        now = asyncio.get_running_loop().time()
        self._until = {key: until for key, until in self._until.items() if until > now}
        return tuple(sorted((number, number) for path, number in self._until if path == pool))
