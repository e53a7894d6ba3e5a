"""What is free, less what this plan has given away already. Memory and space in MB."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from director.adapters.vsphere.choices import ClusterChoice
from director.adapters.vsphere.facts import Standing
from director.adapters.vsphere.site import Cluster, Host, Inventory, Pool
from director.model.names import VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cluster a VM may go to. ``group`` has the hosts (moids) of the choice's host group."""

    choice: ClusterChoice
    cluster: Cluster
    pool: Pool | None = None
    group: frozenset[str] | None = None

    @property
    def is_group_mandatory(self) -> bool:
        return self.group is not None and self.choice.host_group is not None and self.choice.host_group.is_mandatory

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The usable ones that the VM may run on."""
        allowed = self.group if self.is_group_mandatory else None
        return tuple(
            host for host in self.cluster.hosts if host.is_usable and (allowed is None or host.moid in allowed)
        )


class Ledger:
    """``standing`` are the VMs that exist, ``leaving`` those of them that go. A group is deployment and group name."""

    def __init__(
        self, inventory: Inventory, standing: Iterable[Standing] = (), leaving: Collection[VmName] = ()
    ) -> None:
        clusters = inventory.clusters
        self._clusters: Mapping[str, str] = {host.moid: cluster.moid for cluster in clusters for host in cluster.hosts}
        self._hosts = {host.moid: host.free_mb for cluster in clusters for host in cluster.hosts}
        self._memory: Counter[str] = Counter()
        self._space = {store.moid: store.free_mb for store in inventory.datastores}
        self._vms: Counter[str] = Counter()
        self._peers: Counter[tuple[tuple[str, str], str]] = Counter()
        self._copies: set[tuple[str, str]] = set()
        for vm in standing:
            if vm.name in leaving:
                self._give_back(vm, inventory)
            elif vm.host:
                group = (vm.deployment or "", vm.label.partition("/")[0])
                self._count(group, (vm.host, self._clusters.get(vm.host, "")))

    def memory_mb(self, candidate: Candidate) -> int:
        """Free for one more VM (3.3): the pool's, the mandatory host group's, or the cluster's; never more than its
        hosts have together.
        """
        cluster = candidate.cluster
        free = sum(max(0, self._hosts[host.moid]) for host in candidate.hosts) - self._memory[_adrift(cluster.moid)]
        if cluster.effective_mb:
            free = min(free, cluster.effective_mb - self._memory[cluster.moid])
        if candidate.pool:
            free = min(free, candidate.pool.free_mb - self._memory[candidate.pool.moid])
        return free

    def host_mb(self, host: Host) -> int:
        return self._hosts[host.moid]

    def space_mb(self, store: str) -> int:
        """Of a datastore, by its moid."""
        return self._space[store]

    def vms(self, moid: str) -> int:
        """How many VMs of ours are on a cluster or host, or were given a datastore by this plan."""
        return self._vms[moid]

    def peers(self, group: tuple[str, str], moid: str) -> int:
        """How many of one instance group are on a cluster or host."""
        return self._peers[group, moid]

    def has_copy(self, stemcell: str, store: str) -> bool:
        """Whether an earlier VM of this plan brings the stemcell to that datastore."""
        return (stemcell, store) in self._copies

    def take_vm(self, group: tuple[str, str], candidate: Candidate, host: Host | None, memory_mb: int) -> None:
        cluster = candidate.cluster.moid
        self._memory[cluster] += memory_mb
        if host:
            self._hosts[host.moid] -= memory_mb
        else:
            self._memory[_adrift(cluster)] += memory_mb
        if candidate.pool:
            self._memory[candidate.pool.moid] += memory_mb
        self._count(group, (host.moid if host else "", cluster))

    def take_space(self, store: str, size_mb: int) -> None:
        self._space[store] -= size_mb
        self._vms[store] += 1

    def take_copy(self, stemcell: str, store: str) -> None:
        self._copies.add((stemcell, store))

    def _give_back(self, vm: Standing, inventory: Inventory) -> None:
        """Never more than there is: what a VM was given is seldom all in use."""
        if vm.pool:
            self._memory[vm.pool] -= vm.ram_mb
        for cluster in inventory.clusters:
            for host in cluster.hosts:
                if host.moid == vm.host:
                    self._memory[cluster.moid] -= vm.ram_mb
                    self._hosts[host.moid] = min(host.memory_mb, self._hosts[host.moid] + vm.ram_mb)
        for store in inventory.datastores:
            if store.moid == vm.datastore:
                self._space[store.moid] = min(store.capacity_mb, self._space[store.moid] + vm.disk_mb)

    def _count(self, group: tuple[str, str], places: Iterable[str]) -> None:
        for place in filter(None, places):
            self._vms[place] += 1
            self._peers[group, place] += 1


def _adrift(cluster: str) -> str:
    """The memory of VMs that vCenter is to find a host for counts against all hosts of the cluster."""
    return f"{cluster} without host"
