"""Where each wished VM and disk goes: all wishes of a plan together, without chance (agent-cpi-vsphere.md 3.3).

The largest first; each to the cluster where least must be moved, then, among those with about as much memory free as
the best, where fewest of its group are, then the most memory free. Within the cluster likewise: a host away from its
group's others, and the datastores with the most space free. What one is given is deducted for the next. When not all
fit that way, the fullest places that still fit are tried instead of the emptiest; a better packing is not searched for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from director.adapters.vsphere.cloud import read_disk_properties, read_network, read_vm_properties
from director.adapters.vsphere.facts import Facts
from director.adapters.vsphere.fit import HEADROOM_MB, Fit, Lack, Style, fit, gb
from director.adapters.vsphere.ledger import Ledger
from director.adapters.vsphere.macs import choose_macs
from director.adapters.vsphere.needs import DiskNeed, Needs, VmNeed, choices_of, name_of, policy_of
from director.adapters.vsphere.refuse import no_datacenter, no_room, no_room_for_disk
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.site import Asked, Datastore, Inventory
from director.adapters.vsphere.where import DiskWhere, VmWhere, to_tree
from director.model.names import DiskName, VmName
from director.model.placement import DiskWish, Placement, Placements, VmWish
from director.model.problem import Problem, Severity

_NOTHING: Final = Facts()
_ABOUT_EQUAL: Final = 2
"""Clusters with at least one half of the best one's free memory count as good as it: apart is worth more then."""


def asked_of(vms: Sequence[VmWish], disks: Sequence[DiskWish], settings: Settings) -> Asked:
    """What ``read_inventory`` must read for these wishes; everything when a disk's VM exists already."""
    unheard: list[Problem] = []
    properties = [read_vm_properties(wish.shape.cloud_properties, "", unheard) for wish in vms]
    choices = {choice for one in properties for choice in choices_of(one, settings)}
    networks = {read_network(network, "", unheard).name for wish in vms for network in wish.shape.networks.values()}
    has_lone_disks = not {disk.vm for disk in disks} <= {wish.name for wish in vms}
    return Asked(
        clusters=None if has_lone_disks else frozenset(choice.name for choice in choices),
        networks=frozenset(part for name in networks for part in (name, name.rpartition("/")[2])),
        has_pools=any(choice.resource_pool for choice in choices),
        has_host_groups=any(choice.host_group for choice in choices),
    )


def policies_of(vms: Sequence[VmWish], disks: Sequence[DiskWish], settings: Settings) -> frozenset[str]:
    """Names of the storage policies these wishes ask for."""
    found = {policy_of(read_vm_properties(wish.shape.cloud_properties, "", []), settings) for wish in vms}
    found |= {read_disk_properties(wish.cloud_properties, "", []).storage_policy for wish in disks}
    return frozenset(policy for policy in found if policy)


def place(
    vms: Sequence[VmWish],
    disks: Sequence[DiskWish],
    inventory: Inventory,
    settings: Settings,
    facts: Facts = _NOTHING,
) -> Placements:
    """The same answer for the same wishes in any order. Each ``where`` is a ``VmWhere`` or ``DiskWhere`` as a tree."""
    if inventory.datacenter is None:
        return Placements(problems=(no_datacenter(settings.datacenter.name, inventory.datacenters),))
    needs = Needs(inventory, settings, facts)
    wanted = [needs.of_vm(wish, _disks_of(wish, disks)) for wish in sorted(vms, key=lambda wish: wish.name)]
    names = {wish.name for wish in vms}
    lone = [needs.of_disk(disk, f"disk {disk.name}") for disk in sorted(disks, key=_by_name) if disk.vm not in names]
    problems = {problem for problem in needs.problems if problem.severity is Severity.ERROR}
    if problems:
        return Placements(problems=_sorted(problems))
    return replace(_fitted(inventory, facts, _leaving(vms, facts), wanted, lone), warnings=_sorted(set(needs.problems)))


