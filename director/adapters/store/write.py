"""Executes changes on one connection, inside a transaction of whoever calls: the checks, the cascades, the rows."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Insert, Update, bindparam, delete, insert, select, update
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.schema import Table

from director.adapters.store import address, stack, tables
from director.adapters.store.rows import DROP_FROM, PUT_INTO, Batch, task_row
from director.adapters.store.upsert import upsert
from director.model.record import Config, InstanceRecord, Task
from director.ports.failure import Conflict
from director.ports.store import (
    AddEvent,
    Change,
    CloseIntent,
    DropConfig,
    DropDeployment,
    DropInstance,
    DropStack,
    DropVariables,
    JoinStack,
    LeaveStack,
    PutDeployment,
    PutInstance,
    PutStack,
    RetireStack,
)


class Writes:
    """The statements of every change, made once for one database."""

    def __init__(self, dialect: str) -> None:
        self._by_kind: dict[type, UpdateBase] = {
            **{kind: upsert(table, dialect) for kind, table in PUT_INTO.items()},
            **{kind: _delete_by_key(table) for kind, table in DROP_FROM.items()},
            AddEvent: insert(tables.events),
            CloseIntent: _close_intent(),
        }

    def perform(self, connection: Connection, batches: Sequence[Batch]) -> None:
        """All of it, in order. Raises Conflict; what was written before it is for the caller to take back."""
        for batch in batches:
            _check(connection, batch)
            statement = self._by_kind.get(batch.kind)
            if statement is not None:
                connection.execute(statement, batch.rows)
            else:
                _write_apart(connection, batch.changes)
        if instances := _instances_put(batches):
            address.write(connection, instances)


def add_task(connection: Connection, task: Task) -> int:
    """Returns the new task's id."""
    return _new_id(connection, insert(tables.tasks), task_row(task))


def add_config(connection: Connection, config: Config, expected_latest_id: int | None) -> tuple[int, float]:
    """Appends a version unless the latest has the same text; gives the latest one's id and time."""
    latest = connection.execute(_LATEST_CONFIG, {"of_type": config.type, "of_name": config.name}).first()
    latest_id = latest.id if latest is not None else 0
    if expected_latest_id is not None and expected_latest_id != latest_id:
        raise Conflict(
            f'The latest {config.type} config "{config.name}" has id {latest_id}, not {expected_latest_id}: '
            "somebody changed it. Read it again and repeat your change."
        )
    if latest is not None and latest.content == config.content:
        return latest.id, latest.created_at
    row = {"type": config.type, "name": config.name, "content": config.content, "created_at": config.created_at}
    return _new_id(connection, insert(tables.configs), {**row, "is_hidden": 0}), config.created_at


def _new_id(connection: Connection, into: Insert, row: Mapping[str, object]) -> int:
    key = connection.execute(into, row).inserted_primary_key
    assert key is not None
    return int(key[0])


def _instances_put(batches: Sequence[Batch]) -> list[InstanceRecord]:
    """As they are when all of the commit has happened: only then must no two hold one address."""
    latest: dict[str, InstanceRecord] = {}
    for change in (change for batch in batches for change in batch.changes):
        match change:
            case PutInstance():
                latest[change.record.id] = change.record
            case DropInstance():
                latest.pop(change.id, None)
            case DropDeployment():
                latest = {key: record for key, record in latest.items() if record.deployment != change.name}
            case _:
                pass
    return list(latest.values())


def _check(connection: Connection, batch: Batch) -> None:
    for change in batch.changes:
        if isinstance(change, PutDeployment) and change.expected_serial is not None:
            _check_serial(connection, change, change.expected_serial)
        if isinstance(change, DropDeployment):
            _check_no_disks(connection, change)


def _check_serial(connection: Connection, change: PutDeployment, expected: int) -> None:
    found = connection.execute(_SERIAL, {"of_name": change.record.name}).scalar()
    stored = -1 if found is None else found
    if stored != expected:
        raise Conflict(
            f'Deployment "{change.record.name}" has changed since this plan was made '
            f"(serial {stored} now, {expected} then). Run the same command again."
        )


