"""One thread that writes: it takes everything that waits into one transaction and one fsync (group commit).

Jobs share only the commit on disk; each fails alone. A job is a function of a connection that may run again
in another transaction when the first one was rolled back; once handed over it happens, also when whoever waits
for it is cancelled.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from director.ports.failure import StoreFailure

T = TypeVar("T")
Job: TypeAlias = Callable[[Connection], object]
Waiting: TypeAlias = tuple[Job, "asyncio.Future[Any]"]
Ended: TypeAlias = tuple["asyncio.Future[Any]", object, BaseException | None]

JOBS_MAX = 256
"""Jobs in one transaction: beyond this the fsync is a small part, and the first one waits for the last."""

WAITING_MAX = 4096
"""Jobs handed over and not ended; whoever comes later waits before handing over."""


JOBS_OWN = (IntegrityError, DataError, ProgrammingError)
"""Database errors of one job's values; after any other (a full disk) the transaction is lost."""


class Writer:
    """``explain`` turns a database error into words. The engine's transactions must lock out other writers."""

    def __init__(self, engine: Engine, explain: Callable[[SQLAlchemyError], StoreFailure]) -> None:
        self._engine = engine
        self._explain = explain
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._slots = asyncio.Semaphore(WAITING_MAX)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._is_closed = False
        self._thread.start()

    async def run(self, job: Callable[[Connection], T]) -> T:
        """The job's value, once it is durable; raises what it raised, or StoreFailure."""
        async with self._slots:
            if self._is_closed:
                raise StoreFailure("The store is closed: the director is stopping.")
            ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._queue.put((job, ended))
            return await ended

    async def close(self) -> None:
        """After everything handed over has been written."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while waiting := self._take():
            ended = self._perform(waiting)
            try:
                ended[0][0].get_loop().call_soon_threadsafe(_resolve, ended)
            except RuntimeError:
                continue  # the loop is gone, and with it everybody who waited

    def _take(self) -> list[Waiting]:
        """Waits for a job, then takes all there are; nothing when closed."""
        taken: list[Waiting] = []
        found = self._queue.get()
        while found is not None:
            taken.append(found)
            if len(taken) == JOBS_MAX:
                return taken
            try:
                found = self._queue.get_nowait()
            except Empty:
                return taken
        if taken:
            self._queue.put(None)  # closed: first what was handed over before
        return taken

    def _perform(self, waiting: Sequence[Waiting]) -> list[Ended]:
        """First without savepoints, which cost more than the writes in them; when a job fails, again with them."""
        try:
            with self._engine.begin() as connection:
                return [(ended, job(connection), None) for job, ended in waiting]
        except JOBS_OWN:
            return self._perform_apart(waiting)
        except SQLAlchemyError as error:
            return self._all_failed(waiting, error)
        except BaseException:  # noqa: BLE001  nothing is lost: the same jobs run again, each on its own
            return self._perform_apart(waiting)

    def _perform_apart(self, waiting: Sequence[Waiting]) -> list[Ended]:
        try:
            with self._engine.begin() as connection:
                return [self._perform_alone(connection, job, ended) for job, ended in waiting]
        except SQLAlchemyError as error:
            return self._all_failed(waiting, error)

    def _perform_alone(self, connection: Connection, job: Job, ended: "asyncio.Future[Any]") -> Ended:
        """Raises only when the whole transaction is lost."""
        savepoint = connection.begin_nested()
        try:
            value = job(connection)
        except JOBS_OWN as error:
            savepoint.rollback()
            return ended, None, self._failure(error)
        except SQLAlchemyError:
            raise
        except BaseException as error:  # noqa: BLE001  not handled here: it goes to whoever asked for the job
            savepoint.rollback()
            return ended, None, error
        savepoint.commit()
        return ended, value, None

    def _all_failed(self, waiting: Sequence[Waiting], error: SQLAlchemyError) -> list[Ended]:
        return [(ended, None, self._failure(error)) for _, ended in waiting]

    def _failure(self, error: SQLAlchemyError) -> StoreFailure:
        failure = self._explain(error)
        failure.__cause__ = error
        return failure


def _resolve(all_ended: Sequence[Ended]) -> None:
    for ended, value, error in all_ended:
        if ended.done():
            continue  # cancelled while it waited
        if error is None:
            ended.set_result(value)
        else:
            ended.set_exception(error)
