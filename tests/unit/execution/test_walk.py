"""walk: needs, limits, failure, cancelling."""

import asyncio
import random
from dataclasses import replace

import pytest

from director.execution.walk import walk
from director.model.names import DeploymentName, PlanId, StepKey
from director.model.outcome import End, Outcome
from director.model.plan import Limit, Plan, PlannedStep, Unit
from director.model.step import AwaitAgent, Gate
from director.ports.failure import Failure


class Ticks:
    def __init__(self) -> None:
        self.count = 0.0

    def now(self) -> float:
        return self.monotonic()

    def monotonic(self) -> float:
        self.count += 1
        return self.count

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


class Quiet:
    def began(self, step: PlannedStep) -> None: ...

    def ended(self, step: PlannedStep, outcome: Outcome) -> None: ...


def step(key, *needs, after=(), unit=None, limits=()):
    return PlannedStep(
        key=StepKey(key), step=Gate(name=key), subject=key, needs=needs, after=after, unit=unit, limits=limits
    )


def plan(*steps, limits=(), units=()):
    return Plan(id=PlanId("p"), deployment=DeploymentName("d"), parent=0, steps=steps, limits=limits, units=units)


async def run(p, perform, cancelled=None):
    async with asyncio.timeout(5):
        outcomes = await walk(p, perform, clock=Ticks(), listener=Quiet(), cancelled=cancelled or asyncio.Event())
    return {key: outcome.end for key, outcome in outcomes.items()}


def failing(*keys):
    async def perform(s):
        await asyncio.sleep(0)
        if s.key in keys:
            raise Failure(f"{s.key} broke")
        return {}

    return perform


async def test_a_failed_step_fails_those_that_need_it_and_nothing_else():
    p = plan(step("a"), step("b", "a"), step("c", "b"), step("x"), step("y", "x"))
    ends = await run(p, failing("a"))
    assert ends == {"a": End.FAILED, "b": End.SKIPPED, "c": End.SKIPPED, "x": End.DONE, "y": End.DONE}


async def test_a_cleaning_step_runs_however_the_others_ended():
    p = plan(step("make"), step("use", "make"), step("clean", after=("make", "use")), step("forget", "clean"))
    ends = await run(p, failing("use"))
    assert ends["use"] is End.FAILED
    assert ends["clean"] is End.DONE
    assert ends["forget"] is End.DONE


async def test_nothing_is_cleaned_that_never_began():
    p = plan(step("first"), step("make", "first"), step("clean", after=("make",)))
    ends = await run(p, failing("first"))
    assert ends["clean"] is End.SKIPPED


async def test_an_empty_plan_ends_at_once():
    assert await run(plan(), failing()) == {}


async def test_a_unit_holds_its_limit_from_first_step_to_last():
    limits = (Limit(name="two", max=2),)
    units = tuple(Unit(name=f"u{n}", stage="", task="", limits=("two",)) for n in range(6))
    steps = [step(f"u{n}.{k}", *([f"u{n}.{k - 1}"] if k else []), unit=f"u{n}") for n in range(6) for k in range(3)]
    live, most = set(), 0

    async def perform(s):
        nonlocal most
        unit, number = s.key.split(".")
        live.add(unit)
        most = max(most, len(live))
        await asyncio.sleep(0)
        if number == "2":
            live.discard(unit)
        return {}

    ends = await run(plan(*steps, limits=limits, units=units), perform)
    assert set(ends.values()) == {End.DONE}
    assert most == 2


async def test_a_closing_limit_begins_nothing_new_after_the_first_failure():
    limits = (Limit(name="one", max=1, stops_on_failure=True),)
    units = tuple(Unit(name=f"u{n}", stage="", task="", limits=("one",)) for n in range(4))
    steps = [step(f"u{n}", unit=f"u{n}") for n in range(4)]
    ends = await run(plan(*steps, limits=limits, units=units), failing("u1"))
    assert ends == {"u0": End.DONE, "u1": End.FAILED, "u2": End.SKIPPED, "u3": End.SKIPPED}


async def test_cancelling_lets_running_steps_end_begins_no_other_and_still_cleans_up():
    cancelled = asyncio.Event()

    async def perform(s):
        if s.key == "a":
            cancelled.set()
            await asyncio.sleep(0.01)
        return {}

    p = plan(step("a"), step("b", "a"), step("other", "b"), step("clean", after=("a",)), step("forget", "clean"))
    ends = await run(p, perform, cancelled)
    assert ends == {
        "a": End.DONE,
        "b": End.CANCELLED,
        "other": End.CANCELLED,
        "clean": End.DONE,
        "forget": End.DONE,
    }


async def test_a_broken_performer_ends_the_walk_with_its_own_error():
    async def perform(s):
        raise AssertionError("a bug")

    with pytest.raises(ExceptionGroup) as caught:
        await run(plan(step("a"), step("b")), perform)
    assert caught.group_contains(AssertionError, match="a bug")


@pytest.mark.parametrize("seed", range(40))
async def test_random_graphs_end_with_needs_and_limits_kept(seed):
    """Every walk ends; no step begins before its needs are done; no limit is ever exceeded."""
    dice = random.Random(seed)
    names = [f"l{n}" for n in range(3)]
    limits = tuple(Limit(name=n, max=dice.randint(1, 3), stops_on_failure=dice.random() < 0.3) for n in names)
    units = tuple(
        Unit(name=f"u{n}", stage="", task="", limits=tuple(dice.sample(names, dice.randint(0, 2)))) for n in range(8)
    )
    steps = []
    for n in range(40):
        unit = dice.choice(units).name if dice.random() < 0.7 else None
        begun = unit is not None and any(s.unit == unit for s in steps)
        # A unit that holds its limits waits for its own steps only: audit() holds plans to that.
        earlier = [s.key for s in steps if not begun or s.unit == unit]
        needs = tuple(dice.sample(earlier, min(len(earlier), dice.randint(1 if begun else 0, 3))))
        after = tuple(dice.sample(earlier, 1)) if earlier and not begun and dice.random() < 0.1 else ()
        own = tuple(dice.sample(names, 1)) if unit is None and dice.random() < 0.3 else ()
        steps.append(step(f"s{n}", *needs, after=tuple(a for a in after if a not in needs), unit=unit, limits=own))
    p = plan(*steps, limits=limits, units=units)
    done, cancelled = set(), asyncio.Event()

    async def perform(s):
        assert set(s.needs) <= done, s.key
        for _ in range(dice.randint(0, 3)):
            await asyncio.sleep(0)
        if dice.random() < 0.01:
            cancelled.set()
        if dice.random() < 0.05:
            raise Failure("dice")
        done.add(s.key)
        return {}

    ends = await run(p, perform, cancelled)
    assert set(ends) == {s.key for s in steps}


async def test_cancelling_ends_a_step_that_only_waits():
    cancelled = asyncio.Event()
    waiting = replace(step("wait"), step=AwaitAgent(instance="i", agent="a", timeout_s=600.0))

    async def perform(s):
        if s.key == "wait":
            cancelled.set()
            await asyncio.Event().wait()
        return {}

    ends = await run(plan(waiting, step("then", "wait"), step("clean", after=("wait",))), perform, cancelled)
    assert ends == {"wait": End.CANCELLED, "then": End.CANCELLED, "clean": End.SKIPPED}
