"""The moves: a closed union of frozen values, each keyed by what it acts on and complete in itself.

Steps are stored and shown, so they hold no secret and no rendered content: content is found by the
instance and checked by ``configuration_hash``, secrets by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from director.model.deployment import Watch
from director.model.fabric import Attachment, Member, NetworkObject, Stack
from director.model.names import (
    AgentId,
    AzName,
    DiskName,
    InstanceId,
    ObjectId,
    PackageName,
    StackName,
    VmName,
)
from director.model.placement import NOT_PLACED, Placement
from director.model.record import Applied, InstanceRecord
from director.model.tree import Tree
from director.model.wanted import VmShape


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVm:
    """Repeatable: a VM of this name that exists already is adopted."""

    instance: InstanceId
    vm: VmName
    agent: AgentId
    generation: int
    shape: VmShape
    az: AzName | None
    disks: tuple[DiskName, ...] = ()
    tags: Tree = field(default_factory=dict)
    placement: Placement = NOT_PLACED


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitAgent:
    instance: InstanceId
    agent: AgentId
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearEnrolment:
    """The agent has enrolled: what it was left to enrol with is removed from where others could read it."""

    instance: InstanceId
    vm: VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVm:
    """With ``has_ports`` its row stays until DetachPorts, which follows, has found that its ports are gone too."""

    instance: InstanceId
    vm: VmName
    agent: AgentId
    has_ports: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootVm:
    """Also switches on a VM that is off."""

    instance: InstanceId
    vm: VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDisk:
    """``vm`` is the VM it is made for, ``cpi`` that VM's infrastructure."""

    instance: InstanceId
    disk: DiskName
    size_mb: int
    cloud_properties: Tree
    az: AzName | None
    vm: VmName | None = None
    cpi: str = ""
    placement: Placement = NOT_PLACED


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowDisk:
    """In place, while it is detached; mounting it then grows its file system."""

    instance: InstanceId
    disk: DiskName
    size_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachDisk:
    instance: InstanceId
    vm: VmName
    disk: DiskName


@dataclass(frozen=True, slots=True, kw_only=True)
class MountDisk:
    instance: InstanceId
    agent: AgentId
    disk: DiskName


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateDisk:
    """Copies ``old`` to ``new``, both attached, and mounts ``new`` in its place."""

    instance: InstanceId
    agent: AgentId
    old: DiskName
    new: DiskName


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmountDisk:
    instance: InstanceId
    agent: AgentId
    disk: DiskName


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachDisk:
    instance: InstanceId
    vm: VmName
    disk: DiskName


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanDisk:
    """Keeps the disk and its data, but no instance owns it any more."""

    instance: InstanceId
    disk: DiskName


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareInstance:
    """Fetches and unpacks ahead, while the old jobs still run."""

    instance: InstanceId
    agent: AgentId
    spec: Applied


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScript:
    """Runs ``bin/<script>`` of every job that has it. ``env`` holds next states, never secrets."""

    instance: InstanceId
    agent: AgentId
    script: str
    env: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """``kind`` is ``update`` or ``shutdown`` (agent-cpi-vsphere.md 1.14)."""

    instance: InstanceId
    agent: AgentId
    kind: str
    spec: Applied


@dataclass(frozen=True, slots=True, kw_only=True)
class StopJobs:
    instance: InstanceId
    agent: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySpec:
    instance: InstanceId
    agent: AgentId
    spec: Applied


@dataclass(frozen=True, slots=True, kw_only=True)
class StartJobs:
    instance: InstanceId
    agent: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitRunning:
    instance: InstanceId
    agent: AgentId
    watch: Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class RunErrand:
    """Runs ``bin/run`` of one job; with ``is_only_when_changed`` skips when nothing changed since it last succeeded."""

    instance: InstanceId
    agent: AgentId
    job: str
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilePackage:
    """``key`` names the result in the catalog; ``needs`` are the keys of compiled dependencies, sorted by name."""

    instance: InstanceId
    agent: AgentId
    package: PackageName
    fingerprint: str
    key: str
    stemcell_os: str
    stemcell_version: str
    needs: tuple[tuple[PackageName, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureStack:
    """Creates or changes the objects of a stack; ``gone`` were of it and go. ``revisions`` are what the plan saw."""

    stack: Stack
    gone: tuple[NetworkObject, ...] = ()
    revisions: Mapping[ObjectId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveStack:
    """Nobody else uses it: all of its objects go. Somebody else who came in the meantime keeps it."""

    stack: Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveStack:
    """Others use it still: this deployment just no longer counts among its users."""

    stack: StackName


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachPorts:
    """The VM's logical ports get their tags and groups, once the fabric has seen them."""

    instance: InstanceId
    vm: VmName
    cpi: str
    attachment: Attachment
    segments: tuple[ObjectId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachPorts:
    """The VM is gone: so are its ports, and its places in ``groups``."""

    instance: InstanceId
    vm: VmName
    cpi: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceInstance:
    """It runs, so load balancers may send to it."""

    instance: InstanceId
    cpi: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawInstance:
    """It is about to stop: load balancers send nothing new to it."""

    instance: InstanceId
    cpi: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordInstance:
    """Writes the instance as it now is; the last step of every update, and the first (unsettled) one too."""

    record: InstanceRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetInstance:
    """Removes the instance's row and frees its addresses; only after its VM is gone and its disks orphaned."""

    instance: InstanceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Does nothing: a place where many steps meet, such as "canaries of web passed"."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDeployment:
    """The deployment is as its manifest says: keep the manifest, the configs and the software it was made from."""

    releases: tuple[tuple[str, str], ...] = ()
    stemcells: tuple[tuple[str, str], ...] = ()
    config_ids: tuple[int, ...] = ()
    tags: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetDeployment:
    """Removes what is left of a deployment: its row, its variables."""


Step: TypeAlias = (
    CreateVm
    | AwaitAgent
    | ClearEnrolment
    | DeleteVm
    | RebootVm
    | CreateDisk
    | GrowDisk
    | AttachDisk
    | MountDisk
    | MigrateDisk
    | UnmountDisk
    | DetachDisk
    | OrphanDisk
    | PrepareInstance
    | RunScript
    | Drain
    | StopJobs
    | ApplySpec
    | StartJobs
    | AwaitRunning
    | RunErrand
    | CompilePackage
    | EnsureStack
    | RemoveStack
    | LeaveStack
    | AttachPorts
    | DetachPorts
    | AnnounceInstance
    | WithdrawInstance
    | RecordInstance
    | ForgetInstance
    | Gate
    | RecordDeployment
    | ForgetDeployment
)
