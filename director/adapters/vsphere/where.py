"""A place in vCenter as the plan keeps it: plain data, enough to clone into it without asking vCenter again."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

import cattrs

from director.adapters.vsphere.choices import HostGroup
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure

W = TypeVar("W")


class NetworkKind(Enum):
    STANDARD = "standard"
    DISTRIBUTED = "distributed"
    NSX_DISTRIBUTED = "nsx-distributed"
    """A distributed port group backed by an NSX logical switch; addressed by that switch."""
    OPAQUE = "opaque"
    SEGMENT = "segment"
    """An NSX segment of the director's own, of which the plan knows the name only: vCenter may not show it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NicWhere:
    """What a NIC is plugged into. ``network`` is BOSH's name of it, ``name`` vCenter's. A segment has no ``moid`` yet.

    ``key`` is the port group's key (distributed), or the opaque network's id (NSX, opaque); ``of`` is the switch's
    uuid (distributed), or the opaque network's type (NSX, opaque).
    """

    network: str
    kind: NetworkKind
    moid: str
    name: str
    key: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmWhere:
    """Managed object ids, with the names people know. ``host`` None: vCenter chooses.

    ``macs`` are the NICs', in their order. ``moves`` has the existing disks that cannot be reached from there, by cid,
    with the datastore (moid) each goes to. ``cpu_mhz`` is one core's of the slowest host it may run on.
    """

    datacenter: str
    cluster: str
    cluster_name: str
    pool: str
    host: str | None = None
    host_name: str | None = None
    datastore: str
    datastore_name: str
    nics: tuple[NicWhere, ...] = ()
    macs: tuple[str, ...] = ()
    moves: dict[str, str] = field(default_factory=dict)
    host_group: HostGroup | None = None
    separate_rule: str | None = None
    cpu_mhz: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskWhere:
    datacenter: str
    datastore: str
    datastore_name: str


_PLAIN: Final = cattrs.Converter(unstruct_collection_overrides={tuple: list})


def to_tree(where: VmWhere | DiskWhere) -> Tree:
    """Plain data, the same again after a way through JSON."""
    tree: Tree = _PLAIN.unstructure(where)
    return tree


def vm_where(tree: Tree) -> VmWhere:
    """What ``to_tree`` wrote; keys that others added are passed over. Raises InfrastructureFailure for all else."""
    return _read(tree, VmWhere)


def disk_where(tree: Tree) -> DiskWhere:
    """As ``vm_where``."""
    return _read(tree, DiskWhere)


def _read(tree: Tree, kind: type[W]) -> W:
    try:
        return _PLAIN.structure(tree, kind)
    except cattrs.BaseValidationError as error:
        raise InfrastructureFailure("The plan says no place in vCenter for this; deploy again to plan anew.") from error
