"""What the director keeps of one agent, on a clock the test owns."""

from dataclasses import dataclass

import pytest

from agent.wire import agent_pb2 as pb
from director.adapters.agents.link import Link, Throttle
from director.adapters.agents.peer import Peer
from director.model.names import AgentId, BlobId, DeploymentName, Digest
from director.model.wanted import Content
from director.ports.agents import AgentSpec, Apply, PackageSource, Prepare, Start, Stop


@dataclass
class SetClock:
    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


def sent(link: Link) -> list[tuple[str, str]]:
    """(kind, key) of everything queued, and empties the queue."""
    messages = [link._waiting.get_nowait() for _ in range(link._waiting.qsize())]
    bodies = [(message.WhichOneof("body"), message) for message in messages]
    return [(kind, getattr(message, kind).key if kind != "welcome" else "") for kind, message in bodies]


def attached(peer: Peer, hello: pb.Hello | None = None) -> Link:
    link = Link("key")
    peer.attach(link, hello or pb.Hello(), 10)
    return link


def spec_with(*blobs: str) -> AgentSpec:
    packages = tuple(PackageSource(name=b, key=b, blob=BlobId(b), digest=Digest("d")) for b in blobs)
    return AgentSpec(
        deployment=DeploymentName("d"), instance={}, content=Content(jobs=()), packages=packages, configuration_hash=""
    )


async def test_uptimes_and_silence_are_as_of_now():
    clock = SetClock()
    peer = Peer(AgentId("a"), clock)
    link = attached(peer)
    states = [("up", "running"), ("down", "failing")]
    processes = [pb.Process(name=name, state=state, uptime_s=5) for name, state in states]
    peer.report(pb.Report(job_state=pb.JOB_STATE_FAILING, processes=processes))
    clock.at += 3
    seen = peer.seen()
    assert [process.uptime_s for process in seen.processes] == [8, 5]
    assert seen.silent_s == 3
    peer.detach(link)
    clock.at += 10
    seen = peer.seen()
    assert [process.uptime_s for process in seen.processes] == [8, 5]
    assert (seen.silent_s, seen.is_connected) == (13, False)


async def test_an_agent_that_never_spoke_is_not_seen():
    assert Peer(AgentId("a"), SetClock()).seen() is None


async def test_the_end_of_a_replaced_stream_changes_nothing():
    peer = Peer(AgentId("a"), SetClock())
    old = attached(peer)
    new = attached(peer)
    peer.detach(old)
    assert peer.link is new


async def test_a_result_nobody_asked_for_yet_stays_with_the_agent_for_ten_minutes():
    clock = SetClock()
    peer = Peer(AgentId("a"), clock)
    link = attached(peer)
    peer.answer(pb.Result(key="old"))
    clock.at += 599
    peer.report(pb.Report())
    assert sent(link) == [("welcome", "")]
    clock.at += 2
    peer.report(pb.Report())
    assert sent(link) == [("acknowledge", "old")]


async def test_only_the_newest_64_of_them_stay():
    peer = Peer(AgentId("a"), SetClock())
    link = attached(peer)
    for index in range(66):
        peer.answer(pb.Result(key=f"k{index}"))
    assert sent(link) == [("welcome", ""), ("acknowledge", "k0"), ("acknowledge", "k1")]


async def test_a_result_of_a_question_given_up_for_time_is_kept_for_the_next_try():
    peer = Peer(AgentId("a"), SetClock())
    link = attached(peer)
    peer.open("k", Stop(), 5)
    peer.close("k")
    peer.answer(pb.Result(key="k"))
    assert sent(link) == [("welcome", ""), ("request", "k")]
    peer.open("k", Stop(), 5)
    peer.answer(pb.Result(key="k"))
    assert sent(link) == [("request", "k")]
    peer.forget("k")
    assert sent(link) == [("acknowledge", "k")]


async def test_an_answer_stays_with_the_agent_until_it_is_recorded_however_often_it_is_sent():
    clock = SetClock()
    peer = Peer(AgentId("a"), clock)
    link = attached(peer)
    pending = peer.open("k", Stop(), 5)
    peer.answer(pb.Result(key="k"))
    assert pending.answer.done()
    clock.at += 10_000
    peer.report(pb.Report())
    peer.answer(pb.Result(key="k"))
    assert sent(link) == [("welcome", ""), ("request", "k")]
    peer.detach(link)
    peer.forget("k")
    link = attached(peer, pb.Hello(held_results=["k"]))
    peer.answer(pb.Result(key="k"))
    assert sent(link) == [("welcome", ""), ("acknowledge", "k")]


