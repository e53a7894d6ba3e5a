"""One agent's stream: questions over reconnects, reports as they come, and what a hostile one cannot do."""

import asyncio
import os
import time

import grpc
import pytest

from agent.wire import agent_pb2 as pb
from agent.wire import agent_pb2_grpc as rpc
from director.adapters.memory.agents import Reply
from director.model.names import AgentId, BlobId, Digest
from director.model.sighting import JobState
from director.ports.agents import Compile, DrainJobs, Errand, FetchLogs, Start, Stop
from director.ports.failure import AgentFailure, AgentSilent
from tests.unit.adapters.agents.scripted_agent import next_of, refusal

A = AgentId("a-1")


def running(*uptimes: float) -> pb.Report:
    processes = [pb.Process(name=f"p{i}", job="j", state="running", uptime_s=up) for i, up in enumerate(uptimes)]
    return pb.Report(job_state=pb.JOB_STATE_RUNNING, processes=processes)


async def ended(agent) -> grpc.StatusCode:
    async with asyncio.timeout(10):
        return await agent.call.code()


async def test_a_question_asked_before_the_agent_dials_in_is_asked_when_it_does(site):
    agent = await site.invite(script=lambda _: Reply(result={"exit_code": 3, "stdout": "o", "stderr": "e"}))
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(site.gateway.ask(A, Errand(job="smoke"), key="k", timeout_s=10))
        await agent.enrol()
        await agent.connect()
    assert answer.result() == {"exit_code": 3, "stdout": "o", "stderr": "e"}
    site.gateway.forget(A, "k")
    assert (await next_of(agent, "acknowledge")).key == "k"


async def test_the_agents_time_is_a_little_less_than_ours(site):
    agent = await site.connected()
    await site.gateway.ask(A, Start(), key="k", timeout_s=60)
    assert (await next_of(agent, "request")).timeout_s == 59


async def test_output_that_is_no_text_is_still_shown(site):
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(site.gateway.ask(A, Errand(job="smoke"), key="k", timeout_s=10))
        await next_of(agent, "request")
        await agent.say(result=pb.Result(key="k", errand=pb.ErrandResult(exit_code=0, stdout=b"\xff ok")))
    assert answer.result()["stdout"] == "\N{REPLACEMENT CHARACTER} ok"


async def test_a_question_the_agent_lost_is_asked_again_after_a_reconnect(site):
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(site.gateway.ask(A, Stop(), key="k", timeout_s=10))
        await next_of(agent, "request")
        await agent.close()
        agent._work.clear()
        agent.script = lambda _: Reply()
        await agent.connect()
    assert answer.result() == {}
    assert agent.ran == ["k"]


async def test_a_question_the_agent_is_at_is_not_asked_again_after_a_reconnect(site):
    agent = await site.connected(script=lambda _: Reply(after_s=0.3))
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(site.gateway.ask(A, Stop(), key="k", timeout_s=10))
        await next_of(agent, "request")
        await agent.hang_up()
        await agent.connect()
    assert answer.result() == {}
    kinds = [agent.got.get_nowait().WhichOneof("body") for _ in range(agent.got.qsize())]
    assert "request" not in kinds


async def test_a_result_reached_while_apart_answers_after_a_reconnect(site):
    agent = await site.connected(script=lambda _: Reply(after_s=0.05))
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(site.gateway.ask(A, Stop(), key="k", timeout_s=10))
        await next_of(agent, "request")
        await agent.hang_up()
        while not agent.results:
            await asyncio.sleep(0.01)
        await agent.connect()
    assert answer.result() == {}
    assert agent.ran == ["k"]


async def test_a_result_of_before_the_directors_restart_waits_for_the_question(site):
    agent = await site.connected(target=0, script=lambda _: Reply(after_s=0.05, result={"blob": "b", "digest": "d"}))
    first = asyncio.create_task(site.gateway.ask(A, FetchLogs(), key="k", timeout_s=10))
    await next_of(agent, "request")
    old, (site.gateway) = site.gateway, site._make()
    await old.stop()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await agent.hang_up()
    while not agent.results:
        await asyncio.sleep(0.01)
    await site.gateway.start()
    await agent.connect()
    await asyncio.sleep(0.1)  # the result is repeated now, and nobody has asked for it yet
    assert list(agent.results) == ["k"]
    assert await site.gateway.ask(A, FetchLogs(), key="k", timeout_s=10) == {"blob": "b", "digest": "d"}
    site.gateway.forget(A, "k")
    assert (await next_of(agent, "acknowledge")).key == "k"
    assert agent.ran == ["k"]


