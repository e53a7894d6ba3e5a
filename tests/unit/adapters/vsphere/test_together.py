"""Of many who ask at the same time, all get an answer to one question."""

import asyncio

import pytest

from director.adapters.vsphere.together import Together
from director.ports.failure import InfrastructureFailure


class Reads:
    """Answers with each key in capitals; each read waits to be let go on."""

    def __init__(self, *, fails=0):
        self.asked, self.go, self._fails = [], asyncio.Event(), fails

    async def __call__(self, keys):
        self.asked.append(tuple(keys))
        await self.go.wait()
        if len(self.asked) <= self._fails:
            raise InfrastructureFailure("vCenter is away")
        return {key: key.upper() for key in keys if key != "gone"}


async def test_those_who_ask_at_once_share_one_read_and_late_ones_the_next():
    reads = Reads()
    together = Together(reads)
    first = [asyncio.ensure_future(together.ask(key)) for key in ("b", "a", "gone")]
    while not reads.asked:
        await asyncio.sleep(0)
    late = [asyncio.ensure_future(together.ask(key)) for key in ("a", "c")]
    reads.go.set()
    assert await asyncio.gather(*first) == ["B", "A", None]
    assert await asyncio.gather(*late) == ["A", "C"]
    assert reads.asked == [("a", "b", "gone"), ("a", "c")], "what was asked late is read after that"


async def test_a_failed_read_fails_for_those_in_it_alone():
    reads = Reads(fails=1)
    together = Together(reads)
    reads.go.set()
    failed = await asyncio.gather(together.ask("a"), together.ask("b"), return_exceptions=True)
    assert [type(one) for one in failed] == [InfrastructureFailure] * 2
    assert await together.ask("a") == "A"


async def test_when_the_one_that_reads_is_cancelled_the_next_reads_anew():
    reads = Reads()
    together = Together(reads)
    first, second = (asyncio.ensure_future(together.ask(key)) for key in ("a", "b"))
    while not reads.asked:
        await asyncio.sleep(0)
    first.cancel()
    reads.go.set()
    assert await second == "B"
    with pytest.raises(asyncio.CancelledError):
        await first
