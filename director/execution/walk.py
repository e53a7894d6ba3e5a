"""Walks a plan's graph: begins each step as soon as its needs are met and its limits allow, and none before.

It decides nothing about what a step does. A failed step fails the steps that need it; what is independent
goes on, unless a limit says that the first failure closes it. Cancelling lets running steps end and begins
no others but those that clean up.
"""

import asyncio
import heapq
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from director.model.names import StepKey
from director.model.outcome import End, Outcome
from director.model.plan import Plan, PlannedStep
from director.model.step import AwaitAgent, AwaitRunning
from director.model.tree import Tree
from director.ports.clock import Clock
from director.ports.failure import Failure, Outdated, RuledOut

Perform = Callable[[PlannedStep], Awaitable[Tree]]


class Listener(Protocol):
    """Told of every step as it begins and ends, and of units; must not block."""

    def began(self, step: PlannedStep) -> None: ...

    def ended(self, step: PlannedStep, outcome: Outcome) -> None: ...


async def walk(
    plan: Plan, perform: Perform, *, clock: Clock, listener: Listener, cancelled: asyncio.Event
) -> Mapping[StepKey, Outcome]:
    """Performs every step that may be performed and returns how each ended, by key.

    ``perform`` raises Failure for a step that failed; any other exception ends the walk and is raised.
    """
    walker = _Walker(plan, perform, clock, listener)
    watcher = asyncio.create_task(_on_set(cancelled, walker.cancel))
    try:
        async with asyncio.TaskGroup() as group:
            walker.begin(group)
            await walker.finished.wait()
    finally:
        watcher.cancel()
    return walker.outcomes


async def _on_set(event: asyncio.Event, call: Callable[[], None]) -> None:
    await event.wait()
    call()


class _Walker:
    def __init__(self, plan: Plan, perform: Perform, clock: Clock, listener: Listener) -> None:
        self.perform = perform
        self.clock = clock
        self.listener = listener
        self.start = clock.monotonic()
        self.outcomes: dict[StepKey, Outcome] = {}
        self.finished = asyncio.Event()
        self.group: asyncio.TaskGroup | None = None
        self.steps = {step.key: step for step in plan.steps}
        self.place = {step.key: number for number, step in enumerate(plan.steps)}
        self.waits = {step.key: len(step.needs) + len(step.after) for step in plan.steps}
        self.needed_by: dict[StepKey, list[StepKey]] = defaultdict(list)
        self.followed_by: dict[StepKey, list[StepKey]] = defaultdict(list)
        for step in plan.steps:
            for key in step.needs:
                self.needed_by[key].append(step.key)
            for key in step.after:
                self.followed_by[key].append(step.key)
        self.slots = _Slots(plan)
        self.ready: list[tuple[int, StepKey]] = []
        self.tasks: dict[StepKey, asyncio.Task[None]] = {}
        self.interrupted: set[StepKey] = set()

    def begin(self, group: asyncio.TaskGroup) -> None:
        self.group = group
        for key, count in self.waits.items():
            if count == 0:
                self.make_ready(key)
        self.advance()

    def cancel(self) -> None:
        """Skips what has not begun and ends what only waits; what is being done is let end.

        Steps that clean up stay, and go once those they come after have ended.
        """
        spared = self.cleaning()
        for step in self.steps.values():
            if step.key in self.outcomes or step.key in spared:
                continue
            if step.key not in self.slots.running:
                self.end(step, End.CANCELLED)
            elif isinstance(step.step, AwaitAgent | AwaitRunning):
                self.interrupted.add(step.key)
                self.tasks[step.key].cancel()
        self.advance()

    def cleaning(self) -> set[StepKey]:
        """Steps that clean up, and those that need them."""
        found = {step.key for step in self.steps.values() if step.after}
        stack = list(found)
        while stack:
            for key in self.needed_by[stack.pop()]:
                if key not in found:
                    found.add(key)
                    stack.append(key)
        return found

    def make_ready(self, key: StepKey) -> None:
        heapq.heappush(self.ready, (self.place[key], key))

    def advance(self) -> None:
        """Begins whatever may begin now. Called after anything changed."""
        assert self.group is not None
        while self.ready:
            step = self.steps[heapq.heappop(self.ready)[1]]
            if step.key in self.outcomes:
                self.wake(self.slots.passed_over(step))
            elif self.is_needless(step) or self.slots.is_closed(step):
                self.end(step, End.SKIPPED)
            elif self.slots.take(step):
                self.tasks[step.key] = self.group.create_task(self.run(step), name=step.key)
            else:
                self.wake(self.slots.passed_over(step))
        if len(self.outcomes) == len(self.steps):
            self.finished.set()

    def is_needless(self, step: PlannedStep) -> bool:
        """A clean-up step has nothing to clean when none of those it comes after ever began."""
        not_begun = {End.SKIPPED, End.CANCELLED}
        return bool(step.after) and all(self.outcomes[key].end in not_begun for key in step.after)

    async def run(self, step: PlannedStep) -> None:
        started = self.clock.monotonic() - self.start
        self.listener.began(step)
        outdated: dict[str, bool] = {}
        try:
            result, end, error = await self.perform(step), End.DONE, ""
        except Failure as failure:
            result, end, error = {}, End.FAILED, str(failure)
            outdated = {"is_outdated": isinstance(failure, Outdated), "rules_out": isinstance(failure, RuledOut)}
        except asyncio.CancelledError:
            if step.key not in self.interrupted:
                raise
            result, end, error = {}, End.CANCELLED, ""
        self.end(step, end, started_s=started, error=error, result=result, **outdated)
        self.advance()

    def end(
        self,
        step: PlannedStep,
        end: End,
        *,
        started_s: float = 0.0,
        error: str = "",
        result: Tree | None = None,
        **outdated: bool,
    ) -> None:
        """Records how a step ended, and what that means for those that need it or come after it."""
        ended_s = self.clock.monotonic() - self.start
        outcome = Outcome(
            step=step.key,
            end=end,
            started_s=started_s or ended_s,
            ended_s=ended_s,
            error=error,
            result=result or {},
            **outdated,
        )
        self.close(step, outcome)
        follows = End.CANCELLED if end is End.CANCELLED else End.SKIPPED
        unmet = [] if end is End.DONE else list(self.needed_by[step.key])
        while unmet:
            key = unmet.pop()
            if key not in self.outcomes:
                self.close(self.steps[key], Outcome(step=key, end=follows, started_s=ended_s, ended_s=ended_s))
                unmet += self.needed_by[key]

    def close(self, step: PlannedStep, outcome: Outcome) -> None:
        self.outcomes[step.key] = outcome
        self.listener.ended(step, outcome)
        self.wake(self.slots.release(step, has_failed=outcome.end is End.FAILED))
        for key in self.followed_by[step.key]:
            self.count_down(key)
        if outcome.end is End.DONE:
            for key in self.needed_by[step.key]:
                self.count_down(key)

    def wake(self, parked: list[StepKey]) -> None:
        for key in parked:
            self.make_ready(key)

    def count_down(self, key: StepKey) -> None:
        self.waits[key] -= 1
        if self.waits[key] == 0 and key not in self.outcomes:
            self.make_ready(key)


