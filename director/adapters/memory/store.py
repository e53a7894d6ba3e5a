"""``MemoryStore``: the Store port in dicts, with the same promises but durability. For tests and simulations."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from director.adapters.memory.stacks import write_stack
from director.model.fabric import StackRecord
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
    VmRecord,
)
from director.model.release import Catalog, CompiledPackage, Release, Stemcell
from director.model.tree import Tree
from director.ports.failure import Conflict, StoreFailure
from director.ports.store import (
    AddEvent,
    Change,
    CloseIntent,
    DropAgent,
    DropCompiled,
    DropConfig,
    DropDeployment,
    DropDisk,
    DropInstance,
    DropRelease,
    DropSetting,
    DropStack,
    DropStemcell,
    DropVariables,
    DropVm,
    EventQuery,
    JoinStack,
    LeaveStack,
    OpenIntent,
    PutAgent,
    PutCompiled,
    PutDeployment,
    PutDisk,
    PutInstance,
    PutPlan,
    PutRelease,
    PutSetting,
    PutStack,
    PutStemcell,
    PutTask,
    PutVariable,
    PutVm,
    RetireStack,
    TaskQuery,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Everything by its key, never changed: a commit makes new tables of those it touches (``_Draft``)."""

    deployments: dict[DeploymentName, DeploymentRecord] = field(default_factory=dict)
    instances: dict[InstanceId, InstanceRecord] = field(default_factory=dict)
    vms: dict[VmName, VmRecord] = field(default_factory=dict)
    disks: dict[DiskName, DiskRecord] = field(default_factory=dict)
    stacks: dict[StackName, StackRecord] = field(default_factory=dict)
    claims: dict[str, StackName] = field(default_factory=dict)
    intents: dict[tuple[TaskId, str], Intent] = field(default_factory=dict)
    plans: dict[PlanId, PlanRecord] = field(default_factory=dict)
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    events: dict[int, Event] = field(default_factory=dict)
    configs: dict[int, Config] = field(default_factory=dict)
    hidden: dict[int, bool] = field(default_factory=dict)
    releases: dict[tuple[str, str], Release] = field(default_factory=dict)
    stemcells: dict[tuple[str, str, str], Stemcell] = field(default_factory=dict)
    compiled: dict[str, CompiledPackage] = field(default_factory=dict)
    agents: dict[AgentId, AgentRecord] = field(default_factory=dict)
    variables: dict[tuple[DeploymentName, str], SealedVariable] = field(default_factory=dict)
    settings: dict[str, Tree] = field(default_factory=dict)


