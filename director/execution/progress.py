"""What a task's plan has done so far, step by step in the record: what whoever goes on with it need not do again.

It decides nothing. The rows are small facts of the store (settings): ``walk:<task>`` says of which plan they are,
``walk:<task>:<number>`` that the plan's step of that number is done. They go in the transaction that ends the task.

Note: done and not marked. A step is marked after it was performed, so a director may die in between. Nothing that
needs this step is marked then: it is performed again at once, which each step allows (``perform``'s docstring).
Marks of cheap steps wait for the next one that is written, in order: what is missing are always the last ones.
What an agent did is not done again even so: it may forget an answer only when the step's mark is written, or the
task's end is (``let_go``), so that until then it gives the same answer, good or bad.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from director.execution import perform_agent as agents
from director.execution.world import World
from director.model.names import StepKey, TaskId
from director.model.plan import Plan, PlannedStep
from director.model.step import (
    AttachDisk,
    CompilePackage,
    DeleteVm,
    DetachDisk,
    DetachPorts,
    Drain,
    ForgetDeployment,
    ForgetInstance,
    Gate,
    LeaveStack,
    MigrateDisk,
    MountDisk,
    OrphanDisk,
    RebootVm,
    RemoveStack,
    RunErrand,
    RunScript,
    UnmountDisk,
    WithdrawInstance,
)
from director.model.tree import Tree
from director.ports.failure import Retry, StoreFailure
from director.ports.store import DropSetting, PutSetting, Store

ONCE: Final = (RunScript, RunErrand, Drain, RebootVm, CompilePackage)
"""What somebody would notice if it were done twice, or what it costs."""
ENDING: Final = (
    DeleteVm,
    UnmountDisk,
    DetachDisk,
    MigrateDisk,
    OrphanDisk,
    ForgetInstance,
    ForgetDeployment,
    RemoveStack,
    LeaveStack,
    DetachPorts,
    WithdrawInstance,
)
PENDING_MAX: Final = 64
PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0)


class Progress:
    """One task's way through one plan."""

    def __init__(self, task: TaskId, plan: Plan, world: World) -> None:
        self._task = task
        self._plan = plan.id
        self._world = world
        self._pending: list[tuple[PlannedStep, PutSetting]] = []
        self._begun: dict[StepKey, PlannedStep] = {}
        self._writing = asyncio.Lock()
        self._number = {step.key: number for number, step in enumerate(plan.steps)}

    async def mark(self, planned: PlannedStep, result: Tree) -> None:
        """Notes that it is done, and what came of it; written at once if it is one of ``ONCE``, else with the next."""
        name = _name(self._task, self._number[planned.key])
        self._pending.append((planned, PutSetting(name=name, value={"result": result})))
        if isinstance(planned.step, ONCE) or len(self._pending) >= PENDING_MAX:
            await self._write()

    async def begin(self, planned: PlannedStep) -> None:
        """Before what takes something away that steps done before it would miss, if they were done again."""
        self._begun[planned.key] = planned
        if isinstance(planned.step, ENDING):
            await self._write()

    def let_go(self) -> None:
        """The task's end is recorded: no agent need remember any of its steps, however they ended."""
        for planned in self._begun.values():
            agents.forget(planned, self._plan, self._world)
        self._begun.clear()

    async def _write(self) -> None:
        """Returns when all that was pending is written, whoever writes it."""
        async with self._writing:
            if marks := tuple(self._pending):
                await _commit([mark for _, mark in marks], self._world)
                del self._pending[: len(marks)]
                for planned, _ in marks:
                    del self._begun[planned.key]
                    agents.forget(planned, self._plan, self._world)


async def _commit(changes: Sequence[PutSetting], world: World) -> None:
    for pause_s in PAUSES_S:
        try:
            await world.store.commit(*changes)
        except StoreFailure as failure:
            if failure.retry is not Retry.SOON:
                raise
            await world.clock.sleep(pause_s)
        else:
            return
    await world.store.commit(*changes)


def begun(task: TaskId, plan: Plan) -> PutSetting:
    """To be committed with the plan's adoption."""
    return PutSetting(name=f"walk:{task}", value={"plan": plan.id, "steps": len(plan.steps)})


async def done_of(task: TaskId, plan: Plan, store: Store) -> Mapping[StepKey, Tree]:
    """The results of those steps of ``plan`` that are done and need not be performed again."""
    walk = await store.setting(f"walk:{task}")
    if walk is None or walk["plan"] != plan.id:
        return {}
    found: dict[StepKey, Tree] = {}
    for number, planned in enumerate(plan.steps):
        row = None if isinstance(planned.step, Gate) else await store.setting(_name(task, number))
        if row is not None and isinstance(result := row["result"], dict):
            found[planned.key] = result
    again = _attached_for_later(plan, found)
    return {key: result for key, result in found.items() if key not in again}


async def count_of(task: TaskId, store: Store) -> int:
    """How many steps of the task's newest plan are done."""
    there = [await store.setting(name) for name in await _names_of(task, store)]
    return sum(row is not None for row in there)


async def forgetting(task: TaskId, store: Store) -> tuple[DropSetting, ...]:
    """The changes by which all of that is forgotten: the task has ended, or has another plan."""
    names = await _names_of(task, store)
    return tuple(DropSetting(name=name) for name in ((f"walk:{task}", *names) if names else ()))


async def _names_of(task: TaskId, store: Store) -> tuple[str, ...]:
    walk = await store.setting(f"walk:{task}")
    steps = walk["steps"] if walk is not None else 0
    assert isinstance(steps, int)
    return tuple(_name(task, number) for number in range(steps))


def _attached_for_later(plan: Plan, done: Mapping[StepKey, Tree]) -> set[StepKey]:
    """The hint by which an agent finds a disk is told by attaching it and kept nowhere: asked for again."""
    later = [planned.step for planned in plan.steps if planned.key not in done]
    wanted = {s.disk for s in later if isinstance(s, MountDisk)} | {s.new for s in later if isinstance(s, MigrateDisk)}
    return {p.key for p in plan.steps if isinstance(p.step, AttachDisk) and p.step.disk in wanted}


def _name(task: TaskId, number: int) -> str:
    return f"walk:{task}:{number}"
