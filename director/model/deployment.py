"""What is wanted: one deployment manifest, checked and typed, nothing resolved yet.

Shapes follow BOSH's manifest v2 (bosh-director.md section 1). Properties, env and link properties keep
their ``((placeholders))``: secrets are filled in only where content is rendered or a VM is created.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from director.model.names import (
    AzName,
    DeploymentName,
    GroupName,
    JobName,
    NetworkName,
    ReleaseName,
    VariableName,
)
from director.model.problem import Mark
from director.model.tree import Node, Tree


class Lifecycle(Enum):
    SERVICE = "service"
    ERRAND = "errand"


class VmStrategy(Enum):
    DELETE_CREATE = "delete-create"
    CREATE_SWAP_DELETE = "create-swap-delete"


class AzStrategy(Enum):
    SERIAL = "serial"
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A number of instances, or a percentage of a group: exactly one of the two is set."""

    number: int | None = None
    percent: int | None = None

    def of(self, size: int) -> int:
        """How many of ``size`` instances this is, rounded down and capped to ``size``."""
        wanted = self.number if self.number is not None else size * (self.percent or 0) // 100
        return min(wanted, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How long processes must have been up (``min_ms``) and how long they may take (``max_ms``)."""

    min_ms: int
    max_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRules:
    canaries: Count
    max_in_flight: Count
    canary_watch: Watch
    update_watch: Watch
    serial: bool = True
    vm_strategy: VmStrategy = VmStrategy.DELETE_CREATE
    az_strategy: AzStrategy = AzStrategy.SERIAL


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRef:
    name: ReleaseName
    version: str
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StemcellRef:
    """A stemcell by its alias; ``os`` or ``name`` is set, never both."""

    alias: str
    version: str
    os: str | None = None
    name: str | None = None
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provides:
    """One entry of a job's ``provides``: ``is_nil`` hides the link from implicit consumers."""

    name: str
    alias: str | None = None
    shared: bool = False
    is_nil: bool = False
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumes:
    """One entry of a job's ``consumes``: by name, as ``nil``, or written out by hand (``manual``)."""

    name: str
    source: str | None = None
    deployment: DeploymentName | None = None
    network: NetworkName | None = None
    ip_addresses: bool | None = None
    is_nil: bool = False
    manual: Tree | None = None
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """A job placed on a group. ``properties`` is None when the key is absent (then the group's apply)."""

    name: JobName
    release: ReleaseName
    properties: Tree | None = None
    provides: tuple[Provides, ...] = ()
    consumes: tuple[Consumes, ...] = ()
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNetwork:
    """A network an instance group joins. ``static_ips`` are single addresses, ranges already expanded."""

    name: NetworkName
    static_ips: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedFrom:
    name: GroupName
    az: AzName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmResources:
    cpu: int
    ram_mb: int
    ephemeral_disk_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceGroup:
    name: GroupName
    instances: int
    stemcell: str
    jobs: tuple[JobRef, ...]
    networks: tuple[GroupNetwork, ...]
    update: UpdateRules
    lifecycle: Lifecycle = Lifecycle.SERVICE
    azs: tuple[AzName, ...] = ()
    vm_type: str | None = None
    vm_resources: VmResources | None = None
    vm_extensions: tuple[str, ...] = ()
    persistent_disk_mb: int = 0
    persistent_disk_type: str | None = None
    env: Tree = field(default_factory=dict)
    properties: Tree = field(default_factory=dict)
    migrated_from: tuple[MigratedFrom, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddonFilter:
    """Which groups an addon applies to; an empty tuple means the key is absent (section 1.12)."""

    jobs: tuple[tuple[JobName, ReleaseName], ...] = ()
    groups: tuple[GroupName, ...] = ()
    deployments: tuple[DeploymentName, ...] = ()
    stemcell_oses: tuple[str, ...] = ()
    networks: tuple[NetworkName, ...] = ()
    teams: tuple[str, ...] = ()
    azs: tuple[AzName, ...] = ()
    lifecycle: Lifecycle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addon:
    name: str
    jobs: tuple[JobRef, ...]
    include: AddonFilter | None = None
    exclude: AddonFilter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A secret the director makes: ``type`` is password, certificate, rsa or ssh (section 3.8)."""

    name: VariableName
    type: str
    options: Tree = field(default_factory=dict)
    update_mode: str = "no-overwrite"
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    name: DeploymentName
    releases: tuple[ReleaseRef, ...]
    stemcells: tuple[StemcellRef, ...]
    update: UpdateRules
    groups: tuple[InstanceGroup, ...] = ()
    addons: tuple[Addon, ...] = ()
    variables: tuple[Variable, ...] = ()
    features: Mapping[str, Node] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    mark: Mark | None = field(default=None, compare=False)
