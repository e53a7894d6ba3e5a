"""Which datastores a host reaches. Built once for all VMs that choose among the same ones, as sites have many."""

from collections.abc import Iterable

from director.adapters.vsphere.site import Datastore


class Reach:
    """Usable datastores to choose among, by host (moid)."""

    def __init__(self, stores: Iterable[Datastore]) -> None:
        self.stores = tuple(store for store in stores if store.is_usable)
        by_host: dict[str, list[Datastore]] = {}
        for store in self.stores:
            for host in store.hosts:
                by_host.setdefault(host, []).append(store)
        kinds: dict[tuple[str, ...], int] = {}
        self._by_host = {host: tuple(reached) for host, reached in by_host.items()}
        self._kinds = {
            host: kinds.setdefault(tuple(store.moid for store in reached), len(kinds) + 1)
            for host, reached in by_host.items()
        }

    def of(self, host: str) -> tuple[Datastore, ...]:
        return self._by_host.get(host, ())

    def kind(self, host: str) -> int:
        """The same number for hosts that reach the same datastores."""
        return self._kinds.get(host, 0)
