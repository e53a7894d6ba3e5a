"""What ``place`` must know beside the wishes and the inventory, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from director.model.names import DeploymentName, DiskCid, StemcellCid, VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskAt:
    """Where a persistent disk lies that exists already. ``datastore`` is a moid."""

    datastore: str
    size_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StemcellAt:
    """``datastores`` are the moids of those that have a replica already; on others its size is needed once more."""

    size_mb: int
    datastores: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A VM of ours that exists. ``label`` is its instance's ``group/index``, "" when unknown. Places are moids.

    One whose instance is wished for anew will be gone by then, so what it holds counts as free: memory (0 when it is
    off) of its host and pool, its own disks' space on ``datastore``. What is not said is not given back.
    """

    name: VmName
    deployment: DeploymentName | None
    label: str
    host: str | None
    ram_mb: int = 0
    pool: str | None = None
    datastore: str | None = None
    disk_mb: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """``policies``: for every storage policy that vCenter has, the moids of the datastores compatible with it.

    ``strangers``: addresses that VMs not ours answer for, with the VM's name. ``macs`` are taken, in lower case.
    """

    policies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    disks: Mapping[DiskCid, DiskAt] = field(default_factory=dict)
    stemcells: Mapping[StemcellCid, StemcellAt] = field(default_factory=dict)
    standing: Sequence[Standing] = ()
    strangers: Mapping[str, str] = field(default_factory=dict)
    macs: frozenset[str] = frozenset()
