"""Ringing costs nothing, and what cannot be delivered is bounded, counted and told."""

import asyncio

import pytest
from structlog.testing import capture_logs

from director.adapters.alerts import Bell, SinkFailure
from director.adapters.alerts.lane import BATCH_MAX, GIVE_UP_S
from director.model.alert import Severity
from director.ports.failure import Retry
from tests.unit.adapters.alerts.rings import Clock, Numbers, alert


class Sink:
    """Keeps what it is given; ``fails`` are raised one after the other first. ``gate`` holds it up."""

    name = "test"

    def __init__(self, *fails, pace_s=0.0):
        self.given = []
        self.fails = list(fails)
        self.gate = asyncio.Event()
        self.gate.set()
        self.came = asyncio.Event()
        self.pace_s = pace_s
        self.is_closed = False

    async def deliver(self, alerts):
        self.came.set()
        await self.gate.wait()
        if self.fails:
            raise self.fails.pop(0)
        self.given.append(list(alerts))

    async def close(self):
        self.is_closed = True

    @property
    def subjects(self):
        return [one.subject for batch in self.given for one in batch]


def soon():
    return SinkFailure("It is away.", retry=Retry.SOON)


async def rung(sink, *alerts, clock=None, numbers=None, **options):
    """A bell that rang and was closed."""
    bell = Bell([sink], clock=clock or Clock(), meter=numbers or Numbers(), **options)
    bell.start()
    for one in alerts:
        bell.ring(one)
    await bell.close()
    return bell


async def test_what_rings_is_delivered_and_kept_for_a_look():
    sink = Sink()
    bell = await rung(sink, alert(), alert(subject="web/web/1"))
    assert sink.subjects == ["web/web/0", "web/web/1"]
    assert [one.subject for one in bell.recent()] == ["web/web/1", "web/web/0"]
    assert sink.is_closed


async def test_a_repetition_is_counted_and_not_delivered():
    sink, numbers = Sink(), Numbers()
    await rung(sink, alert(), alert(), alert(), numbers=numbers)
    assert sink.subjects == ["web/web/0"]
    assert numbers.counted["alerts_repeated", "error"] == 2


async def test_what_is_less_severe_than_wished_goes_to_no_sink_but_is_kept():
    sink = Sink()
    bell = await rung(sink, alert(severity=Severity.INFO), least=Severity.WARNING)
    assert sink.given == []
    assert len(bell.recent()) == 1


async def test_the_end_of_a_severe_condition_is_delivered_however_it_is_told():
    sink = Sink()
    await rung(sink, alert(), alert(severity=Severity.INFO, is_over=True), least=Severity.WARNING)
    assert [one.is_over for batch in sink.given for one in batch] == [False, True]


async def test_a_full_queue_drops_its_oldest_and_says_so_with_the_next_delivery():
    sink, numbers = Sink(), Numbers()
    sink.gate.clear()
    bell = Bell([sink], clock=Clock(), meter=numbers, queue_max=3)
    bell.start()
    bell.ring(alert(subject="first"))
    await sink.came.wait()
    with capture_logs() as logs:
        for number in range(5):
            bell.ring(alert(subject=str(number)))
    sink.gate.set()
    await bell.close()
    assert sink.subjects == ["first", "alerts to test", "2", "3", "4"]
    told = sink.given[1][0]
    assert (told.code, told.words.split()[0]) == ("alerts.dropped", "2")
    assert numbers.counted["alerts_dropped", "test"] == 2
    assert [log["why"] for log in logs if log["event"] == "alerts dropped"] == ["the queue is full"] * 2


async def test_one_delivery_takes_a_bounded_number():
    sink = Sink()
    await rung(sink, *(alert(subject=str(number)) for number in range(BATCH_MAX + 5)))
    assert [len(batch) for batch in sink.given] == [BATCH_MAX, 5]


async def test_a_failed_delivery_is_tried_again_later_and_later():
    sink, clock = Sink(soon(), soon(), soon()), Clock()
    await rung(sink, alert(), clock=clock)
    assert sink.subjects == ["web/web/0"]
    assert clock.slept == sorted(clock.slept)
    assert len(clock.slept) == 3


@pytest.mark.parametrize("retry,tries", [(Retry.NEVER, 1), (Retry.BOUNDED, 3)])
async def test_what_will_fail_the_same_way_is_given_up(retry, tries):
    failures = [SinkFailure("It refused.", retry=retry) for _ in range(9)]
    sink, numbers = Sink(*failures), Numbers()
    await rung(sink, alert(), numbers=numbers)
    assert len(failures) - len(sink.fails) == tries
    assert numbers.counted["alerts_dropped", "test"] == 1


async def test_after_an_hour_of_trying_alerts_are_given_up_and_the_next_ones_go_out():
    sink, clock = Sink(*(soon() for _ in range(200))), Clock()
    bell = Bell([sink], clock=clock)
    bell.start()
    bell.ring(alert())
    while clock.at < GIVE_UP_S:
        await asyncio.sleep(0)
    sink.fails.clear()
    bell.ring(alert(subject="web/web/1"))
    await bell.close()
    assert "web/web/1" in sink.subjects


async def test_a_slow_sink_holds_up_no_other():
    slow, quick = Sink(), Sink()
    slow.gate.clear()
    bell = Bell([slow, quick], clock=Clock())
    bell.start()
    bell.ring(alert())
    await quick.came.wait()
    assert quick.subjects == ["web/web/0"]
    slow.gate.set()
    await bell.close()
    assert slow.subjects == ["web/web/0"]


async def test_a_sink_with_a_bug_loses_one_batch_and_goes_on():
    sink = Sink(ZeroDivisionError("a bug"))
    bell = Bell([sink], clock=Clock())
    bell.start()
    bell.ring(alert())
    with capture_logs() as logs:
        while not any(log["event"] == "delivering alerts broke" for log in logs):
            await asyncio.sleep(0)
        bell.ring(alert(subject="web/web/1"))
        await bell.close()
    assert sink.subjects == ["alerts to test", "web/web/1"]


async def test_what_comes_while_a_paced_sink_rests_goes_together_when_the_director_stops():
    sink = Sink(pace_s=3600.0)
    bell = Bell([sink], clock=Clock())
    bell.start()
    bell.ring(alert())
    await sink.came.wait()
    for number in range(1, 4):
        bell.ring(alert(subject=f"web/web/{number}"))
    await bell.close()
    assert [len(batch) for batch in sink.given] == [1, 3]


async def test_ringing_before_the_start_waits_for_it():
    sink = Sink()
    bell = Bell([sink], clock=Clock())
    bell.ring(alert())
    bell.start()
    await bell.close()
    assert sink.subjects == ["web/web/0"]
