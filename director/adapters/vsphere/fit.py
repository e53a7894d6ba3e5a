"""Whether and how one VM with its disks fits into one cluster. Pure; gives nothing away itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from director.adapters.vsphere.facts import StemcellAt
from director.adapters.vsphere.ledger import Candidate, Ledger
from director.adapters.vsphere.needs import DiskNeed, VmNeed
from director.adapters.vsphere.reach import Reach
from director.adapters.vsphere.site import Datastore, Host
from director.model.names import StemcellCid

HEADROOM_MB: Final = 1024
"""What must stay free on a datastore (3.3)."""
_SHOWN_MAX: Final = 6


class Style(Enum):
    """SPREAD: the most free first, so that load evens out. PACK: the least free that fits, so that most fits."""

    SPREAD = -1
    PACK = 1


class Scarce(Enum):
    """What there was too little of."""

    HOSTS = "hosts"
    MEMORY = "memory"
    SPACE = "space"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Why a VM does not fit into a cluster; ``words`` are for people."""

    of: Scarce
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """``host`` None: no single host has the memory, so vCenter must make room. ``hosts`` are those that may take it.

    ``disks`` has the datastore of each disk by name. ``memory_mb`` and ``space_mb`` were free before.
    """

    candidate: Candidate
    host: Host | None
    hosts: tuple[Host, ...]
    store: Datastore
    disks: Mapping[str, Datastore] = field(default_factory=dict)
    copy_mb: int = 0
    moved_mb: int = 0
    memory_mb: int
    space_mb: int


def fit(
    need: VmNeed, candidate: Candidate, ledger: Ledger, stemcells: Mapping[StemcellCid, StemcellAt], style: Style
) -> Fit | Lack:
    """The best place in the cluster: least moved, then apart from its group's others, then by ``style``."""
    hosts = [host for host in candidate.hosts if need.hosts is None or host.moid in need.hosts]
    if not hosts:
        return Lack(of=Scarce.HOSTS, words=_no_hosts(need, candidate))
    memory_mb = ledger.memory_mb(candidate)
    if memory_mb < need.memory_mb:
        return Lack(of=Scarce.MEMORY, words=f"{gb(memory_mb)} GB of memory free, {gb(need.memory_mb)} needed")
    tried = [
        _fit_hosts(need, candidate, alike, is_all=len(alike) == len(hosts), scale=_Scale(ledger, stemcells, style))
        for alike in _alike(hosts, need)
    ]
    found = [one for one in tried if isinstance(one, Fit)]
    if not found:
        return next(one for one in tried if isinstance(one, Lack))
    return min(found, key=lambda one: _order(one, need, ledger, style))


@dataclass(frozen=True, slots=True)
class _Scale:
    """What datastores and hosts are weighed with."""

    ledger: Ledger
    stemcells: Mapping[StemcellCid, StemcellAt]
    style: Style


def _alike(hosts: Sequence[Host], need: VmNeed) -> list[list[Host]]:
    """Hosts in groups of those that reach the same ones of the datastores that matter."""
    choices = [need.stores, *(disk.stores for disk in need.disks)]
    kept = [disk.at.hosts for disk in need.disks if disk.at]
    groups: dict[tuple[int, ...], list[Host]] = {}
    for host in hosts:
        kind = (*(stores.kind(host.moid) for stores in choices), *(host.moid in reached for reached in kept))
        groups.setdefault(kind, []).append(host)
    return list(groups.values())


def _fit_hosts(need: VmNeed, candidate: Candidate, hosts: Sequence[Host], *, is_all: bool, scale: _Scale) -> Fit | Lack:
    host = _host(need, candidate, hosts, scale)
    if host is None and not is_all:
        return Lack(of=Scarce.MEMORY, words=f"no single host has the {gb(need.memory_mb)} GB of memory needed")
    room = _Room(hosts[0], scale)
    lack = room.place_disks(need.disks) or room.place_vm(need)
    if lack:
        return lack
    assert room.store is not None
    return Fit(
        candidate=candidate,
        host=host,
        hosts=tuple(hosts),
        store=room.store,
        disks=room.disks,
        copy_mb=_copy_mb(need, room.store, scale),
        moved_mb=room.moved_mb,
        memory_mb=scale.ledger.memory_mb(candidate),
        space_mb=scale.ledger.space_mb(room.store.moid),
    )


