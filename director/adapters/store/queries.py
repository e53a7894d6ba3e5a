"""Reads: each a function of a connection, inside a transaction of whoever calls, that gives model values."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, bindparam, func, select
from sqlalchemy.sql.schema import Table

from director.adapters.store import stack, tables
from director.adapters.store.encode import from_text, from_tree, tree_of
from director.model.fabric import StackRecord
from director.model.names import DeploymentName, InstanceId, StackName, TaskId
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
from director.ports.store import EventQuery, TaskQuery

T = TypeVar("T")

RELEASES_KEPT = 64
"""Decoded releases kept in memory, by their text: the largest records, read by every plan, changed hardly ever."""


def deployments(connection: Connection) -> tuple[DeploymentRecord, ...]:
    return _all(connection, _bodies(tables.deployments, "name"), DeploymentRecord)


def deployment(connection: Connection, name: str) -> DeploymentRecord | None:
    return _one(connection, _DEPLOYMENT, name, DeploymentRecord)


def record(connection: Connection, name: DeploymentName) -> Record | None:
    """Without orphaned disks, which belong to no deployment any more."""
    found = deployment(connection, name)
    if found is None:
        return None
    instances = _all(connection, _INSTANCES, InstanceRecord, name)
    return Record(
        deployment=found,
        instances=tuple(sorted(instances, key=lambda one: (one.group, one.index, one.id))),
        vms=_all(connection, _VMS, VmRecord, name),
        disks=_all(connection, _DISKS, DiskRecord, name),
        stacks=stack.records(connection, name),
    )


def addresses_taken(connection: Connection, except_deployment: str | None) -> Mapping[str, InstanceId]:
    of = tables.addresses.c
    query = select(of.ip, of.instance).order_by(of.ip)
    if except_deployment is not None:
        query = query.where(of.deployment != except_deployment)
    return {row.ip: InstanceId(row.instance) for row in connection.execute(query)}


def vms(connection: Connection) -> tuple[VmRecord, ...]:
    return _all(connection, _bodies(tables.vms, "name"), VmRecord)


def disks(connection: Connection, orphaned: bool | None) -> tuple[DiskRecord, ...]:
    """A disk is orphaned from when it loses its instance until its row is gone."""
    query = _bodies(tables.disks, "name")
    if orphaned is not None:
        held = tables.disks.c.instance
        query = query.where(held.is_(None) if orphaned else held.is_not(None))
    return _all(connection, query, DiskRecord)


def stacks(connection: Connection) -> tuple[StackRecord, ...]:
    return stack.records(connection)


def stack_named(connection: Connection, name: StackName) -> StackRecord | None:
    return stack.record_of(connection, name)


def catalog(connection: Connection) -> Catalog:
    packages = _all(connection, _bodies(tables.compiled, "key"), CompiledPackage)
    return Catalog(
        releases=tuple(map(_release, connection.scalars(_bodies(tables.releases, "name", "version")))),
        stemcells=_all(connection, _bodies(tables.stemcells, "name", "version", "cpi"), Stemcell),
        compiled={package.key: package for package in packages},
    )


def configs(connection: Connection, type: str | None, name: str | None, limit: int) -> tuple[Config, ...]:
    of = tables.configs.c
    place = func.row_number().over(partition_by=(of.type, of.name), order_by=of.id.desc())
    visible = select(tables.configs, place.label("place")).where(of.is_hidden == 0)
    if type is not None:
        visible = visible.where(of.type == type)
    if name is not None:
        visible = visible.where(of.name == name)
    placed = visible.subquery()
    query = select(placed).where(placed.c.place <= limit).order_by(placed.c.id.desc())
    return tuple(_config(row, is_current=row.place == 1) for row in connection.execute(query))


def config(connection: Connection, id: int) -> Config | None:
    """Also a hidden one: a deployment goes on with the versions it was deployed with."""
    row = connection.execute(_CONFIG, {"of_id": id}).one_or_none()
    if row is None:
        return None
    return _config(row, is_current=row.id == connection.execute(_NEWEST, {"type": row.type, "name": row.name}).scalar())


def task(connection: Connection, id: TaskId) -> Task | None:
    row = connection.execute(_TASK, {"of_id": id}).one_or_none()
    return _with_id(row, Task) if row is not None else None


def tasks(connection: Connection, asked: TaskQuery) -> tuple[Task, ...]:
    of = tables.tasks.c
    query = select(of.id, of.body).order_by(of.changed_at.desc(), of.id.desc()).limit(asked.limit)
    if asked.states:
        query = query.where(of.state.in_([state.value for state in asked.states]))
    if asked.types:
        query = query.where(of.type.in_(asked.types))
    if asked.deployment is not None:
        query = query.where(of.deployment == asked.deployment)
    if asked.context_id is not None:
        query = query.where(of.context_id == asked.context_id)
    return tuple(_with_id(row, Task) for row in connection.execute(query))


def open_intents(connection: Connection) -> tuple[Intent, ...]:
    """In the order they were opened."""
    intents = _all(connection, _bodies(tables.intents, "task", "step").where(tables.intents.c.is_open == 1), Intent)
    return tuple(sorted(intents, key=lambda one: one.opened_at))


def plan(connection: Connection, id: str) -> PlanRecord | None:
    return _one(connection, _PLAN, id, PlanRecord)


def plan_of_task(connection: Connection, task: int) -> PlanRecord | None:
    """The newest one, when the task made several."""
    return _one(connection, _PLAN_OF_TASK, task, PlanRecord)


def events(connection: Connection, asked: EventQuery) -> tuple[Event, ...]:
    of = tables.events.c
    query = select(of.id, of.body).order_by(of.id.desc()).limit(asked.limit)
    if asked.before_id is not None:
        query = query.where(of.id < asked.before_id)
    if asked.before is not None:
        query = query.where(of.at < asked.before)
    if asked.after is not None:
        query = query.where(of.at > asked.after)
    for name in ("task", "deployment", "instance", "user", "action", "object_type", "object_name"):
        value = getattr(asked, name)
        if value is not None:
            query = query.where(of[name] == value)
    return tuple(_with_id(row, Event) for row in connection.execute(query))


def agent(connection: Connection, id: str) -> AgentRecord | None:
    return _one(connection, _AGENT, id, AgentRecord)


def variables(connection: Connection, deployment: str) -> tuple[SealedVariable, ...]:
    rows = connection.execute(_VARIABLES, {"key": deployment}).mappings()
    return tuple(SealedVariable(**row) for row in rows)


def setting(connection: Connection, name: str) -> Tree | None:
    text = connection.execute(_SETTING, {"key": name}).scalar()
    return tree_of(text) if text is not None else None


def _bodies(table: Table, *order: str) -> Select[str]:
    return select(table.c.body).order_by(*(table.c[name] for name in order))


def _bodies_where(table: Table, column: str, *order: str) -> Select[str]:
    return _bodies(table, *order).where(table.c[column] == bindparam("key"))


def _one(connection: Connection, query: Select[str], key: str | int, kind: type[T]) -> T | None:
    text = connection.execute(query, {"key": key}).scalar()
    return from_text(text, kind) if text is not None else None


def _all(connection: Connection, query: Select[str], kind: type[T], key: str | None = None) -> tuple[T, ...]:
    texts: Iterable[str] = connection.scalars(query, {"key": key} if key is not None else None)
    return tuple(from_text(text, kind) for text in texts)


def _with_id(row: Any, kind: type[T]) -> T:
    """The id is the database's; the body was written before it was known."""
    return from_tree({**tree_of(row.body), "id": row.id}, kind)


