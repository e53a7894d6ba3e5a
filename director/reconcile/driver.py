"""Takes queued tasks and runs each to its end: at most one at a time per lock, many side by side.

A wake-up carries no data: whatever changed, the queue is read again. This is the one place where an
unforeseen exception is caught: it ends its task, is logged, and the next task goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Protocol

import structlog

from director.execution.accounts import note_begin, note_end
from director.execution.lifecycle import TaskEvent, advance
from director.execution.report import Stages
from director.execution.world import World
from director.model.names import DeploymentName, TaskId
from director.model.plan import Plan
from director.model.problem import Refused
from director.model.record import Task, TaskState
from director.ports.failure import Failure, Retry, StoreFailure
from director.ports.store import Change, PutTask, TaskQuery
from director.reconcile.requests import Deploy, Request, from_tree, to_tree
from director.reconcile.settling import Settling
from director.reconcile.take_up import leaving, take_up
from director.reconcile.words import description_of, lock_of, told

log = structlog.get_logger()

current_task: ContextVar[TaskId | None] = ContextVar("current_task", default=None)
"""The task whose handler this runs in; None outside of one. For logs only: nothing may decide by it."""

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


class Cancelled(Exception):
    """The task stopped at a step boundary because somebody asked it to."""


Handler = Callable[[Request, "Job"], Awaitable[str]]


class Checker(Protocol):
    """Looks at a deploy before it becomes a task."""

    async def check(self, request: Deploy) -> Plan: ...

    async def read(self, request: Deploy) -> object: ...


class Job:
    """One running task, as its handler sees it."""

    def __init__(self, task: Task, world: World) -> None:
        self.task = task
        self.stages = Stages(task.id, world)
        self.cancelled = asyncio.Event()
        self.is_resumed = task.state is TaskState.QUEUED and task.started_at is not None
        self._goes_on = self.is_resumed
        self._at_end: list[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """``call`` is called when the end of the task is recorded; not when its director stops before that."""
        self._at_end.append(call)

    def end(self) -> None:
        """Its end is recorded."""
        for call in self._at_end:
            call()

    def takes_up(self) -> bool:
        """Whether a former director may have begun a plan of it. True once: after that its plans are its own."""
        goes_on, self._goes_on = self._goes_on, False
        return goes_on

    def check(self) -> None:
        """Raises Cancelled if somebody asked for it."""
        if self.cancelled.is_set():
            raise Cancelled


async def _nothing() -> None:
    pass


class Driver:
    """``handlers`` by request class. ``prelude`` comes before each of them and before each check. Without ``resumes``
    tasks that were running when the last director stopped end with an error.
    """

    def __init__(
        self,
        world: World,
        handlers: Mapping[type, Handler],
        checker: Checker,
        *,
        tasks_at_once: int,
        prelude: Callable[[], Awaitable[None]] = _nothing,
        resumes: bool = True,
    ) -> None:
        self._resumes = resumes
        self._prelude = prelude
        self._world = world
        self._handlers = handlers
        self._checker = checker
        self._tasks_at_once = tasks_at_once
        self._wake = asyncio.Event()
        self._jobs: dict[TaskId, Job] = {}
        self._locks: dict[str, TaskId] = {}
        self._settling = Settling(world, self._locks, self._jobs.keys(), self._wake.set)
        self._listeners: list[Callable[[], None]] = []
        self._queued: set[TaskId] = set()
        world.meter.gauge("tasks_waiting", lambda: [({}, float(self.waiting_count))])
        world.meter.gauge("tasks_running", lambda: [({}, float(len(self._jobs)))])

    @property
    def waiting_count(self) -> int:
        """Tasks in the queue as it was last read, which have not begun."""
        return len(self._queued - self._jobs.keys())

    def listen(self, wake: Callable[[], None]) -> None:
        """``wake`` is called whenever a task has ended."""
        self._listeners.append(wake)

    async def check(self, request: Deploy) -> Plan:
        """Reads, resolves and plans without touching anything. Raises Refused with every problem."""
        await self._prelude()
        return await self._checker.check(request)

    async def submit(self, request: Request, *, user: str, context_id: str = "") -> Task:
        """Stores a queued task and wakes the pulse. Never waits for the task itself.

        A Deploy is checked first, so that bad input raises Refused before any task exists.
        """
        if isinstance(request, Deploy):
            await self._prelude()
            await self._checker.read(request)
        now = self._world.clock.now()
        deployment = getattr(request, "deployment", None)
        task = await self._world.store.add_task(
            Task(
                id=TaskId(0),
                type=request.task_type,
                state=TaskState.QUEUED,
                description=description_of(request),
                user=user,
                options=to_tree(request),
                deployment=DeploymentName(deployment) if deployment else None,
                context_id=context_id,
                created_at=now,
                changed_at=now,
            )
        )
        self._wake.set()
        return task

    async def cancel(self, task: TaskId) -> bool:
        """Asks a queued or running task to stop at its next step boundary. False when it has ended already."""
        job = self._jobs.get(task)
        known = job.task if job else await self._world.store.task(task)
        if known is None or known.state.is_final:
            return False
        is_waiting = known.state is TaskState.QUEUED
        moved = self._moved(known, TaskEvent.ASK_TO_CANCEL, result="task cancelled" if is_waiting else "")
        if job:
            job.task = moved
            job.cancelled.set()
        await self._world.store.commit(PutTask(record=moved))
        if job is None:
            self._queued.discard(task)
            self._world.tasklog.close(task)
        return True

    def is_locked(self, deployment: str) -> TaskId | None:
        """The task that changes this deployment now."""
        return self._locks.get(f"deployment:{deployment}")

    async def run(self) -> None:
        """The pulse. Settles what the last director left, then serves the queue until cancelled."""
        await self._settle_first()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settling.run(), name="settling")
            while True:
                self._wake.clear()
                await self._begin_what_may(group)
                await self._wake.wait()

    async def _settle_first(self) -> None:
        """What the last director left, as far as that can be told at once."""
        try:
            await self._prelude()
        except (Failure, Refused) as why:
            log.warning("not every infrastructure is known while settling", why=str(why))
        await self._settling.first()
        await take_up(self._world, resumes=self._resumes)

    async def _begin_what_may(self, group: asyncio.TaskGroup) -> None:
        queued = await self._world.store.tasks(TaskQuery(states=(TaskState.QUEUED,)))
        self._queued = {task.id for task in queued}
        for task in sorted(queued, key=lambda t: t.id):
            if len(self._jobs) >= self._tasks_at_once:
                return
            request = from_tree(task.type, task.options)
            lock = lock_of(request)
            if task.id in self._jobs or lock in self._locks:
                continue
            if lock:
                self._locks[lock] = task.id
            self._jobs[task.id] = Job(task, self._world)
            group.create_task(self._run(request, self._jobs[task.id], lock), name=f"task {task.id}")

    async def _run(self, request: Request, job: Job, lock: str) -> None:
        try:
            if job.task.state is TaskState.QUEUED:
                beginning = () if job.is_resumed else told(request, job.task, self._world.clock.now())
                await self._move(job, TaskEvent.BEGIN, *beginning)
                note_begin(job.task, job.stages, self._world)
                event, result = await self._outcome(request, job)
                error = None if event is TaskEvent.SUCCEED else result
                ending = told(request, job.task, self._world.clock.now(), error=error, context={"result": result})
                await self._move(job, event, *ending, *await leaving(job.task, self._world), result=result)
                note_end(job.task, self._world)
                job.end()
        finally:
            self._world.tasklog.close(job.task.id)
            del self._jobs[job.task.id]
            self._locks.pop(lock, None)
            self._wake.set()
            self._settling.ask()
            for wake in self._listeners:
                wake()

    async def _outcome(self, request: Request, job: Job) -> tuple[TaskEvent, str]:
        """The handler's end as an event; its failure is told in the task's log."""
        current_task.set(job.task.id)
        try:
            await self._prelude()
            return TaskEvent.SUCCEED, await self._handlers[type(request)](request, job)
        except Cancelled:
            job.stages.fail(10001, f"Task {job.task.id} cancelled")
            return TaskEvent.STOP, "task cancelled"
        except Refused as refused:
            job.stages.fail(refused.problems[0].number if refused.problems else 440001, str(refused))
            return TaskEvent.FAIL, str(refused)
        except Exception as error:
            failure = _failure_in(error)
            if failure is None:
                log.exception("a task's handler broke", task=job.task.id)
            kind = type(error).__name__
            message = str(failure or f"The director itself failed ({kind}); its log has the details. Nothing was lost.")
            job.stages.fail(100 if failure else 500000, message)
            return TaskEvent.FAIL, message

    async def _move(self, job: Job, event: TaskEvent, *more: Change, result: str = "") -> None:
        job.task = self._moved(job.task, event, result=result)
        await self._persist(PutTask(record=job.task), *more)

    async def _persist(self, *changes: Change) -> None:
        """How a task began or ended must not be lost: a record that cannot be written is tried again for half a minute.

        Raises StoreFailure after that, which ends the director: a new one finds the task unfinished and says so.
        """
        for pause_s in PAUSES_S:
            try:
                await self._world.store.commit(*changes)
            except StoreFailure as failure:
                if failure.retry is not Retry.SOON:
                    raise
                log.warning("the record cannot be written; trying again", why=str(failure), pause_s=pause_s)
                await self._world.clock.sleep(pause_s)
            else:
                return
        await self._world.store.commit(*changes)

    def _moved(self, task: Task, event: TaskEvent, *, result: str = "") -> Task:
        now = self._world.clock.now()
        started = now if event is TaskEvent.BEGIN and task.started_at is None else task.started_at
        state = advance(task.state, event)
        return replace(task, state=state, result=result or task.result, changed_at=now, started_at=started)


def _failure_in(error: BaseException) -> Failure | None:
    """The failure, or the first of a group that holds nothing else: steps side by side meet one full disk together."""
    while isinstance(error, BaseExceptionGroup) and error.split(Failure)[1] is None:
        error = error.exceptions[0]
    return error if isinstance(error, Failure) else None
