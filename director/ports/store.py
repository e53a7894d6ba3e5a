"""The record. Writing is a list of changes made in one transaction; reading gives model values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from director.model.fabric import Stack, StackRecord
from director.model.names import AgentId, DeploymentName, DiskName, InstanceId, PlanId, StackName, TaskId, VmName
from director.model.record import (
    AgentRecord,
    Config,
    DeploymentRecord,
    DiskRecord,
    Event,
    InstanceRecord,
    Intent,
    PlanRecord,
    Record,
    SealedVariable,
    Task,
    TaskState,
    VmRecord,
)
from director.model.release import Catalog, CompiledPackage, Release, Stemcell
from director.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class PutDeployment:
    """``expected_serial``: Conflict unless the stored serial is this one (None: no check; -1: must not exist)."""

    record: DeploymentRecord
    expected_serial: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDeployment:
    """Removes the deployment with its instances, VMs, plans and variables. Disks must be orphaned before."""

    name: DeploymentName


@dataclass(frozen=True, slots=True, kw_only=True)
class PutInstance:
    """Writes the row and exactly its addresses; Conflict when another instance holds one of them."""

    record: InstanceRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DropInstance:
    id: InstanceId


@dataclass(frozen=True, slots=True, kw_only=True)
class PutVm:
    record: VmRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DropVm:
    name: VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class PutDisk:
    record: DiskRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDisk:
    name: DiskName


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinStack:
    """``user`` is among the users from now on. A stack not recorded yet is written as CHANGING, without objects, and
    its claims are taken. Conflict when it is REMOVING, or another stack holds one of its claims.
    """

    stack: Stack
    user: DeploymentName


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStack:
    """Writes objects, state and claims of a recorded stack; who uses it stays as it is. Conflict as for JoinStack's
    claims.
    """

    record: StackRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveStack:
    name: StackName
    user: DeploymentName


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireStack:
    """Makes it REMOVING. Conflict when anybody but ``user`` uses it; nothing happens when it is not recorded."""

    name: StackName
    user: DeploymentName


@dataclass(frozen=True, slots=True, kw_only=True)
class DropStack:
    """The row, its users and its claims."""

    name: StackName


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIntent:
    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseIntent:
    """``result`` is one line; empty means done."""

    task: TaskId
    step: str
    at: float
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPlan:
    record: PlanRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTask:
    record: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class AddEvent:
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRelease:
    """The whole release as it now is; jobs and packages are replaced."""

    release: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRelease:
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStemcell:
    stemcell: Stemcell


@dataclass(frozen=True, slots=True, kw_only=True)
class DropStemcell:
    name: str
    version: str
    cpi: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCompiled:
    package: CompiledPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class DropCompiled:
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAgent:
    record: AgentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAgent:
    id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class PutVariable:
    record: SealedVariable


@dataclass(frozen=True, slots=True, kw_only=True)
class DropVariables:
    """One variable, or with ``name`` None all of the deployment."""

    deployment: DeploymentName
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropConfig:
    """Hides every version of (type, name), or the one of ``id``."""

    type: str = ""
    name: str = ""
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSetting:
    """One small fact about the director itself: its uuid, whether resurrection is paused."""

    name: str
    value: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSetting:
    """Nothing happens when there is none of that name."""

    name: str


Change: TypeAlias = (
    PutDeployment
    | DropDeployment
    | PutInstance
    | DropInstance
    | PutVm
    | DropVm
    | PutDisk
    | DropDisk
    | JoinStack
    | PutStack
    | LeaveStack
    | RetireStack
    | DropStack
    | OpenIntent
    | CloseIntent
    | PutPlan
    | PutTask
    | AddEvent
    | PutRelease
    | DropRelease
    | PutStemcell
    | DropStemcell
    | PutCompiled
    | DropCompiled
    | PutAgent
    | DropAgent
    | PutVariable
    | DropVariables
    | DropConfig
    | PutSetting
    | DropSetting
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    states: tuple[TaskState, ...] = ()
    deployment: DeploymentName | None = None
    context_id: str | None = None
    types: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    before_id: int | None = None
    before: float | None = None
    after: float | None = None
    task: TaskId | None = None
    deployment: str | None = None
    instance: str | None = None
    user: str | None = None
    action: str | None = None
    object_type: str | None = None
    object_name: str | None = None
    limit: int = 200


class Store(Protocol):
    """Changes of one ``commit`` happen together or not at all, and are durable when it returns.

    Commits of many tasks share a transaction on disk (group commit); each still fails alone.
    Raises Conflict for a lost race, StoreFailure (retry SOON) when the disk is full or the database is locked.
    """

    async def commit(self, *changes: Change) -> None: ...

    async def add_task(self, task: Task) -> Task:
        """Stores a new task and gives it its id (ids count up from 1)."""
        ...

    async def add_config(
        self, type: str, name: str, content: str, at: float, *, expected_latest_id: int | None = None
    ) -> Config:
        """Appends a version, or returns the latest when its text is the same.

        Raises Conflict when ``expected_latest_id`` is given and is not the latest id (0: none exists).
        """
        ...

    async def deployments(self) -> tuple[DeploymentRecord, ...]: ...

    async def deployment(self, name: DeploymentName) -> DeploymentRecord | None: ...

    async def record(self, name: DeploymentName) -> Record | None: ...

    async def addresses_taken(self, *, except_deployment: DeploymentName | None = None) -> Mapping[str, InstanceId]:
        """Every reserved address of every (other) deployment."""
        ...

    async def vms(self) -> tuple[VmRecord, ...]: ...

    async def disks(self, *, orphaned: bool | None = None) -> tuple[DiskRecord, ...]: ...

    async def stacks(self) -> tuple[StackRecord, ...]:
        """Of every deployment, by name."""
        ...

    async def stack(self, name: StackName) -> StackRecord | None: ...

    async def catalog(self) -> Catalog: ...

    async def configs(self, type: str | None = None, name: str | None = None, *, limit: int = 1) -> tuple[Config, ...]:
        """Not-hidden versions, newest first, at most ``limit`` per (type, name)."""
        ...

    async def config(self, id: int) -> Config | None: ...

    async def task(self, id: TaskId) -> Task | None: ...

    async def tasks(self, query: TaskQuery) -> tuple[Task, ...]:
        """Newest change first."""
        ...

    async def open_intents(self) -> tuple[Intent, ...]: ...

    async def plan(self, id: PlanId) -> PlanRecord | None: ...

    async def plan_of_task(self, task: TaskId) -> PlanRecord | None: ...

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        """Newest first."""
        ...

    async def agent(self, id: AgentId) -> AgentRecord | None: ...

    async def variables(self, deployment: DeploymentName) -> tuple[SealedVariable, ...]: ...

    async def setting(self, name: str) -> Tree | None: ...

    async def close(self) -> None: ...