class _Draft:
    """Tables while a commit changes them: each is copied when it is first touched, all others are shared."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables
        self._touched: dict[str, dict[Any, Any]] = {}

    def __getattr__(self, table: str) -> dict[Any, Any]:
        if table not in self._touched:
            self._touched[table] = dict(getattr(self._tables, table))
        return self._touched[table]

    def done(self) -> _Tables:
        return replace(self._tables, **self._touched)


class MemoryStore:
    """After ``close`` every call raises StoreFailure."""

    def __init__(self) -> None:
        self._now = _Tables()
        self._is_closed = False

    @property
    def _tables(self) -> _Tables:
        if self._is_closed:
            raise StoreFailure("The store is closed: the director is stopping.")
        return self._now

    async def commit(self, *changes: Change) -> None:
        draft = _Draft(self._tables)
        for change in changes:
            _change(draft, change)
        tables = draft.done()
        if any(isinstance(change, PutInstance) for change in changes):
            _check_addresses(tables.instances.values(), {c.record.id for c in changes if isinstance(c, PutInstance)})
        self._now = tables

    async def add_task(self, task: Task) -> Task:
        tables = self._tables
        numbered = replace(task, id=TaskId(max(tables.tasks, default=0) + 1))
        self._now = replace(tables, tasks={**tables.tasks, numbered.id: numbered})
        return numbered

    async def add_config(
        self, type: str, name: str, content: str, at: float, *, expected_latest_id: int | None = None
    ) -> Config:
        tables = self._tables
        latest = next(iter(await self.configs(type, name)), None)
        latest_id = latest.id if latest else 0
        if expected_latest_id is not None and expected_latest_id != latest_id:
            raise Conflict(f'The latest {type} config "{name}" has id {latest_id}, not {expected_latest_id}.')
        if latest is not None and latest.content == content:
            return latest
        added = Config(id=len(tables.configs) + 1, type=type, name=name, content=content, created_at=at)
        self._now = replace(tables, configs={**tables.configs, added.id: added})
        return added

    async def deployments(self) -> tuple[DeploymentRecord, ...]:
        return _sorted(self._tables.deployments)

    async def deployment(self, name: DeploymentName) -> DeploymentRecord | None:
        return self._tables.deployments.get(name)

    async def record(self, name: DeploymentName) -> Record | None:
        tables = self._tables
        if name not in tables.deployments:
            return None
        instances = [one for one in tables.instances.values() if one.deployment == name]
        return Record(
            deployment=tables.deployments[name],
            instances=tuple(sorted(instances, key=lambda one: (one.group, one.index, one.id))),
            vms=tuple(vm for vm in _sorted(tables.vms) if vm.deployment == name),
            disks=tuple(d for d in _sorted(tables.disks) if d.deployment == name and d.instance is not None),
            stacks=tuple(one for one in _sorted(tables.stacks) if name in one.users),
        )

    async def addresses_taken(self, *, except_deployment: DeploymentName | None = None) -> Mapping[str, InstanceId]:
        instances = self._tables.instances.values()
        others = [one for one in instances if except_deployment is None or one.deployment != except_deployment]
        return {ip: one.id for ip, one in sorted(_owners(others), key=lambda owner: owner[0])}

    async def vms(self) -> tuple[VmRecord, ...]:
        return _sorted(self._tables.vms)

    async def disks(self, *, orphaned: bool | None = None) -> tuple[DiskRecord, ...]:
        disks = _sorted(self._tables.disks)
        return tuple(disk for disk in disks if orphaned is None or (disk.instance is None) is orphaned)

    async def stacks(self) -> tuple[StackRecord, ...]:
        return _sorted(self._tables.stacks)

    async def stack(self, name: StackName) -> StackRecord | None:
        return self._tables.stacks.get(name)

    async def catalog(self) -> Catalog:
        tables = self._tables
        compiled = {key: tables.compiled[key] for key in sorted(tables.compiled)}
        return Catalog(releases=_sorted(tables.releases), stemcells=_sorted(tables.stemcells), compiled=compiled)

    async def configs(self, type: str | None = None, name: str | None = None, *, limit: int = 1) -> tuple[Config, ...]:
        tables = self._tables
        seen: dict[tuple[str, str], int] = {}
        found = []
        for config in reversed(tables.configs.values()):
            is_asked = type in {None, config.type} and name in {None, config.name}
            place = seen.get((config.type, config.name), 0)
            if is_asked and config.id not in tables.hidden and place < limit:
                seen[config.type, config.name] = place + 1
                found.append(replace(config, is_current=place == 0))
        return tuple(found)

    async def config(self, id: int) -> Config | None:
        found = self._tables.configs.get(id)
        if found is None:
            return None
        latest = await self.configs(found.type, found.name)
        return replace(found, is_current=[id] == [config.id for config in latest])

    async def task(self, id: TaskId) -> Task | None:
        return self._tables.tasks.get(id)

    async def tasks(self, query: TaskQuery) -> tuple[Task, ...]:
        found = [
            task
            for task in self._tables.tasks.values()
            if (not query.states or task.state in query.states)
            and (not query.types or task.type in query.types)
            and query.deployment in {None, task.deployment}
            and query.context_id in {None, task.context_id}
        ]
        return tuple(sorted(found, key=lambda task: (task.changed_at, task.id), reverse=True)[: query.limit])

    async def open_intents(self) -> tuple[Intent, ...]:
        return tuple(sorted(_sorted(self._tables.intents), key=lambda intent: intent.opened_at))

    async def plan(self, id: PlanId) -> PlanRecord | None:
        return self._tables.plans.get(id)

    async def plan_of_task(self, task: TaskId) -> PlanRecord | None:
        return next((plan for plan in reversed(self._tables.plans.values()) if plan.task == task), None)

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        found = [event for event in reversed(self._tables.events.values()) if _is_asked(event, query)]
        return tuple(found[: query.limit])

    async def agent(self, id: AgentId) -> AgentRecord | None:
        return self._tables.agents.get(id)

    async def variables(self, deployment: DeploymentName) -> tuple[SealedVariable, ...]:
        return tuple(one for one in _sorted(self._tables.variables) if one.deployment == deployment)

    async def setting(self, name: str) -> Tree | None:
        return self._tables.settings.get(name)

    async def close(self) -> None:
        self._is_closed = True


def _change(tables: _Draft, change: Change) -> None:
    """Raises Conflict for what must not happen; the tables are then to be thrown away."""
    if (put := _PUTS.get(type(change))) is not None:
        put(tables, change)
        return
    match change:
        case PutDeployment():
            _put_deployment(tables, change)
        case DropDeployment():
            _drop_deployment(tables, change.name)
        case JoinStack() | PutStack() | LeaveStack() | RetireStack() | DropStack():
            write_stack(tables.stacks, tables.claims, change)
        case AddEvent():
            number = len(tables.events) + 1
            tables.events[number] = replace(change.event, id=number)
        case DropVariables():
            for key in [k for k in tables.variables if k[0] == change.deployment and change.name in {None, k[1]}]:
                del tables.variables[key]
        case DropConfig():
            _hide_configs(tables, change)
        case _:
            raise AssertionError(f"nothing writes {type(change).__name__}")


def _put_deployment(tables: _Draft, change: PutDeployment) -> None:
    found = tables.deployments.get(change.record.name)
    stored = -1 if found is None else found.serial
    if change.expected_serial is not None and stored != change.expected_serial:
        raise Conflict(f'Deployment "{change.record.name}" has changed since this plan was made.')
    tables.deployments[change.record.name] = change.record


def _drop_deployment(tables: _Draft, name: DeploymentName) -> None:
    held = sorted(d.name for d in tables.disks.values() if d.deployment == name and d.instance is not None)
    if held:
        raise Conflict(f'Deployment "{name}" still has disks of its instances: {", ".join(held)}. Orphan them first.')
    tables.deployments.pop(name, None)
    owned: tuple[dict[Any, Any], ...] = (
        tables.instances,
        tables.vms,
        tables.plans,
        tables.agents,
        tables.variables,
        tables.intents,
    )
    for table in owned:
        for key in [key for key, row in table.items() if row.deployment == name]:
            del table[key]
    for stack in tables.stacks:
        write_stack(tables.stacks, tables.claims, LeaveStack(name=stack, user=name))


def _hide_configs(tables: _Draft, change: DropConfig) -> None:
    for config in tables.configs.values():
        is_named = change.id is None and (config.type, config.name) == (change.type, change.name)
        if config.id == change.id or is_named:
            tables.hidden[config.id] = True


def _check_addresses(instances: Iterable[InstanceRecord], written: set[InstanceId]) -> None:
    """The commit that comes second loses: the holder named is one that it did not write, when there is one."""
    owners: dict[str, InstanceRecord] = {}
    for ip, one in sorted(_owners(instances), key=lambda owner: (owner[1].id in written, owner[1].id)):
        holder = owners.setdefault(ip, one)
        if holder.id != one.id:
            raise Conflict(
                f'Address {ip} belongs to instance {holder.label} of deployment "{holder.deployment}" already.'
            )


def _owners(instances: Iterable[InstanceRecord]) -> list[tuple[str, InstanceRecord]]:
    return [(address.ip, one) for one in instances for address in one.addresses if address.ip is not None]


def _is_asked(event: Event, query: EventQuery) -> bool:
    if query.before_id is not None and event.id >= query.before_id:
        return False
    if query.before is not None and event.at >= query.before:
        return False
    if query.after is not None and event.at <= query.after:
        return False
    names = ("task", "deployment", "instance", "user", "action", "object_type", "object_name")
    return all(getattr(query, name) in {None, getattr(event, name)} for name in names)


def _sorted(table: Mapping[Any, T]) -> tuple[T, ...]:
    return tuple(table[key] for key in sorted(table))


def _put_release(tables: _Draft, change: PutRelease) -> None:
    tables.releases[change.release.name, change.release.version] = change.release


def _put_stemcell(tables: _Draft, change: PutStemcell) -> None:
    stemcell = change.stemcell
    tables.stemcells[stemcell.name, stemcell.version, stemcell.cpi] = stemcell


_PUTS: Mapping[type, Callable[[_Draft, Any], object]] = {
    PutInstance: lambda t, c: t.instances.update({c.record.id: c.record}),
    DropInstance: lambda t, c: t.instances.pop(c.id, None),
    PutVm: lambda t, c: t.vms.update({c.record.name: c.record}),
    DropVm: lambda t, c: t.vms.pop(c.name, None),
    PutDisk: lambda t, c: t.disks.update({c.record.name: c.record}),
    DropDisk: lambda t, c: t.disks.pop(c.name, None),
    OpenIntent: lambda t, c: t.intents.update({(c.intent.task, c.intent.step): c.intent}),
    CloseIntent: lambda t, c: t.intents.pop((c.task, c.step), None),
    PutPlan: lambda t, c: t.plans.update({c.record.id: c.record}),
    PutTask: lambda t, c: t.tasks.update({c.record.id: c.record}),
    PutRelease: _put_release,
    DropRelease: lambda t, c: t.releases.pop((c.name, c.version), None),
    PutStemcell: _put_stemcell,
    DropStemcell: lambda t, c: t.stemcells.pop((c.name, c.version, c.cpi), None),
    PutCompiled: lambda t, c: t.compiled.update({c.package.key: c.package}),
    DropCompiled: lambda t, c: t.compiled.pop(c.key, None),
    PutAgent: lambda t, c: t.agents.update({c.record.id: c.record}),
    DropAgent: lambda t, c: t.agents.pop(c.id, None),
    PutVariable: lambda t, c: t.variables.update({(c.record.deployment, c.record.name): c.record}),
    PutSetting: lambda t, c: t.settings.update({c.name: c.value}),
    DropSetting: lambda t, c: t.settings.pop(c.name, None),
}
