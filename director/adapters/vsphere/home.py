"""Where a new stemcell goes first: a cluster's pool, a host that sees the datastore, the datastore. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from director.adapters.vsphere.choices import ClusterChoice
from director.adapters.vsphere.settings import Settings, StorePattern
from director.adapters.vsphere.site import Asked, Cluster, Datastore, Inventory
from director.ports.failure import InfrastructureFailure

HEADROOM_MB: Final = 1024
"""Free space that stays (3.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Managed object ids. The host is always named: a cluster without DRS chooses none by itself."""

    pool: str
    host: str
    datastore: str
    datastore_name: str


def asked_for_home(settings: Settings) -> Asked:
    clusters = settings.datacenter.clusters
    return Asked(
        clusters=frozenset(choice.name for choice in clusters) if clusters else None,
        networks=frozenset(),
        has_pools=any(choice.resource_pool for choice in clusters),
        has_host_groups=False,
    )


def choose_home(inventory: Inventory, settings: Settings, size_mb: int) -> Home:
    """The matching datastore with the most free space, then by name; on it the cluster of the settings' order.

    Raises InfrastructureFailure that says what was looked at and why none would do.
    """
    if inventory.datacenter is None:
        there = ", ".join(inventory.datacenters) or "none"
        raise InfrastructureFailure(f'vCenter has no datacenter "{settings.datacenter.name}". It has: {there}.')
    clusters = _clusters(inventory, settings)
    fitting = [store for store in _matching(inventory, settings.datacenter.ephemeral) if store.is_usable]
    roomy = [store for store in fitting if store.free_mb >= size_mb + HEADROOM_MB]
    for store in sorted(roomy, key=lambda store: (-store.free_mb, store.name, store.moid)):
        for choice, cluster in clusters:
            hosts = [host for host in cluster.hosts if host.is_usable and host.moid in store.hosts]
            if hosts:
                host = min(hosts, key=lambda host: (-host.free_mb, host.name))
                pool = _pool(cluster, choice)
                return Home(pool=pool, host=host.moid, datastore=store.moid, datastore_name=store.name)
    raise InfrastructureFailure(_nowhere(inventory, settings, size_mb, fitting))


def _clusters(inventory: Inventory, settings: Settings) -> Sequence[tuple[ClusterChoice, Cluster]]:
    by_name = {cluster.name: cluster for cluster in inventory.clusters}
    choices = settings.datacenter.clusters or tuple(ClusterChoice(name=name) for name in sorted(by_name))
    return [(choice, by_name[choice.name]) for choice in choices if choice.name in by_name]


def _pool(cluster: Cluster, choice: ClusterChoice) -> str:
    if choice.resource_pool is None:
        return cluster.root_pool
    for pool in cluster.pools:
        if choice.resource_pool in {pool.path, pool.path.rpartition("/")[2]}:
            return pool.moid
    raise InfrastructureFailure(
        f'Cluster "{cluster.name}" has no resource pool "{choice.resource_pool}": name one it has, or leave it out.'
    )


def _matching(inventory: Inventory, pattern: StorePattern) -> Iterable[Datastore]:
    pods = {pod.moid for pod in inventory.pods if pod.has_drs and pattern.pods and re.search(pattern.pods, pod.name)}
    for store in inventory.datastores:
        if store.pod in pods or (pattern.datastores and re.search(pattern.datastores, store.name)):
            yield store


def _nowhere(inventory: Inventory, settings: Settings, size_mb: int, fitting: Sequence[Datastore]) -> str:
    pattern = settings.datacenter.ephemeral
    words = pattern.datastores or pattern.pods or ""
    needed = f"a stemcell of {size_mb} MB (and {HEADROOM_MB} MB that stay free)"
    if not fitting:
        names = ", ".join(sorted(store.name for store in inventory.datastores)) or "none"
        return f'No usable datastore matches "{words}" for {needed}. There are: {names}.'
    free = ", ".join(f"{store.name} has {store.free_mb} MB free" for store in sorted(fitting, key=lambda s: s.name))
    names = ", ".join(cluster.name for _, cluster in _clusters(inventory, settings)) or "none that vCenter has"
    return (
        f'No datastore that matches "{words}" takes {needed}, reached by a running host of the clusters set '
        f"({names}): {free}. Make room, or set another pattern."
    )
