"""The ground of the simulation: time that costs nothing, and one seed that is one order of everything."""

import asyncio
import time

import pytest

from tests.simulate.virtual import EPOCH, Stuck, VirtualClock, VirtualLoop, run


def test_a_day_of_waiting_takes_no_time_and_happens_in_order():
    async def main():
        clock, seen = VirtualClock(asyncio.get_running_loop()), []

        async def wait(hours):
            await clock.sleep(hours * 3600)
            seen.append((hours, clock.monotonic()))

        async with asyncio.TaskGroup() as group:
            for hours in (24, 1, 8):
                group.create_task(wait(hours))
        return seen

    began = time.monotonic()
    assert run(main()) == [(1, 3600.0), (8, 28800.0), (24, 86400.0)]
    assert time.monotonic() - began < 5


def test_a_deadline_strikes_at_its_moment():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.sleep(31)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(30.0)


def test_the_wall_clock_jumps_and_durations_do_not():
    async def main():
        clock = VirtualClock(asyncio.get_running_loop())
        await clock.sleep(5)
        clock.jump(-3600)
        return clock.now() - EPOCH, clock.monotonic()

    assert run(main()) == (-3595.0, 5.0)


def test_what_waits_for_nothing_that_comes_is_told():
    async def main():
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run(main())


def test_there_are_no_threads():
    async def main():
        with pytest.raises(AssertionError, match="no threads"):
            await asyncio.to_thread(int)

    run(main())


def test_after_a_stall_what_was_due_happens_late():
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        loop.call_later(10, lambda: seen.append(loop.time()))
        loop.call_later(70, lambda: seen.append(loop.time()))
        assert isinstance(loop, VirtualLoop)
        loop.stall(60)
        await asyncio.sleep(20)
        return seen

    assert run(main()) == [60.0, 70.0]


def order_of(seed):
    async def main():
        seen = []

        async def worker(number):
            for turn in range(3):
                await asyncio.sleep(0)
                seen.append((number, turn))

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(worker(number))
        return tuple(seen)

    return run(main(), seed=seed)


def test_a_seed_is_an_order_and_seeds_differ():
    assert order_of(3) == order_of(3)
    assert len({order_of(seed) for seed in range(10)}) > 5
    for seed in range(10):
        turns = [turn for number, turn in order_of(seed) if number == 2]
        assert turns == [0, 1, 2]
