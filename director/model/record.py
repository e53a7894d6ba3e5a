"""What we last wrote down: deployments, instances, VMs, disks, agents, tasks, events, configs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from director.model.deployment import Lifecycle
from director.model.fabric import NOT_ATTACHED, Attachment, Member, StackRecord
from director.model.names import (
    AgentId,
    AzName,
    DeploymentName,
    DiskCid,
    DiskName,
    GroupName,
    InstanceId,
    PlanId,
    StepKey,
    TaskId,
    VmCid,
    VmName,
)
from director.model.tree import Tree
from director.model.wanted import Address, VmShape, Want


class VmState(Enum):
    """CREATING and DELETING are intents: the VM may or may not exist under its name."""

    CREATING = "creating"
    CREATED = "created"
    DELETING = "deleting"


class DiskState(Enum):
    CREATING = "creating"
    DETACHED = "detached"
    ATTACHED = "attached"
    ORPHANED = "orphaned"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRecord:
    name: VmName
    instance: InstanceId
    deployment: DeploymentName
    agent: AgentId
    generation: int
    shape: VmShape
    state: VmState
    created_at: float
    cid: VmCid | None = None
    has_enrolment: bool = False
    """What its agent enrols with still lies where the infrastructure's users could read it."""
    tags: Tree = field(default_factory=dict)
    """What it was made with for people to read; empty for one made before tags were recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRecord:
    """``instance`` is None once orphaned; ``label`` and ``deployment`` still tell where it came from."""

    name: DiskName
    deployment: DeploymentName
    label: str
    size_mb: int
    state: DiskState
    instance: InstanceId | None = None
    az: AzName | None = None
    cid: DiskCid | None = None
    vm: VmName | None = None
    cloud_properties: Tree = field(default_factory=dict)
    orphaned_at: float | None = None
    cpi: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What the agent last applied: jobs and packages as (name, key), and the hash of all rendered content."""

    jobs: tuple[tuple[str, str], ...] = ()
    packages: tuple[tuple[str, str], ...] = ()
    configuration_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """``is_settled`` is False from the first step of an update until its last: an unfinished one is done again.

    ``generation`` is the number of the newest VM ever planned for it; the next VM takes the next number.
    ``members`` are its places in server pools, ``attachment`` what its ports were given.
    """

    id: InstanceId
    deployment: DeploymentName
    group: GroupName
    index: int
    az: AzName | None = None
    is_bootstrap: bool = False
    lifecycle: Lifecycle = Lifecycle.SERVICE
    is_compilation: bool = False
    want: Want = Want.STARTED
    is_ignored: bool = False
    addresses: tuple[Address, ...] = ()
    applied: Applied | None = None
    is_settled: bool = False
    generation: int = 0
    members: tuple[Member, ...] = ()
    attachment: Attachment = NOT_ATTACHED

    @property
    def label(self) -> str:
        return f"{self.group}/{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRecord:
    """``serial`` grows with every plan adopted; a plan made from an older serial refuses to run.

    ``manifest`` is None until a deploy has finished once.
    """

    name: DeploymentName
    serial: int = 0
    manifest: str | None = None
    config_ids: tuple[int, ...] = ()
    releases: tuple[tuple[str, str], ...] = ()
    stemcells: tuple[tuple[str, str], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One deployment as recorded, whole: what a plan is made from. VMs and disks by their instance, the stacks that it
    is among the users of.
    """

    deployment: DeploymentRecord
    instances: tuple[InstanceRecord, ...] = ()
    vms: tuple[VmRecord, ...] = ()
    disks: tuple[DiskRecord, ...] = ()
    stacks: tuple[StackRecord, ...] = ()

    def vms_of(self, instance: InstanceId) -> tuple[VmRecord, ...]:
        return tuple(vm for vm in self.vms if vm.instance == instance)

    def disks_of(self, instance: InstanceId) -> tuple[DiskRecord, ...]:
        return tuple(disk for disk in self.disks if disk.instance == instance)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """Who may speak for which VM. The token itself is never stored; ``token_hash`` is None once used."""

    id: AgentId
    instance: InstanceId
    deployment: DeploymentName
    generation: int
    token_hash: str | None = None
    key_hash: str | None = None
    is_revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Written before an outside effect and closed after it; what is open after a crash may have happened."""

    task: TaskId
    step: StepKey
    effect: str
    target: str
    deployment: DeploymentName
    opened_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """A plan as stored before it runs; ``body`` is the encoded Plan."""

    id: PlanId
    deployment: DeploymentName
    task: TaskId
    parent: int
    created_at: float
    body: Tree


class TaskState(Enum):
    QUEUED = "queued"
    PROCESSING = "processing"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    DONE = "done"
    ERROR = "error"
    TIMEOUT = "timeout"

    @property
    def is_final(self) -> bool:
        return self in {TaskState.CANCELLED, TaskState.DONE, TaskState.ERROR, TaskState.TIMEOUT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """``type`` is BOSH's task type; ``options`` what its handler needs; ``changed_at`` the last change of state."""

    id: TaskId
    type: str
    state: TaskState
    description: str
    user: str
    options: Tree = field(default_factory=dict)
    deployment: DeploymentName | None = None
    context_id: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    changed_at: float = 0.0
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the audit trail. ``id`` is 0 until stored; times are seconds since the epoch."""

    id: int = 0
    at: float
    user: str
    action: str
    object_type: str
    object_name: str
    parent: int | None = None
    error: str | None = None
    task: TaskId | None = None
    deployment: DeploymentName | None = None
    instance: str | None = None
    context: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One version of a named, typed text: cloud, runtime, cpi, resurrection or any other type."""

    id: int
    type: str
    name: str
    content: str
    created_at: float
    is_current: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedVariable:
    """A generated value, encrypted by whoever keeps secrets; the store sees only ``sealed``."""

    id: str
    deployment: DeploymentName
    name: str
    type: str
    options_digest: str
    sealed: bytes = field(repr=False)
    created_at: float