async def test_a_recorded_result_that_comes_again_is_acknowledged_and_nothing_more(site):
    agent = await site.connected()
    await site.gateway.ask(A, Stop(), key="k", timeout_s=10)
    site.gateway.forget(A, "k")
    await next_of(agent, "acknowledge")
    await agent.say(result=pb.Result(key="k", error="again"))
    assert (await next_of(agent, "acknowledge")).key == "k"


async def test_a_failure_on_the_vm_is_told_in_the_agents_words(site):
    await site.connected(script=lambda _: Reply(error="bin/pre-start of job web exited 3"))
    with pytest.raises(AgentFailure, match=r"^bin/pre-start of job web exited 3$"):
        await site.gateway.ask(A, Start(), key="k", timeout_s=10)


async def test_a_cancelled_question_is_cancelled_on_the_agent(site):
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    asking = asyncio.create_task(site.gateway.ask(A, DrainJobs(kind="shutdown"), key="k", timeout_s=10))
    await next_of(agent, "request")
    asking.cancel()
    assert (await next_of(agent, "cancel")).key == "k"
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_question_cancelled_while_the_agent_was_away_is_cancelled_when_it_is_back(site):
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    asking = asyncio.create_task(site.gateway.ask(A, Errand(job="long"), key="k", timeout_s=10))
    await next_of(agent, "request")
    await agent.hang_up()
    await site.gateway.await_seen(A, lambda seen: not seen.is_connected, 5)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await agent.connect()
    assert (await next_of(agent, "cancel")).key == "k"


async def test_a_question_cancelled_because_the_director_stops_goes_on_on_the_agent(site):
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    asking = asyncio.create_task(site.gateway.ask(A, Errand(job="long"), key="k", timeout_s=10))
    await next_of(agent, "request")
    await site.gateway.stop()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await ended(agent) is grpc.StatusCode.UNAVAILABLE
    assert "cancel" not in [agent.got.get_nowait().WhichOneof("body") for _ in range(agent.got.qsize())]


async def test_an_agent_that_does_not_answer_is_silent_and_may_be_asked_again(site):
    agent = await site.connected(script=lambda _: Reply(after_s=0.3))
    with pytest.raises(AgentSilent, match=r"stop.*connected"):
        await site.gateway.ask(A, Stop(), key="k", timeout_s=0.1)
    assert await site.gateway.ask(A, Stop(), key="k", timeout_s=10) == {}
    assert agent.ran == ["k"]


async def test_reports_wake_who_waits_and_uptimes_grow_between_them(site):
    agent = await site.connected()
    await agent.tell(running(5.0, 9.0))
    started = time.monotonic()
    seen = await site.gateway.await_seen(
        A, lambda seen: bool(seen.processes) and min(p.uptime_s for p in seen.processes) >= 5.3, 10
    )
    assert time.monotonic() - started > 0.1
    assert 5.3 <= seen.processes[0].uptime_s < 15
    assert seen.job_state is JobState.RUNNING
    assert seen.silent_s < 10


async def test_uptimes_stop_growing_when_the_agent_is_gone(site):
    agent = await site.connected()
    await agent.tell(running(5.0))
    await site.gateway.await_seen(A, lambda seen: bool(seen.processes), 5)
    await agent.hang_up()
    gone = await site.gateway.await_seen(A, lambda seen: not seen.is_connected, 5)
    await asyncio.sleep(0.05)
    later = site.gateway.seen()[A]
    assert later.processes == gone.processes
    assert later.silent_s > gone.silent_s