def _fitted(
    inventory: Inventory,
    facts: Facts,
    leaving: frozenset[VmName],
    vms: Sequence[VmNeed],
    disks: Sequence[DiskNeed],
) -> Placements:
    spread = _Pass(inventory, facts, leaving, Style.SPREAD).run(vms, disks)
    if not spread.problems:
        return spread
    packed = _Pass(inventory, facts, leaving, Style.PACK).run(vms, disks)
    return spread if packed.problems else packed


def _leaving(vms: Sequence[VmWish], facts: Facts) -> frozenset[VmName]:
    """VMs whose instance gets another one now: an instance has one at a time."""
    renewed = {(wish.deployment, wish.label) for wish in vms}
    return frozenset(vm.name for vm in facts.standing if vm.label and (vm.deployment, vm.label) in renewed)


def _by_name(disk: DiskWish) -> str:
    return disk.name


def _disks_of(wish: VmWish, disks: Sequence[DiskWish]) -> list[DiskWish]:
    return sorted((disk for disk in disks if disk.vm == wish.name), key=_by_name)


def _sorted(problems: set[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (problem.code, problem.detail)))


class _Pass:
    """One try at placing everything in one style."""

    def __init__(self, inventory: Inventory, facts: Facts, leaving: frozenset[VmName], style: Style) -> None:
        self._inventory, self._facts, self._style = inventory, facts, style
        self._ledger = Ledger(inventory, facts.standing, leaving)
        self._vms: dict[VmName, Placement] = {}
        self._disks: dict[DiskName, Placement] = {}
        self._macs = set(facts.macs)
        self._failed: dict[str, list[tuple[VmNeed, Mapping[str, Lack]]]] = {}
        self._problems: set[Problem] = set()

    def run(self, vms: Sequence[VmNeed], disks: Sequence[DiskNeed]) -> Placements:
        for need in sorted(vms, key=_size_first):
            self._place_vm(need)
        for disk in sorted(disks, key=lambda disk: (-disk.size_mb, disk.name)):
            self._place_lone(disk)
        self._problems |= {no_room(name, failed) for name, failed in self._failed.items()}
        return Placements(
            vms=dict(sorted(self._vms.items())),
            disks=dict(sorted(self._disks.items())),
            problems=_sorted(self._problems),
        )

    def _place_vm(self, need: VmNeed) -> None:
        tried = [
            (candidate, fit(need, candidate, self._ledger, self._facts.stemcells, self._style))
            for candidate in need.candidates
        ]
        fits = [one for _, one in tried if isinstance(one, Fit)]
        if not fits:
            lacks = {candidate.cluster.name: one for candidate, one in tried if isinstance(one, Lack)}
            self._failed.setdefault(name_of(need.wish), []).append((need, lacks))
            return
        best = self._best(fits, need)
        why = _why_vm(best, fits, need)
        macs = choose_macs(need.wish.name, len(need.nics), self._macs)
        self._macs.update(macs)
        self._vms[need.wish.name] = Placement(where=to_tree(self._vm_where(need, best, macs)), why=why)
        for disk in need.disks:
            if disk.wish:
                self._give_disk(disk.wish, best.disks[disk.name])
        self._take(need, best)

    def _best(self, fits: Sequence[Fit], need: VmNeed) -> Fit:
        least = min(one.moved_mb for one in fits)
        fits = [one for one in fits if one.moved_mb == least]
        most = max(one.memory_mb for one in fits)

        def order(one: Fit) -> tuple[bool, int, int, int, str]:
            cluster = one.candidate.cluster
            is_poor = one.memory_mb * _ABOUT_EQUAL < most and self._style is Style.SPREAD
            peers = self._ledger.peers(need.group, cluster.moid) if self._style is Style.SPREAD else 0
            memory = self._style.value * one.memory_mb
            return (is_poor, peers, memory, self._ledger.vms(cluster.moid), cluster.name)

        return min(fits, key=order)

    def _vm_where(self, need: VmNeed, best: Fit, macs: tuple[str, ...]) -> VmWhere:
        candidate = best.candidate
        return VmWhere(
            datacenter=self._inventory.datacenter or "",
            cluster=candidate.cluster.moid,
            cluster_name=candidate.cluster.name,
            pool=candidate.pool.moid if candidate.pool else candidate.cluster.root_pool,
            host=best.host.moid if best.host else None,
            host_name=best.host.name if best.host else None,
            datastore=best.store.moid,
            datastore_name=best.store.name,
            nics=need.nics,
            macs=macs,
            moves={disk.cid: best.disks[disk.name].moid for disk in need.disks if disk.cid and disk.name in best.disks},
            host_group=candidate.choice.host_group,
            separate_rule=candidate.choice.separate_rule,
            cpu_mhz=min(host.cpu_mhz for host in ((best.host,) if best.host else best.hosts)),
        )

    def _take(self, need: VmNeed, best: Fit) -> None:
        self._ledger.take_vm(need.group, best.candidate, best.host, need.memory_mb)
        self._ledger.take_space(best.store.moid, need.disk_mb + best.copy_mb)
        if best.copy_mb:
            self._ledger.take_copy(need.wish.shape.stemcell_cid, best.store.moid)
        for disk in need.disks:
            if disk.name in best.disks:
                self._ledger.take_space(best.disks[disk.name].moid, disk.size_mb)

    def _place_lone(self, disk: DiskNeed) -> None:
        """A disk for a VM that exists: where its host reaches it."""
        assert disk.wish is not None
        host = next((vm.host for vm in self._facts.standing if vm.name == disk.wish.vm), None)
        reached = [store for store in disk.stores.stores if host is None or host in store.hosts]
        able = [store for store in reached if self._ledger.space_mb(store.moid) > disk.size_mb + HEADROOM_MB]
        if not able:
            space = {store.name: self._ledger.space_mb(store.moid) for store in reached}
            self._problems.add(no_room_for_disk(disk.wish, space))
            return
        order = self._style.value
        best = min(able, key=lambda store: (order * self._ledger.space_mb(store.moid), store.name))
        self._give_disk(disk.wish, best)
        self._ledger.take_space(best.moid, disk.size_mb)

    def _give_disk(self, wish: DiskWish, store: Datastore) -> None:
        where = DiskWhere(datacenter=self._inventory.datacenter or "", datastore=store.moid, datastore_name=store.name)
        why = f"datastore {store.name} ({gb(self._ledger.space_mb(store.moid))} GB free)"
        self._disks[wish.name] = Placement(where=to_tree(where), why=why)