def _host(need: VmNeed, candidate: Candidate, hosts: Sequence[Host], scale: _Scale) -> Host | None:
    ledger, preferred = scale.ledger, candidate.group or frozenset()
    able = [host for host in hosts if ledger.host_mb(host) >= need.memory_mb]
    return min(
        able,
        key=lambda host: (
            host.moid not in preferred,
            ledger.peers(need.group, host.moid),
            scale.style.value * ledger.host_mb(host),
            ledger.vms(host.moid),
            host.name,
        ),
        default=None,
    )


class _Room:
    """Chooses datastores for one VM's disks, each less what the ones before took. ``host`` stands for all like it."""

    def __init__(self, host: Host, scale: _Scale) -> None:
        self.store: Datastore | None = None
        self.disks: dict[str, Datastore] = {}
        self.moved_mb = 0
        self._host, self._scale = host.moid, scale
        self._taken: dict[str, int] = {}

    def place_disks(self, disks: Sequence[DiskNeed]) -> Lack | None:
        """An existing disk stays if it is reached where it lies, in the patterns or not; moving it costs its size."""
        for disk in disks:
            if disk.at and disk.at.is_usable and self._host in disk.at.hosts:
                continue
            store = self._choose(disk.stores, disk.size_mb)
            if store is None:
                return self._lack(disk.stores, disk.size_mb, f"disk {disk.name}")
            self.disks[disk.name] = store
            self._taken[store.moid] = self._taken.get(store.moid, 0) + disk.size_mb
            self.moved_mb += disk.size_mb if disk.cid else 0
        return None

    def place_vm(self, need: VmNeed) -> Lack | None:
        self.store = self._choose(need.stores, need.disk_mb, need)
        return None if self.store else self._lack(need.stores, need.disk_mb, "its own disks")

    def _choose(self, stores: Reach, size_mb: int, need: VmNeed | None = None) -> Datastore | None:
        """``need``: of a VM, whose stemcell must be there too. The moid in the order keeps datastores uncompared."""
        ledger, style, least = self._scale.ledger, self._scale.style.value, size_mb + HEADROOM_MB
        able = [
            (style * free, ledger.vms(store.moid), store.name, store.moid, store)
            for store in stores.of(self._host)
            if (free := self._free_mb(store)) > least
            and (need is None or free > least + _copy_mb(need, store, self._scale))
        ]
        return min(able)[-1] if able else None

    def _free_mb(self, store: Datastore) -> int:
        return self._scale.ledger.space_mb(store.moid) - self._taken.get(store.moid, 0)

    def _lack(self, stores: Reach, size_mb: int, what: str) -> Lack:
        reached = stores.of(self._host)
        if not reached:
            return Lack(of=Scarce.SPACE, words=f"none of the datastores for {what} is usable there")
        most = sorted(reached, key=lambda store: (-self._free_mb(store), store.name))
        shown = ", ".join(f"{store.name} {gb(self._free_mb(store))} GB" for store in most[:_SHOWN_MAX])
        words = f"{gb(size_mb + HEADROOM_MB)} GB needed for {what}, but free are {shown}"
        return Lack(of=Scarce.SPACE, words=words + (" or less" if len(most) > _SHOWN_MAX else ""))


def _copy_mb(need: VmNeed, store: Datastore, scale: _Scale) -> int:
    """What the stemcell takes on a datastore that has no replica of it yet."""
    cid = need.wish.shape.stemcell_cid
    at = scale.stemcells.get(cid)
    if at is None or store.moid in at.datastores or scale.ledger.has_copy(cid, store.moid):
        return 0
    return at.size_mb


def _order(one: Fit, need: VmNeed, ledger: Ledger, style: Style) -> tuple[int, bool, int, int, int, str]:
    host = one.host
    return (
        one.moved_mb,
        host is None,
        ledger.peers(need.group, host.moid) if host else 0,
        style.value * one.space_mb,
        style.value * (ledger.host_mb(host) if host else 0),
        host.name if host else "",
    )


def _no_hosts(need: VmNeed, candidate: Candidate) -> str:
    if not candidate.hosts:
        group = f' of host group "{candidate.choice.host_group.name}"' if candidate.choice.host_group else ""
        return f"no host{group} is connected and out of maintenance"
    names = ", ".join(nic.name for nic in need.nics)
    return f"none of its hosts reaches {names}"


def gb(mb: int) -> str:
    """For people: whole gigabytes, with one place below ten."""
    return f"{mb / 1024:.0f}" if mb >= 10 * 1024 else f"{mb / 1024:.1f}"