def _check_no_disks(connection: Connection, change: DropDeployment) -> None:
    held = connection.execute(_DISKS_HELD, {"of_deployment": change.name}).scalars().all()
    if held:
        raise Conflict(
            f'Deployment "{change.name}" still has disks of its instances: {", ".join(held)}. Orphan them first.'
        )


def _write_apart(connection: Connection, changes: Sequence[Change]) -> None:
    """Changes of more than one row."""
    for change in changes:
        match change:
            case JoinStack() | PutStack() | LeaveStack() | RetireStack() | DropStack():
                stack.write(connection, change)
            case DropDeployment():
                _drop_deployment(connection, change.name)
            case DropInstance():
                connection.execute(_DROP_INSTANCE, {"of_id": change.id})
                connection.execute(_DROP_ADDRESSES, {"of_instance": change.id})
            case DropVariables():
                dropped = delete(tables.variables).where(tables.variables.c.deployment == change.deployment)
                narrowed = dropped if change.name is None else dropped.where(tables.variables.c.name == change.name)
                connection.execute(narrowed)
            case DropConfig():
                connection.execute(_hide_configs(change))
            case _:
                raise AssertionError(f"nothing writes {type(change).__name__}")


def _drop_deployment(connection: Connection, name: str) -> None:
    for statement in _DROP_DEPLOYMENT:
        connection.execute(statement, {"of_deployment": name})


def _hide_configs(change: DropConfig) -> Update:
    of = tables.configs.c
    chosen = of.id == change.id if change.id is not None else (of.type == change.type) & (of.name == change.name)
    return update(tables.configs).where(chosen).values(is_hidden=1)


def _delete_by_key(table: Table) -> UpdateBase:
    return delete(table).where(*(column == bindparam(f"of_{column.name}") for column in table.primary_key))


def _close_intent() -> UpdateBase:
    """One that is not open stays as it is: its deployment may have been dropped meanwhile."""
    of = tables.intents.c
    chosen = (of.task == bindparam("of_task")) & (of.step == bindparam("of_step")) & (of.is_open == 1)
    return update(tables.intents).where(chosen).values(is_open=0)


def _of_deployment(table: Table) -> UpdateBase:
    return delete(table).where(table.c.deployment == bindparam("of_deployment"))


_SERIAL = select(tables.deployments.c.serial).where(tables.deployments.c.name == bindparam("of_name"))
_DISKS_HELD = (
    select(tables.disks.c.name)
    .where(tables.disks.c.deployment == bindparam("of_deployment"), tables.disks.c.instance.is_not(None))
    .order_by(tables.disks.c.name)
)
_DROP_INSTANCE = delete(tables.instances).where(tables.instances.c.id == bindparam("of_id"))
_DROP_ADDRESSES = delete(tables.addresses).where(tables.addresses.c.instance == bindparam("of_instance"))
_OWNED = ("instances", "addresses", "vms", "plans", "variables", "agents", "stack_users")
_DROP_DEPLOYMENT: Sequence[UpdateBase] = (
    delete(tables.deployments).where(tables.deployments.c.name == bindparam("of_deployment")),
    *(_of_deployment(tables.metadata.tables[name]) for name in _OWNED),
    update(tables.intents)
    .where(tables.intents.c.deployment == bindparam("of_deployment"), tables.intents.c.is_open == 1)
    .values(is_open=0, result="the deployment was deleted"),
)
_LATEST_CONFIG = (
    select(tables.configs.c.id, tables.configs.c.content, tables.configs.c.created_at)
    .where(
        tables.configs.c.type == bindparam("of_type"),
        tables.configs.c.name == bindparam("of_name"),
        tables.configs.c.is_hidden == 0,
    )
    .order_by(tables.configs.c.id.desc())
    .limit(1)
)