def _size_first(need: VmNeed) -> tuple[int, int, int, str]:
    return (-need.memory_mb, -need.disk_mb, -sum(disk.size_mb for disk in need.disks), need.wish.name)


def _why_vm(best: Fit, fits: Sequence[Fit], need: VmNeed) -> str:
    """``cluster C1 (41 of 64 GB free, most of 2), host esx-3, datastore ds-2 (310 GB free)``."""
    cluster = best.candidate.cluster
    total = sum(host.memory_mb for host in best.candidate.hosts)
    said = f"{gb(best.memory_mb)} of {gb(total)} GB free"
    if len(need.candidates) > 1:
        said += f", {_rank(best, fits, need)}"
    parts = [f"cluster {cluster.name} ({said})"]
    if best.host:
        parts.append(f"host {best.host.name}")
    parts.append(f"datastore {best.store.name} ({gb(best.space_mb)} GB free)")
    parts += [
        f"moves {disk.name} to {best.disks[disk.name].name}"
        for disk in need.disks
        if disk.cid and disk.name in best.disks
    ]
    parts += [f'waits for segment "{name}" to show in vCenter' for name in need.awaited]
    return ", ".join(parts)


def _rank(best: Fit, fits: Sequence[Fit], need: VmNeed) -> str:
    of = len(need.candidates)
    if len(fits) == 1:
        return f"the only one of {of} with room"
    if any(one.moved_mb > best.moved_mb for one in fits):
        return f"least to move of {of}"
    if best.memory_mb == max(one.memory_mb for one in fits):
        return f"most of {of}"
    return f"apart from others of its group, of {of}"
