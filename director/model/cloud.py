"""What the infrastructure offers: the cloud configs merged, checked and typed (bosh-director.md section 2.1)."""

from dataclasses import dataclass, field
from enum import Enum

from director.model.deployment import VmResources
from director.model.names import AzName, NetworkName
from director.model.network_wish import ManagedSubnet
from director.model.problem import Mark
from director.model.tree import Tree


class NetworkType(Enum):
    MANUAL = "manual"
    DYNAMIC = "dynamic"
    VIP = "vip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Az:
    name: AzName
    cloud_properties: Tree = field(default_factory=dict)
    cpi: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmType:
    name: str
    cloud_properties: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VmExtension:
    name: str
    cloud_properties: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskType:
    name: str
    size_mb: int
    cloud_properties: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An inclusive range of addresses, as integers so that membership is a comparison."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A range of one network. ``azs`` is empty when the subnet names none.

    ``range`` is None on dynamic and vip networks, and where a managed one has yet to be carved from its block.
    """

    range: str | None = None
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    reserved: tuple[Span, ...] = ()
    static: tuple[Span, ...] = ()
    azs: tuple[AzName, ...] = ()
    cloud_properties: Tree = field(default_factory=dict)
    managed: ManagedSubnet | None = None
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    name: NetworkName
    type: NetworkType = NetworkType.MANUAL
    subnets: tuple[Subnet, ...] = ()
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """How packages are compiled. One of ``vm_type``, ``vm_resources``, ``cloud_properties`` is set, or none."""

    workers: int
    network: NetworkName
    az: AzName | None = None
    vm_type: str | None = None
    vm_resources: VmResources | None = None
    cloud_properties: Tree = field(default_factory=dict)
    vm_extensions: tuple[str, ...] = ()
    reuse_compilation_vms: bool = False
    env: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudConfig:
    networks: tuple[Network, ...]
    compilation: Compilation
    azs: tuple[Az, ...] = ()
    vm_types: tuple[VmType, ...] = ()
    vm_extensions: tuple[VmExtension, ...] = ()
    disk_types: tuple[DiskType, ...] = ()
