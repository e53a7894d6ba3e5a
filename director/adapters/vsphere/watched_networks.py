"""NSX's networks as vCenter tells of them, and who waits for one to be there. Asks for nothing: ``watch`` does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from director.adapters.vsphere.collector import Change
from director.adapters.vsphere.site import Network
from director.adapters.vsphere.survey import build_networks, with_hosts
from director.adapters.vsphere.where import NetworkKind

Choice: TypeAlias = Callable[[Sequence[Network]], Network | None]
"""Of all there are, the one that somebody waits for; None while it is not there."""

_OF_NSX: Final = (NetworkKind.NSX_DISTRIBUTED, NetworkKind.OPAQUE)


@dataclass(slots=True, kw_only=True, eq=False)
class NetworkHope:
    choose: Choice
    done: asyncio.Future[Network]


class WatchedNetworks:
    """``all`` is as new as the watch's last answer."""

    def __init__(self) -> None:
        self._read: dict[str, dict[str, Any]] = {}
        self._hopes: list[NetworkHope] = []

    @property
    def all(self) -> Sequence[Network]:
        groups = {moid: one for moid, one in self._read.items() if "summary" not in one}
        opaque = {moid: one for moid, one in self._read.items() if "summary" in one}
        found = with_hosts(build_networks(self._read, groups, opaque, {}, {}), self._read)
        return [network for network in found if network.kind in _OF_NSX]

    def clear(self) -> None:
        """All is about to be told anew."""
        self._read = {}

    def apply(self, change: Change) -> None:
        if change.is_gone:
            self._read.pop(change.moid, None)
        else:
            self._read.setdefault(change.moid, {}).update(change.values)

    def hope(self, choose: Choice) -> NetworkHope:
        """Fulfilled by ``fulfil`` with what ``choose`` finds; to be given back by ``forget``."""
        hope = NetworkHope(choose=choose, done=asyncio.get_running_loop().create_future())
        self._hopes.append(hope)
        return hope

    def forget(self, hope: NetworkHope) -> None:
        self._hopes.remove(hope)

    def waiting(self) -> Sequence[asyncio.Future[Network]]:
        return [hope.done for hope in self._hopes]

    def fulfil(self) -> None:
        """After an answer that told of networks."""
        if not self._hopes:
            return
        there = self.all
        for hope in self._hopes:
            found = None if hope.done.done() else hope.choose(there)
            if found is not None:
                hope.done.set_result(found)