class _Slots:
    """Who holds which limit. A unit takes its limits with its first step and gives them back with its last."""

    def __init__(self, plan: Plan) -> None:
        self.free = {limit.name: limit.max for limit in plan.limits}
        self.closing = {limit.name for limit in plan.limits if limit.stops_on_failure}
        self.closed: set[str] = set()
        self.unit_limits = {unit.name: unit.limits for unit in plan.units}
        self.left: dict[str, int] = defaultdict(int)
        for step in plan.steps:
            if step.unit:
                self.left[step.unit] += 1
        self.held: set[str] = set()
        self.running: set[StepKey] = set()
        self.parked: dict[str, deque[StepKey]] = defaultdict(deque)

    def wanted(self, step: PlannedStep) -> tuple[str, ...]:
        of_unit = self.unit_limits[step.unit] if step.unit and step.unit not in self.held else ()
        return (*of_unit, *step.limits)

    def is_closed(self, step: PlannedStep) -> bool:
        return any(name in self.closed for name in self.wanted(step))

    def take(self, step: PlannedStep) -> bool:
        """Takes all the step needs, or none and parks it at the first limit that is full."""
        wanted = self.wanted(step)
        for name in wanted:
            if self.free[name] <= 0:
                self.parked[name].append(step.key)
                return False
        for name in wanted:
            self.free[name] -= 1
        if step.unit:
            self.held.add(step.unit)
        self.running.add(step.key)
        return True

    def release(self, step: PlannedStep, *, has_failed: bool) -> list[StepKey]:
        """Gives back what the step held; returns parked steps that may try again."""
        freed: list[str] = []
        if step.key in self.running:
            self.running.discard(step.key)
            freed += step.limits
        if step.unit:
            freed += self._leave_unit(step.unit, has_failed=has_failed)
        for name in freed:
            self.free[name] += 1
        return [key for name in freed for key in self._waiting_for(name, all_of_them=name in self.closed)]

    def passed_over(self, step: PlannedStep) -> list[StepKey]:
        """A step that parked at one limit may have been woken by another: that one's slot goes to the next in line."""
        free = (name for name in self.wanted(step) if self.free[name] > 0)
        return [key for name in free for key in self._waiting_for(name)]

    def _waiting_for(self, name: str, *, all_of_them: bool = False) -> list[StepKey]:
        line = self.parked[name]
        count = len(line) if all_of_them else min(self.free[name], len(line))
        return [line.popleft() for _ in range(count)]

    def _leave_unit(self, unit: str, *, has_failed: bool) -> list[str]:
        limits = self.unit_limits[unit]
        if has_failed:
            self.closed |= self.closing.intersection(limits)
        self.left[unit] -= 1
        if self.left[unit] or unit not in self.held:
            return []
        self.held.discard(unit)
        return list(limits)
