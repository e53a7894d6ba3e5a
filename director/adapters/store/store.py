"""``SqlStore``: the Store port on a SQLite file. It only says which thread does what.

Writes go through one thread (``writer.py``). Reads that may be long run in a few threads of their own; a
lookup of one short row runs where it is called, because handing it to a thread and back takes longer.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from director.adapters.store import engine, migrate, queries
from director.adapters.store.rows import batches_of
from director.adapters.store.write import Writes, add_config, add_task
from director.adapters.store.writer import Writer
from director.model.fabric import StackRecord
from director.model.names import AgentId, DeploymentName, InstanceId, PlanId, StackName, TaskId
from director.model.record import (
    AgentRecord,
    Config,
    DeploymentRecord,
    DiskRecord,
    Event,
    Intent,
    PlanRecord,
    Record,
    SealedVariable,
    Task,
    VmRecord,
)
from director.model.release import Catalog
from director.model.tree import Tree
from director.ports.failure import StoreFailure
from director.ports.meter import NO_METER, Meter
from director.ports.store import Change, EventQuery, TaskQuery

T = TypeVar("T")

BUSY_S = 5.0
"""How long another program's lock is waited for."""


class SqlStore:
    """Opened by ``open``. After ``close`` every call raises StoreFailure."""

    def __init__(self, path: Path, writing: Engine, reading: Engine, meter: Meter = NO_METER) -> None:
        self._meter = meter
        self._path = path
        self._writing = writing
        self._reading = reading
        self._writes = Writes(writing.dialect.name)
        self._writer = Writer(writing, partial(engine.explain, path))
        self._readers = ThreadPoolExecutor(engine.READERS, thread_name_prefix="store-reader")
        self._is_closed = False

    @classmethod
    async def open(cls, path: Path, *, busy_s: float = BUSY_S, meter: Meter = NO_METER) -> Self:
        """Makes the file (mode 0600) and its tables when missing, and migrates older ones.

        Raises StoreFailure when the file is damaged, foreign, of a newer director, or may not be used.
        """
        writing, reading = engine.writing_engine(path, busy_s), engine.reading_engine(path, busy_s)
        try:
            await asyncio.to_thread(_prepare, path, writing)
        except StoreFailure:
            writing.dispose()
            raise
        return cls(path, writing, reading, meter)

    async def commit(self, *changes: Change) -> None:
        batches = batches_of(changes)
        if not batches:
            return
        began, outcome = perf_counter(), "failed"
        try:
            await self._writer.run(lambda connection: self._writes.perform(connection, batches))
            outcome = "done"
        finally:
            self._meter.observe("store_commit_seconds", perf_counter() - began, outcome=outcome)

    async def add_task(self, task: Task) -> Task:
        return replace(task, id=TaskId(await self._writer.run(lambda connection: add_task(connection, task))))

    async def add_config(
        self, type: str, name: str, content: str, at: float, *, expected_latest_id: int | None = None
    ) -> Config:
        wished = Config(id=0, type=type, name=name, content=content, created_at=at)
        number, created_at = await self._writer.run(lambda db: add_config(db, wished, expected_latest_id))
        return replace(wished, id=number, created_at=created_at)

    async def deployments(self) -> tuple[DeploymentRecord, ...]:
        return await self._read(queries.deployments)

    async def deployment(self, name: DeploymentName) -> DeploymentRecord | None:
        return self._look_up(lambda connection: queries.deployment(connection, name))

    async def record(self, name: DeploymentName) -> Record | None:
        return await self._read(lambda connection: queries.record(connection, name))

    async def addresses_taken(self, *, except_deployment: DeploymentName | None = None) -> Mapping[str, InstanceId]:
        return await self._read(lambda connection: queries.addresses_taken(connection, except_deployment))

    async def vms(self) -> tuple[VmRecord, ...]:
        return await self._read(queries.vms)

    async def disks(self, *, orphaned: bool | None = None) -> tuple[DiskRecord, ...]:
        return await self._read(lambda connection: queries.disks(connection, orphaned))

    async def stacks(self) -> tuple[StackRecord, ...]:
        return await self._read(queries.stacks)

    async def stack(self, name: StackName) -> StackRecord | None:
        return await self._read(lambda connection: queries.stack_named(connection, name))

    async def catalog(self) -> Catalog:
        return await self._read(queries.catalog)

    async def configs(self, type: str | None = None, name: str | None = None, *, limit: int = 1) -> tuple[Config, ...]:
        return await self._read(lambda connection: queries.configs(connection, type, name, limit))

    async def config(self, id: int) -> Config | None:
        return self._look_up(lambda connection: queries.config(connection, id))

    async def task(self, id: TaskId) -> Task | None:
        return self._look_up(lambda connection: queries.task(connection, id))

    async def tasks(self, query: TaskQuery) -> tuple[Task, ...]:
        return await self._read(lambda connection: queries.tasks(connection, query))

    async def open_intents(self) -> tuple[Intent, ...]:
        return await self._read(queries.open_intents)

    async def plan(self, id: PlanId) -> PlanRecord | None:
        return await self._read(lambda connection: queries.plan(connection, id))

    async def plan_of_task(self, task: TaskId) -> PlanRecord | None:
        return await self._read(lambda connection: queries.plan_of_task(connection, task))

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        return await self._read(lambda connection: queries.events(connection, query))

    async def agent(self, id: AgentId) -> AgentRecord | None:
        return self._look_up(lambda connection: queries.agent(connection, id))

    async def variables(self, deployment: DeploymentName) -> tuple[SealedVariable, ...]:
        return await self._read(lambda connection: queries.variables(connection, deployment))

    async def setting(self, name: str) -> Tree | None:
        return self._look_up(lambda connection: queries.setting(connection, name))

    async def close(self) -> None:
        self._is_closed = True
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        self._reading.dispose()
        self._writing.dispose()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._query, query)

    def _look_up(self, query: Callable[[Connection], T]) -> T:
        """For one short row: in WAL mode no reader waits for a writer, so the loop is not held up."""
        self._check_open()
        return self._query(query)

    def _query(self, query: Callable[[Connection], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return query(connection)
        except SQLAlchemyError as error:
            raise engine.explain(self._path, error) from error

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreFailure("The store is closed: the director is stopping.")


def _prepare(path: Path, writing: Engine) -> None:
    try:
        engine.make_file(path)
        migrate.bring_up(writing, path)
    except OSError as error:
        raise StoreFailure(f"The record cannot be kept in {path}: {error.strerror}.") from error
    except SQLAlchemyError as error:
        raise engine.explain(path, error) from error