async def test_the_newer_of_two_streams_of_one_agent_stays(site):
    old = await site.connected()
    stub = await old.open()  # a second channel with the same certificate
    newer = stub.Connect()
    await newer.write(pb.FromAgent(hello=pb.Hello(boot=2)))
    assert (await newer.read()).HasField("welcome")
    assert await ended(old) is grpc.StatusCode.ABORTED
    assert [agent for agent, _ in site.warnings] == [A]
    assert site.gateway.seen()[A].is_connected
    newer.cancel()


async def test_a_revoked_agents_stream_and_questions_end_at_once(site):
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    asking = asyncio.create_task(site.gateway.ask(A, Stop(), key="k", timeout_s=60))
    waiting = asyncio.create_task(site.gateway.await_seen(A, lambda _: False, 60))
    await next_of(agent, "request")
    await site.gateway.revoke(A)
    assert await ended(agent) is grpc.StatusCode.PERMISSION_DENIED
    ends = await asyncio.wait_for(asyncio.gather(asking, waiting, return_exceptions=True), 5)
    assert [type(end) for end in ends] == [AgentSilent, AgentSilent]
    assert site.gateway.seen() == {}


async def test_the_first_message_must_be_hello(site):
    agent = await site.invite()
    await agent.enrol()
    call = (await agent.open()).Connect()
    await call.write(pb.FromAgent(report=pb.Report()))
    assert await refusal(call.read()) is grpc.StatusCode.INVALID_ARGUMENT


async def test_bytes_that_are_no_message_end_only_their_own_stream(site):
    agent, other = await site.connected(), await site.connected("a-2")
    raw = agent._channel.stream_stream("/agent.v1.Gateway/Connect")()
    await raw.write(pb.FromAgent(hello=pb.Hello()).SerializeToString())
    await raw.read()
    await raw.write(b"\xff\xff\xff not protobuf")
    assert await refusal(raw.read()) is grpc.StatusCode.INVALID_ARGUMENT
    assert site.gateway.seen()[AgentId("a-2")].is_connected
    assert other.call.done() is False


async def test_a_result_for_another_agents_question_answers_nothing(site):
    asked = await site.connected(script=lambda _: Reply(is_silent=True))
    liar = await site.connected("a-2")
    asking = asyncio.create_task(site.gateway.ask(A, Errand(job="smoke"), key="k", timeout_s=10))
    await next_of(asked, "request")
    await liar.say(result=pb.Result(key="k", error="forged"))
    await liar.tell(running(1.0))
    await site.gateway.await_seen(AgentId("a-2"), lambda seen: bool(seen.processes), 5)
    assert not asking.done()
    await asked.say(result=pb.Result(key="k"))
    assert await asking == {}


async def test_a_report_of_absurd_size_ends_the_stream(site):
    agent = await site.connected()
    await agent.say(report=pb.Report(processes=[pb.Process(name="x" * 2_000_000)]))
    assert await ended(agent) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_flood_of_messages_is_read_slowly_and_others_are_served(site):
    flooder, other = await site.connected(), await site.connected("a-2")

    async def flood() -> None:
        for index in range(5_000):
            await flooder.say(report=pb.Report(configuration_hash=str(index)))

    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        flooding = tasks.create_task(flood())
        await site.gateway.await_seen(A, lambda seen: int(seen.configuration_hash or 0) >= 450, 10)
        for index in range(20):
            await site.gateway.ask(AgentId("a-2"), Stop(), key=f"k{index}", timeout_s=5)
        flooding.cancel()
    await asyncio.sleep(0.2)
    taken = int(site.gateway.seen()[A].configuration_hash)
    assert taken <= 500 + 100 * (time.monotonic() - started) + 5
    assert len(other.ran) == 20


