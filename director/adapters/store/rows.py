"""Changes as the rows they write: pure, and made by whoever commits, so that the writer only executes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

from sqlalchemy import Table

from director.adapters.store import tables
from director.adapters.store.encode import text_of, to_text
from director.model.record import (
    DeploymentRecord,
    DiskRecord,
    Event,
    InstanceRecord,
    Intent,
    PlanRecord,
    Task,
    VmRecord,
)
from director.ports.store import (
    AddEvent,
    Change,
    CloseIntent,
    DropAgent,
    DropCompiled,
    DropDisk,
    DropRelease,
    DropSetting,
    DropStemcell,
    DropVm,
    OpenIntent,
    PutAgent,
    PutCompiled,
    PutDeployment,
    PutDisk,
    PutInstance,
    PutPlan,
    PutRelease,
    PutSetting,
    PutStemcell,
    PutTask,
    PutVariable,
    PutVm,
)

Row: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Neighbouring changes of one class, which go to the database in one statement. ``rows`` as in ``ROWS``."""

    kind: type
    changes: tuple[Change, ...]
    rows: tuple[Row, ...]


def batches_of(changes: Sequence[Change]) -> tuple[Batch, ...]:
    """The changes in their order; raises TypeError when a record holds what is not plain data."""
    made = []
    for (_, kind), group in groupby(enumerate(changes), key=_together):
        run = tuple(change for _, change in group)
        row_of = ROWS.get(kind)
        made.append(Batch(kind=kind, changes=run, rows=tuple(map(row_of, run)) if row_of else ()))
    return tuple(made)


def _together(numbered: tuple[int, Change]) -> tuple[int, type]:
    """A deployment's serial is checked against what the change before it wrote, so each goes alone."""
    number, change = numbered
    return (number if isinstance(change, PutDeployment) else -1), type(change)


def task_row(task: Task) -> Row:
    """Without the id, which the database gives to a new task."""
    return {
        "type": task.type,
        "state": task.state.value,
        "deployment": task.deployment,
        "context_id": task.context_id,
        "changed_at": task.changed_at,
        "body": to_text(task),
    }


def _deployment(record: DeploymentRecord) -> Row:
    return {"name": record.name, "serial": record.serial, "body": to_text(record)}


def _instance(record: InstanceRecord) -> Row:
    return {"id": record.id, "deployment": record.deployment, "body": to_text(record)}


def _vm(record: VmRecord) -> Row:
    row: Row = {"name": record.name, "deployment": record.deployment, "instance": record.instance}
    return row | {"state": record.state.value, "body": to_text(record)}


def _disk(record: DiskRecord) -> Row:
    row: Row = {"name": record.name, "deployment": record.deployment, "instance": record.instance}
    return row | {"state": record.state.value, "body": to_text(record)}


def _intent(intent: Intent) -> Row:
    row: Row = {"task": intent.task, "step": intent.step, "deployment": intent.deployment}
    return row | {"is_open": 1, "closed_at": None, "result": "", "body": to_text(intent)}


def _plan(record: PlanRecord) -> Row:
    return {"id": record.id, "deployment": record.deployment, "task": record.task, "body": to_text(record)}


def _event(event: Event) -> Row:
    return {
        "at": event.at,
        "task": event.task,
        "deployment": event.deployment,
        "instance": event.instance,
        "user": event.user,
        "action": event.action,
        "object_type": event.object_type,
        "object_name": event.object_name,
        "body": to_text(event),
    }


def _release(change: PutRelease) -> Row:
    return {"name": change.release.name, "version": change.release.version, "body": to_text(change.release)}


def _stemcell(change: PutStemcell) -> Row:
    stemcell = change.stemcell
    return {"name": stemcell.name, "version": stemcell.version, "cpi": stemcell.cpi, "body": to_text(stemcell)}


def _agent(change: PutAgent) -> Row:
    return {"id": change.record.id, "deployment": change.record.deployment, "body": to_text(change.record)}


def _variable(change: PutVariable) -> Row:
    return {column.name: getattr(change.record, column.name) for column in tables.variables.columns}


ROWS: Mapping[type, Callable[[Any], Row]] = {
    PutDeployment: lambda c: _deployment(c.record),
    PutInstance: lambda c: _instance(c.record),
    PutVm: lambda c: _vm(c.record),
    PutDisk: lambda c: _disk(c.record),
    OpenIntent: lambda c: _intent(c.intent),
    CloseIntent: lambda c: {"of_task": c.task, "of_step": c.step, "closed_at": c.at, "result": c.result},
    PutPlan: lambda c: _plan(c.record),
    PutTask: lambda c: {"id": c.record.id} | task_row(c.record),
    AddEvent: lambda c: _event(c.event),
    PutRelease: _release,
    PutStemcell: _stemcell,
    PutCompiled: lambda c: {"key": c.package.key, "body": to_text(c.package)},
    PutAgent: _agent,
    PutVariable: _variable,
    PutSetting: lambda c: {"name": c.name, "body": text_of(c.value)},
    DropVm: lambda c: {"of_name": c.name},
    DropDisk: lambda c: {"of_name": c.name},
    DropRelease: lambda c: {"of_name": c.name, "of_version": c.version},
    DropStemcell: lambda c: {"of_name": c.name, "of_version": c.version, "of_cpi": c.cpi},
    DropCompiled: lambda c: {"of_key": c.key},
    DropAgent: lambda c: {"of_id": c.id},
    DropSetting: lambda c: {"of_name": c.name},
}
"""What each change that is one row writes, or the key (``of_`` before its columns) of the row it removes."""

PUT_INTO: Mapping[type, Table] = {
    PutDeployment: tables.deployments,
    PutInstance: tables.instances,
    PutVm: tables.vms,
    PutDisk: tables.disks,
    OpenIntent: tables.intents,
    PutPlan: tables.plans,
    PutTask: tables.tasks,
    PutRelease: tables.releases,
    PutStemcell: tables.stemcells,
    PutCompiled: tables.compiled,
    PutAgent: tables.agents,
    PutVariable: tables.variables,
    PutSetting: tables.settings,
}

DROP_FROM: Mapping[type, Table] = {
    DropVm: tables.vms,
    DropDisk: tables.disks,
    DropRelease: tables.releases,
    DropStemcell: tables.stemcells,
    DropCompiled: tables.compiled,
    DropAgent: tables.agents,
    DropSetting: tables.settings,
}
