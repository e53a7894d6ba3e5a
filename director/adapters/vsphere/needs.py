"""Wishes with every name and pattern in them found: what each VM and disk needs, and where it may go at all.

Says what cannot be found; weighs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.adapters.vsphere.choices import ClusterChoice
from director.adapters.vsphere.cloud import (
    VmProperties,
    read_disk_properties,
    read_network,
    read_vm_properties,
)
from director.adapters.vsphere.facts import DiskAt, Facts
from director.adapters.vsphere.ledger import Candidate
from director.adapters.vsphere.macs import nic_networks
from director.adapters.vsphere.match import (
    find_cluster,
    find_host_group,
    find_network,
    find_pool,
    find_segment,
    find_stores,
    match_stores,
)
from director.adapters.vsphere.reach import Reach
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.site import Datastore, Inventory, Network
from director.adapters.vsphere.where import NetworkKind, NicWhere
from director.manifest.near import instead_of
from director.model.names import DiskCid
from director.model.placement import DiskWish, VmWish
from director.model.problem import Problem
from director.model.tree import Tree

OVERHEAD_MB: Final = 128
"""What a VM takes beside its memory (3.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskNeed:
    """``stores`` are the datastores it may lie on. An existing one has its ``cid``, and is ``at`` where it lies now
    (None: on a datastore that no cluster asked for reaches).
    """

    name: str
    size_mb: int
    stores: Reach
    wish: DiskWish | None = None
    cid: DiskCid | None = None
    at: Datastore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmNeed:
    """``hosts`` are those that reach all its networks; None: any. ``stores`` are for its own disks, of ``disk_mb``.

    ``awaited`` are segments of the director's own that vCenter does not show yet.
    """

    wish: VmWish
    properties: VmProperties
    candidates: tuple[Candidate, ...]
    nics: tuple[NicWhere, ...]
    hosts: frozenset[str] | None
    stores: Reach
    disks: tuple[DiskNeed, ...]
    awaited: tuple[str, ...] = ()

    @property
    def group(self) -> tuple[str, str]:
        return (self.wish.deployment, self.wish.label.partition("/")[0])

    @property
    def memory_mb(self) -> int:
        return self.properties.ram_mb + OVERHEAD_MB

    @property
    def disk_mb(self) -> int:
        """The ephemeral disk, the swap file, and a root disk of its own where one is asked for (3.3)."""
        return self.properties.disk_mb + self.memory_mb + (self.properties.root_disk_gb or 0) * 1024


def name_of(wish: VmWish) -> str:
    """How problems name a VM's group: all instances of it in one zone have the same mistakes, told once."""
    group = wish.label.partition("/")[0]
    return f"{group} in {wish.az}" if wish.az else group


def choices_of(properties: VmProperties, settings: Settings) -> tuple[ClusterChoice, ...]:
    return properties.clusters or settings.datacenter.clusters


def policy_of(properties: VmProperties, settings: Settings) -> str | None:
    """A VM type's policy, else its datastores, come before the settings' policy (3.3)."""
    if properties.storage_policy:
        return properties.storage_policy
    return None if properties.datastores else settings.storage_policy


class Needs:
    """Finds names in one inventory; problems of all wishes collect in ``problems``."""

    def __init__(self, inventory: Inventory, settings: Settings, facts: Facts) -> None:
        self.problems: list[Problem] = []
        self._inventory, self._settings, self._facts = inventory, settings, facts
        # Datastores are read of the clusters found: where there are none, that is the one mistake to be told.
        self._about_stores: list[Problem] = self.problems if inventory.clusters else []
        self._persistent: Reach | None = None
        self._ephemeral: Reach | None = None

    def of_vm(self, wish: VmWish, disks: Sequence[DiskWish]) -> VmNeed:
        """``disks`` are those to be created for it."""
        where = name_of(wish)
        properties = read_vm_properties(wish.shape.cloud_properties, where, self.problems)
        self._check_datacenter(properties, where)
        self._check_addresses(wish)
        nics, awaited, hosts = self._nics(wish, where)
        return VmNeed(
            wish=wish,
            properties=properties,
            candidates=self._candidates(properties, where),
            nics=nics,
            hosts=hosts,
            stores=self._ephemeral_stores(properties, where),
            disks=(*self._kept(wish), *(self.of_disk(disk, where) for disk in disks)),
            awaited=awaited,
        )

    def of_disk(self, wish: DiskWish, where: str) -> DiskNeed:
        properties = read_disk_properties(wish.cloud_properties, where, self.problems)
        asked = f"{where}: its disk type"
        if properties.storage_policy:
            stores = Reach(self._compatible(properties.storage_policy, asked))
        elif properties.datastores:
            stores = Reach(find_stores(properties.datastores, self._inventory, asked, self._about_stores))
        else:
            stores = self._persistent_stores()
        return DiskNeed(name=wish.name, size_mb=wish.size_mb, stores=stores, wish=wish)

    def _kept(self, wish: VmWish) -> tuple[DiskNeed, ...]:
        known: Mapping[DiskCid, DiskAt] = {cid: at for cid, at in self._facts.disks.items() if cid in wish.disks}
        stores = {store.moid: store for store in self._inventory.datastores}
        return tuple(
            DiskNeed(
                name=cid, size_mb=at.size_mb, stores=self._persistent_stores(), cid=cid, at=stores.get(at.datastore)
            )
            for cid, at in sorted(known.items())
        )

    def _candidates(self, properties: VmProperties, where: str) -> tuple[Candidate, ...]:
        choices = choices_of(properties, self._settings)
        if not choices:
            self._say(
                "no-cluster",
                "No cluster named",
                f"{where} names no cluster, and neither do the settings.",
                "name clusters under datacenters: in the AZ's cloud_properties.",
            )
        return tuple(found for choice in choices if (found := self._candidate(choice, where)))

    def _candidate(self, choice: ClusterChoice, where: str) -> Candidate | None:
        cluster = find_cluster(choice, self._inventory, where, self.problems)
        if cluster is None:
            return None
        pool = find_pool(choice, cluster, where, self.problems)
        group = find_host_group(choice, cluster, where, self.problems)
        return Candidate(choice=choice, cluster=cluster, pool=pool, group=group)

    def _ephemeral_stores(self, properties: VmProperties, where: str) -> Reach:
        policy = policy_of(properties, self._settings)
        if policy:
            return Reach(self._compatible(policy, where))
        if properties.datastores:
            return Reach(find_stores(properties.datastores, self._inventory, where, self._about_stores))
        if self._ephemeral is None:
            pattern = self._settings.datacenter.ephemeral
            self._ephemeral = Reach(match_stores(pattern, self._inventory, "ephemeral", self._about_stores))
        return self._ephemeral

    def _persistent_stores(self) -> Reach:
        if self._persistent is None:
            pattern = self._settings.datacenter.persistent
            self._persistent = Reach(match_stores(pattern, self._inventory, "persistent", self._about_stores))
        return self._persistent

    def _compatible(self, policy: str, where: str) -> tuple[Datastore, ...]:
        moids = self._facts.policies.get(policy)
        if moids is None:
            self._say(
                "unknown-storage-policy",
                "Unknown storage policy",
                f'{where} asks for storage policy "{policy}", which vCenter does not have.',
                instead_of(policy, self._facts.policies, f"create storage policy {policy} in vCenter"),
            )
            return ()
        found = tuple(store for store in self._inventory.datastores if store.moid in moids)
        if not found and self._inventory.clusters:
            self._say(
                "policy-without-datastore",
                "No datastore meets the storage policy",
                f'{where} asks for storage policy "{policy}", which no datastore of its clusters meets.',
                "give one of their datastores what the policy asks for, or choose another policy.",
            )
        return found

    def _nics(self, wish: VmWish, where: str) -> tuple[tuple[NicWhere, ...], tuple[str, ...], frozenset[str] | None]:
        """One per network, the segments that are not there yet, and the hosts that reach all others."""
        nics: list[NicWhere] = []
        awaited: list[str] = []
        hosts: frozenset[str] | None = None
        for name in nic_networks(wish.shape.networks):
            nic, found = self._nic(name, wish.shape.networks[name], f'{where}, network "{name}"')
            if nic is not None:
                nics.append(nic)
                awaited += [] if found else [nic.name]
            if found is not None and found.hosts is not None:
                hosts = found.hosts if hosts is None else hosts & found.hosts
        return tuple(nics), tuple(awaited), hosts

    def _nic(self, network: str, settings: Tree, where: str) -> tuple[NicWhere | None, Network | None]:
        """A segment is looked up again when the VM is made: until then it may be made, or made anew."""
        wanted, networks = read_network(settings, where, self.problems), self._inventory.networks
        if not wanted.name:
            return None, None
        if wanted.is_managed:
            nic = NicWhere(network=network, kind=NetworkKind.SEGMENT, moid="", name=wanted.name)
            return nic, find_segment(wanted.name, networks, where, self.problems)
        found = find_network(wanted.name, networks, where, self.problems)
        if found is None:
            return None, None
        return (
            NicWhere(network=network, kind=found.kind, moid=found.moid, name=found.name, key=found.key, of=found.of),
            found,
        )

    def _check_datacenter(self, properties: VmProperties, where: str) -> None:
        ours = self._settings.datacenter.name
        if properties.datacenter not in (None, "", ours):
            self._say(
                "unknown-datacenter",
                "Unknown datacenter",
                f'{where} asks for datacenter "{properties.datacenter}", but this CPI serves "{ours}".',
                f"name {ours}, or set up a CPI config for the other datacenter and name it in the AZ (cpi:).",
            )

    def _check_addresses(self, wish: VmWish) -> None:
        """Only VMs whose tools run tell their addresses, so this finds no more than those (3.6 step 2)."""
        if not self._settings.refuses_ip_conflicts:
            return
        for network, settings in sorted(wish.shape.networks.items()):
            ip = settings.get("ip")
            owner = self._facts.strangers.get(ip) if isinstance(ip, str) else None
            if owner:
                self._say(
                    "address-taken",
                    "Address taken",
                    f'{wish.label} is to have {ip} on network "{network}", which VM "{owner}" answers for already.',
                    f"reserve {ip} in the cloud config's subnet, or give that VM another address.",
                )

    def _say(self, code: str, summary: str, detail: str, fix: str) -> None:
        self.problems.append(Problem(code=f"vsphere.{code}", summary=summary, detail=detail, fix=fix))
