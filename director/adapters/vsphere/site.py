"""What a datacenter offers, as values: clusters, pools, hosts, datastores, networks. Knows no pyVmomi."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from director.adapters.vsphere.where import NetworkKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What matters: names of clusters, last parts of the names of networks. None: all there are.

    Pools and host groups cost a request each, and are read only where somebody names one.
    """

    clusters: frozenset[str] | None = None
    networks: frozenset[str] | None = None
    has_pools: bool = True
    has_host_groups: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """``is_usable``: connected, powered on and not in maintenance. Memory in MB."""

    moid: str
    name: str
    is_usable: bool
    memory_mb: int
    used_mb: int
    cpu_mhz: int = 0

    @property
    def free_mb(self) -> int:
        return max(0, self.memory_mb - self.used_mb)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A resource pool. ``path`` counts from below the cluster's root pool, which has an empty one."""

    moid: str
    path: str
    free_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """``effective_mb`` is the memory that its running hosts have for VMs. ``host_groups`` by name: hosts' moids."""

    moid: str
    name: str
    root_pool: str
    hosts: tuple[Host, ...]
    effective_mb: int
    pools: tuple[Pool, ...] = ()
    host_groups: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastore:
    """``hosts`` are the moids of those that have it mounted for writing and reach it. Space in MB.

    ``is_usable``: accessible and not in maintenance. ``pod`` is its datastore cluster's moid.
    """

    moid: str
    name: str
    free_mb: int
    capacity_mb: int
    hosts: frozenset[str]
    is_usable: bool = True
    pod: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A datastore cluster. Without storage DRS its members are not used by its name (3.3)."""

    moid: str
    name: str
    has_drs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """``path`` counts from below the datacenter's network folder; ``switch`` is the distributed switch's name.

    ``key`` and ``of`` as in ``NicWhere``. ``hosts`` None: not known, since nobody asked for it, or because the account
    may not see them.
    """

    moid: str
    name: str
    path: str
    kind: NetworkKind
    switch: str = ""
    key: str = ""
    of: str = ""
    hosts: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """``datacenter`` is None when no datacenter has the settings' name; then all else is empty.

    ``cluster_names`` are all of the datacenter, ``clusters`` those that were asked for.
    """

    datacenters: tuple[str, ...]
    datacenter: str | None = None
    vm_folder: str = ""
    cluster_names: tuple[str, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    datastores: tuple[Datastore, ...] = ()
    pods: tuple[Pod, ...] = ()
    networks: tuple[Network, ...] = ()