def _config(row: Any, *, is_current: bool) -> Config:
    return Config(
        id=row.id,
        type=row.type,
        name=row.name,
        content=row.content,
        created_at=row.created_at,
        is_current=is_current,
    )


@lru_cache(maxsize=RELEASES_KEPT)
def _release(text: str) -> Release:
    return from_text(text, Release)


_DEPLOYMENT = _bodies_where(tables.deployments, "name")
_INSTANCES = _bodies_where(tables.instances, "deployment")
_VMS = _bodies_where(tables.vms, "deployment", "name")
_DISKS = _bodies_where(tables.disks, "deployment", "name").where(tables.disks.c.instance.is_not(None))
_PLAN = _bodies_where(tables.plans, "id")
_PLAN_OF_TASK = _bodies_where(tables.plans, "task").order_by(tables.plans.c.seq.desc()).limit(1)
_AGENT = _bodies_where(tables.agents, "id")
_SETTING = _bodies_where(tables.settings, "name")
_TASK = select(tables.tasks.c.id, tables.tasks.c.body).where(tables.tasks.c.id == bindparam("of_id"))
_CONFIG = select(tables.configs).where(tables.configs.c.id == bindparam("of_id"))
_NEWEST = select(func.max(tables.configs.c.id)).where(
    tables.configs.c.type == bindparam("type"),
    tables.configs.c.name == bindparam("name"),
    tables.configs.c.is_hidden == 0,
)
_VARIABLES = select(tables.variables).where(tables.variables.c.deployment == bindparam("key")).order_by("name")