async def test_a_result_that_comes_after_its_task_has_ended_is_acknowledged_then():
    peer = Peer(AgentId("a"), SetClock())
    link = attached(peer)
    peer.open("k", Stop(), 5)
    peer.close("k")
    peer.forget("k")
    sent(link)
    peer.answer(pb.Result(key="k"))
    assert sent(link) == [("acknowledge", "k")]


async def test_of_answers_never_recorded_only_the_newest_128_stay():
    peer = Peer(AgentId("a"), SetClock())
    link = attached(peer)
    for index in range(130):
        peer.open(f"k{index}", Stop(), 5)
        peer.answer(pb.Result(key=f"k{index}"))
        assert len(peer._unrecorded) <= 128
    told = [message for message in sent(link) if message[0] == "acknowledge"]
    assert told == [("acknowledge", "k0"), ("acknowledge", "k1")]


async def test_a_result_of_a_cancelled_question_may_be_forgotten():
    peer = Peer(AgentId("a"), SetClock())
    link = attached(peer)
    peer.open("k", Stop(), 5)
    peer.close("k", is_cancelled=True)
    peer.answer(pb.Result(key="k", error="cancelled"))
    assert sent(link) == [("welcome", ""), ("request", "k"), ("cancel", "k"), ("acknowledge", "k")]


async def test_a_question_cancelled_before_it_was_sent_is_never_sent():
    peer = Peer(AgentId("a"), SetClock())
    peer.open("k", Stop(), 5)
    peer.close("k", is_cancelled=True)
    assert sent(attached(peer)) == [("welcome", "")]


async def test_after_a_reconnect_exactly_what_the_agent_does_not_know_is_asked_again():
    peer = Peer(AgentId("a"), SetClock())
    attached(peer)
    for key in ("lost", "running", "held"):
        peer.open(key, Stop(), 5)
    link = attached(peer, pb.Hello(report=pb.Report(running=["running"]), held_results=["held"]))
    assert sent(link) == [("welcome", ""), ("request", "lost")]


@pytest.mark.parametrize(("timeout_s", "told"), [(60.0, 59), (1.5, 1), (0.2, 1), (float("inf"), 0)])
async def test_the_agent_is_told_what_time_is_left_when_it_is_asked(timeout_s, told):
    clock = SetClock()
    peer = Peer(AgentId("a"), clock)
    pending = peer.open("k", Start(), timeout_s)
    attached(peer)
    assert pending.message.timeout_s == told


async def test_time_spent_waiting_for_the_agent_is_taken_off():
    clock = SetClock()
    peer = Peer(AgentId("a"), clock)
    pending = peer.open("k", Start(), 60)
    clock.at += 20
    attached(peer)
    assert pending.message.timeout_s == 39


async def test_the_packages_of_the_last_spec_may_be_fetched_after_it_was_applied():
    peer = Peer(AgentId("a"), SetClock())
    attached(peer)
    peer.open("p", Prepare(spec=spec_with("one", "two")), 5)
    peer.answer(pb.Result(key="p"))
    assert [peer.may_fetch(BlobId(b)) for b in ("one", "two", "three")] == [True, True, False]
    peer.open("a", Apply(spec=spec_with("three")), 5)
    assert [peer.may_fetch(BlobId(b)) for b in ("one", "three")] == [False, True]


async def test_a_key_too_long_to_be_ours_is_neither_kept_nor_repeated():
    peer = Peer(AgentId("a"), SetClock())
    link = attached(peer)
    peer.answer(pb.Result(key="x" * 100_000))
    assert sent(link) == [("welcome", "")]
    assert not peer._unclaimed


def test_an_agent_that_sends_little_is_never_made_to_wait():
    throttle = Throttle(0.0)
    assert [throttle.wait_s(float(n), 200) for n in range(1000)] == [0.0] * 1000


def test_after_the_burst_a_message_waits_and_a_large_one_waits_longer():
    throttle = Throttle(0.0)
    waits = [throttle.wait_s(0.0, 0) for _ in range(501)]
    assert waits[:500] == [0.0] * 500
    assert waits[500] == pytest.approx(0.01)
    assert throttle.wait_s(0.0, 16 * 1024 * 1024) > 2.5
