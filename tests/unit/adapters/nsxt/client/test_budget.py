"""On fake time: each test takes none."""

import asyncio
from itertools import pairwise

import pytest

from director.adapters.nsxt.client.budget import BURST, IN_FLIGHT, RATE_S, SHARE_MIN, Budget

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def ask(budget: Budget, times: list[float], takes_s: float = 0.0) -> None:
    async with budget.turn():
        times.append(now())
        await asyncio.sleep(takes_s)


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= when < start + 1 for when in times) for start in times)


async def test_no_second_sees_more_than_the_rate_and_a_small_burst():
    budget, times = Budget(), []
    await asyncio.gather(*(ask(budget, times) for _ in range(400)))
    assert most_in_a_second(times) <= RATE_S + BURST
    assert times[-1] == pytest.approx((400 - BURST) / RATE_S, rel=0.02)


async def test_nobody_overtakes():
    budget, order = Budget(), []

    async def one(number: int) -> None:
        async with budget.turn():
            order.append(number)

    await asyncio.gather(*(one(number) for number in range(200)))
    assert order == sorted(order)


async def test_so_many_are_in_flight_and_not_one_more():
    budget, most = Budget(), []

    async def one() -> None:
        async with budget.turn():
            most.append(budget.in_flight)
            await asyncio.sleep(10)

    await asyncio.gather(*(one() for _ in range(100)))
    assert max(most) == IN_FLIGHT
    assert budget.in_flight == 0


async def test_one_who_gives_up_in_the_line_or_in_flight_takes_nothing_along():
    budget, times = Budget(in_flight_max=1), []
    first = asyncio.ensure_future(ask(budget, times, 5))
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(ask(budget, times, 5)) for _ in range(3)]
    await asyncio.sleep(1)
    waiting[0].cancel()
    first.cancel()
    await asyncio.gather(first, *waiting, return_exceptions=True)
    assert len(times) == 3
    assert (budget.in_flight, budget.waiting) == (0, 0)


async def test_one_cancelled_just_as_its_turn_comes_gives_it_back():
    budget = Budget(in_flight_max=1)
    held = budget.turn()
    await held.__aenter__()
    waiting = asyncio.ensure_future(ask(budget, []))
    await asyncio.sleep(0)
    await held.__aexit__(None, None, None)  # its turn has come; it has not run yet
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert budget.in_flight == 0


async def test_too_many_halves_the_share_once_for_all_that_was_sent_before():
    budget = Budget()
    await asyncio.sleep(1)
    for _ in range(20):
        budget.slow_down(0.5)
    budget.slow_down(now())
    assert budget.share == 0.25


async def test_a_share_comes_back_slowly_and_wholly():
    budget = Budget()
    budget.slow_down(now())
    await asyncio.sleep(0.9)
    assert budget.share == 0.5
    await asyncio.sleep(5)
    assert 0.6 < budget.share < 0.75
    await asyncio.sleep(60)
    assert budget.share == 1.0


async def test_however_often_nsx_says_no_there_is_some_left():
    budget, times = Budget(), []
    for _ in range(50):
        budget.slow_down(now())
    assert budget.share == SHARE_MIN
    await asyncio.gather(*(ask(budget, times) for _ in range(10)))
    assert times[-1] < 3


async def test_nsx_wanting_peace_for_three_seconds_has_it():
    budget, times = Budget(), []
    budget.slow_down(now(), rest_s=3)
    await asyncio.gather(*(ask(budget, times) for _ in range(5)))
    assert times[0] == pytest.approx(3, abs=0.1)


async def test_a_login_counts_and_waits_for_nobody():
    budget, times = Budget(), []
    for _ in range(BURST + 4):
        budget.spend()
    await ask(budget, times)
    assert times[0] == pytest.approx(5 / RATE_S)


async def test_two_processes_at_one_users_limit_settle_near_it_with_few_refusals():
    """NSX's own counting (100 a second, all of a second saved up) against two budgets that cannot see each other."""
    left, filled, refused, done = 100.0, 0.0, [], []

    async def one(budget: Budget) -> None:
        nonlocal left, filled
        while True:
            async with budget.turn():
                sent = now()
                left, filled = min(100.0, left + (sent - filled) * 100), sent
                await asyncio.sleep(0.05)
                if left >= 1:
                    left -= 1
                    done.append(sent)
                    return
                refused.append(sent)
                budget.slow_down(sent)

    await asyncio.gather(*(one(budget) for budget in (Budget(), Budget()) for _ in range(1500)))
    assert 3000 / max(done) > 75
    assert len(refused) < 0.05 * len(done)
    assert all(later >= earlier for earlier, later in pairwise(sorted(done)))
