"""One does it for all who ask at once."""

import asyncio

import pytest

from director.adapters.vsphere.single import SingleFlight
from director.ports.failure import InfrastructureFailure


class Work:
    def __init__(self, *, fails: int = 0) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self._fails = fails

    async def do(self) -> int:
        self.begun += 1
        mine = self.begun
        await self.may_end.wait()
        if mine <= self._fails:
            raise InfrastructureFailure("full")
        return mine


async def test_all_who_ask_meanwhile_get_one_answer_and_later_ones_a_new_one() -> None:
    single, work = SingleFlight[str, int](), Work()
    asking = [asyncio.ensure_future(single.do("a", work.do)) for _ in range(5)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert await asyncio.gather(*asking) == [1] * 5
    assert await single.do("a", work.do) == 2


async def test_other_keys_do_not_wait() -> None:
    single, work = SingleFlight[str, int](), Work()
    work.may_end.set()
    assert sorted(await asyncio.gather(single.do("a", work.do), single.do("b", work.do))) == [1, 2]


async def test_a_failure_is_everybodys_and_is_not_remembered() -> None:
    single, work = SingleFlight[str, int](), Work(fails=1)
    asking = [asyncio.ensure_future(single.do("a", work.do)) for _ in range(3)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert {str(result) for result in await asyncio.gather(*asking, return_exceptions=True)} == {"full"}
    assert await single.do("a", work.do) == 2


async def test_when_the_one_who_does_it_is_cancelled_another_begins_anew() -> None:
    single, work = SingleFlight[str, int](), Work()
    leader, follower = (asyncio.ensure_future(single.do("a", work.do)) for _ in range(2))
    await asyncio.sleep(0)
    leader.cancel()
    work.may_end.set()
    assert await follower == 2
    assert leader.cancelled()


async def test_a_waiter_that_is_cancelled_disturbs_nobody() -> None:
    single, work = SingleFlight[str, int](), Work()
    leader, follower = (asyncio.ensure_future(single.do("a", work.do)) for _ in range(2))
    await asyncio.sleep(0)
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower
    work.may_end.set()
    assert await leader == 1