async def test_a_flood_of_unasked_results_by_an_agent_that_never_reads_costs_it_its_stream(site):
    agent = await site.invite()
    await agent.enrol()
    stub = await agent.open(("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024))
    call = stub.Connect()
    await call.write(pb.FromAgent(hello=pb.Hello()))

    async def flood() -> None:
        for index in range(5_000):
            await call.write(pb.FromAgent(result=pb.Result(key=f"{index}:{'x' * 900}")))

    flooding = asyncio.create_task(flood())
    await site.gateway.await_seen(A, lambda seen: not seen.is_connected, 10)
    assert len(site.gateway._roster.find(A)._unclaimed) <= 64
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    call.cancel()


async def test_too_many_questions_at_once_are_refused(site):
    await site.invite()
    asking = [asyncio.create_task(site.gateway.ask(A, Stop(), key=f"k{n}", timeout_s=60)) for n in range(64)]
    await asyncio.sleep(0)
    with pytest.raises(AgentFailure, match="64 requests"):
        await site.gateway.ask(A, Stop(), key="one more", timeout_s=60)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_a_large_request_arrives_whole(site):
    agent = await site.connected()
    name, env = "big", {"DATA": os.urandom(8_000_000).hex()}
    await site.gateway.ask(A, Errand(job=name, env=env), key="k", timeout_s=20)
    request = await next_of(agent, "request")
    assert dict(request.run_errand.env) == env


async def test_two_hundred_agents_connect_at_once(site):
    agents = [await site.invite(f"a-{n}", target=n % 2) for n in range(200)]

    async def arrive(agent) -> None:
        await agent.enrol()
        await agent.connect()

    await asyncio.gather(*(arrive(agent) for agent in agents))
    seen = site.gateway.seen()
    assert list(seen) == sorted(f"a-{n}" for n in range(200))
    assert all(agent.is_connected for agent in seen.values())
    await asyncio.gather(*(site.gateway.ask(AgentId(f"a-{n}"), Stop(), key=f"k{n}", timeout_s=20) for n in range(200)))


async def fetched(agent, blob: str) -> bytes:
    stub = rpc.GatewayStub(agent._channel)
    return b"".join([chunk.data async for chunk in stub.Fetch(pb.FetchRequest(blob=blob), timeout=10)])


async def test_a_blob_is_given_to_the_agent_asked_to_use_it_and_to_no_other(site):
    data = os.urandom(700_000)
    site.blobs.bytes[BlobId("src")] = data
    site.blobs.bytes[BlobId("secret")] = b"not yours"
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    other = await site.connected("a-2")
    request = Compile(name="p", fingerprint="f", source=BlobId("src"), digest=Digest("d"))
    asking = asyncio.create_task(site.gateway.ask(A, request, key="k", timeout_s=10))
    await next_of(agent, "request")
    assert await fetched(agent, "src") == data
    for who, blob in [(agent, "secret"), (other, "src")]:
        assert await refusal(fetched(who, blob)) is grpc.StatusCode.PERMISSION_DENIED
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    with pytest.raises(grpc.aio.AioRpcError):
        await fetched(agent, "src")


async def test_what_an_agent_is_at_since_before_a_restart_makes_its_fetch_worth_repeating(site):
    agent = await site.connected()
    await agent.tell(pb.Report(running=["before"]))
    await site.gateway.await_seen(A, lambda seen: seen.job_state is JobState.UNKNOWN, 5)
    assert await refusal(fetched(agent, "src")) is grpc.StatusCode.UNAVAILABLE


async def test_a_blob_that_is_missing_is_said_to_be(site):
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    request = Compile(name="p", fingerprint="f", source=BlobId("src"), digest=Digest("d"))
    asking = asyncio.create_task(site.gateway.ask(A, request, key="k", timeout_s=10))
    await next_of(agent, "request")
    assert await refusal(fetched(agent, "src")) is grpc.StatusCode.NOT_FOUND
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_an_agent_stores_a_blob_when_asked_for_one_and_within_the_limit(site):
    agent = await site.connected(script=lambda _: Reply(is_silent=True))
    stub = rpc.GatewayStub(agent._channel)

    async def store(size: int):
        chunks = (pb.Chunk(data=b"x" * 100_000) for _ in range(size // 100_000))
        return await stub.Store(chunks, timeout=10)

    assert await refusal(store(100_000)) is grpc.StatusCode.PERMISSION_DENIED
    asking = asyncio.create_task(site.gateway.ask(A, FetchLogs(), key="k", timeout_s=10))
    await next_of(agent, "request")
    reply = await store(300_000)
    assert len(site.blobs.bytes[BlobId(reply.blob.id)]) == 300_000
    assert await refusal(store(2_000_000)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    await agent.say(result=pb.Result(key="k", blob=reply.blob))
    assert await asking == {"blob": reply.blob.id, "digest": reply.blob.digest}
