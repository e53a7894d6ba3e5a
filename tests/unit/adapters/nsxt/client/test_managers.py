import asyncio

import pytest

from director.adapters.nsxt.client.managers import Managers

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_the_one_with_least_in_flight_is_asked():
    managers = Managers(["https://a", "https://b"])
    first = managers.choose()
    with first.visit():
        assert managers.choose().name == "b"
    assert managers.choose() is first


async def test_one_that_failed_rests_longer_each_time_and_is_then_asked_by_one_at_a_time():
    managers = Managers(["https://a", "https://b"])
    failed = managers.choose()
    rests = []
    for _ in range(8):
        failed.rest(now())
        assert managers.choose().name == "b"
        began = now()
        while not failed.is_open:
            await asyncio.sleep(0.5)
        rests.append(now() - began)
        with failed.visit():
            assert not failed.is_open
    assert rests == [1, 2, 4, 8, 15, 30, 60, 60]
    failed.came_through()
    with failed.visit():
        assert failed.is_open


async def test_many_calls_that_fail_together_are_one_failure():
    managers = Managers(["https://a"])
    await asyncio.sleep(1)
    for _ in range(32):
        managers.all[0].rest(0.5)
    await asyncio.sleep(1)
    assert managers.all[0].is_open


async def test_when_all_rest_the_one_that_is_back_first_is_asked():
    managers = Managers(["https://a", "https://b"])
    managers.all[0].rest(now(), at_least_s=20)
    managers.all[1].rest(now())
    assert not managers.has_open
    assert managers.choose().name == "b"


async def test_a_manager_is_left_alone_for_as_long_as_it_asks_for_but_not_for_ever():
    managers = Managers(["https://a"])
    managers.all[0].rest(now(), at_least_s=3600)
    await asyncio.sleep(61)
    assert managers.has_open
