"""What every ``Agents`` does: the same claims on the gRPC gateway with real clients, and on memory."""

import asyncio
import tempfile
from pathlib import Path

import grpc
import pytest

from agent.wire import agent_pb2 as pb
from director.adapters.agents.authority import Authority
from director.adapters.agents.gateway import Gateway, GatewayOptions
from director.adapters.agents.listen import Listen
from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents, Reply
from director.model.names import AgentId, BlobId, DeploymentName, Digest, InstanceId
from director.model.sighting import JobState, SeenProcess
from director.ports.agents import Agents, Compile, Errand, Start, Stop
from director.ports.failure import AgentFailure, AgentSilent
from director.ports.infrastructure import Enrolment
from tests.unit.adapters.agents.scripted_agent import DictBlobs, DictStore, ScriptedAgent

A, B = AgentId("a-1"), AgentId("a-2")


class World:
    """An ``Agents`` and the hand of whoever runs the VMs. ``replies`` says by key how a request ends."""

    agents: Agents

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}

    async def invite(self, agent: AgentId = A) -> Enrolment:
        return await self.agents.enrolment_for(agent, InstanceId("i"), DeploymentName("d"), 1)

    async def up(self, agent: AgentId = A) -> None:
        assert await self.boot(await self.invite(agent))
        await self.agents.await_connected(agent, 10)

    def reply(self, key: str) -> Reply:
        return self.replies.get(key, Reply())

    async def boot(self, enrolment: Enrolment) -> bool: ...

    async def silence(self, agent: AgentId) -> None: ...

    async def wake(self, agent: AgentId) -> None: ...

    async def report(self, agent: AgentId, state: JobState, *uptimes: float) -> None: ...

    def ran(self) -> list[str]: ...

    async def close(self) -> None: ...


class MemoryWorld(World):
    def __init__(self) -> None:
        super().__init__()
        self.agents = self.memory = MemoryAgents(SystemClock(), script=lambda _agent, key, _request: self.reply(key))

    async def boot(self, enrolment: Enrolment) -> bool:
        return self.memory.boot(enrolment)

    async def silence(self, agent: AgentId) -> None:
        self.memory.silence(agent)

    async def wake(self, agent: AgentId) -> None:
        self.memory.wake(agent)

    async def report(self, agent: AgentId, state: JobState, *uptimes: float) -> None:
        processes = tuple(SeenProcess(name="p", job="j", state="running", uptime_s=uptime) for uptime in uptimes)
        self.memory.report(agent, state, processes)

    def ran(self) -> list[str]:
        return [key for _, key in self.memory.done]


class GatewayWorld(World):
    def __init__(self, directory: Path, sockets: Path) -> None:
        super().__init__()
        self.clients: dict[AgentId, ScriptedAgent] = {}
        self.agents = self.gateway = Gateway(
            store=DictStore(),
            blobs=DictBlobs(),
            clock=SystemClock(),
            authority=Authority(directory, SystemClock()),
            options=GatewayOptions(agents=Listen(socket=sockets / "a.sock"), enrol=Listen(socket=sockets / "e.sock")),
            warn=lambda *_: None,
        )

    async def boot(self, enrolment: Enrolment) -> bool:
        client = ScriptedAgent(enrolment, target=0, script=self.reply)
        replaced = self.clients.get(enrolment.agent)
        try:
            await client.enrol()
        except grpc.aio.AioRpcError as refused:
            return refused.code() is not grpc.StatusCode.PERMISSION_DENIED
        if replaced:
            await replaced.close()
        self.clients[enrolment.agent] = client
        await client.connect()
        return True

    async def silence(self, agent: AgentId) -> None:
        await self.clients[agent].hang_up()
        await self.agents.await_seen(agent, lambda seen: not seen.is_connected, 10)

    async def wake(self, agent: AgentId) -> None:
        await self.clients[agent].connect()

    async def report(self, agent: AgentId, state: JobState, *uptimes: float) -> None:
        processes = [pb.Process(name="p", job="j", state="running", uptime_s=uptime) for uptime in uptimes]
        await self.clients[agent].tell(
            pb.Report(job_state=pb.JobState.Value(f"JOB_STATE_{state.name}"), processes=processes)
        )

    def ran(self) -> list[str]:
        return [key for _, client in sorted(self.clients.items()) for key in client.ran]

    async def close(self) -> None:
        for client in self.clients.values():
            await client.close()
        await self.gateway.stop()


@pytest.fixture(params=["memory", "gateway"])
async def world(request, tmp_path):
    if request.param == "memory":
        yield MemoryWorld()
        return
    with tempfile.TemporaryDirectory() as sockets:
        world = GatewayWorld(tmp_path, Path(sockets))
        await world.gateway.start()
        yield world
        await world.close()


async def test_an_agent_is_seen_once_it_has_dialled_in(world):
    enrolment = await world.invite()
    assert world.agents.seen() == {}
    assert await world.boot(enrolment)
    await world.agents.await_connected(A, 10)
    seen = world.agents.seen()
    assert list(seen) == [A]
    assert (seen[A].is_connected, seen[A].job_state, seen[A].processes) == (True, JobState.STOPPED, ())


async def test_whoever_waits_for_an_agent_is_woken_when_it_dials_in(world):
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(world.agents.await_connected(A, 10))
        await world.up()
    assert waiting.done()


async def test_an_agent_that_never_dials_in_is_silent_in_time(world):
    await world.invite()
    with pytest.raises(AgentSilent):
        await world.agents.await_connected(A, 0.05)
    with pytest.raises(AgentSilent):
        await world.agents.ask(A, Stop(), key="k", timeout_s=0.05)
    with pytest.raises(AgentSilent):
        await world.agents.await_seen(A, lambda _: True, 0.05)


async def test_a_token_works_once_and_a_newer_one_ends_an_older_one(world):
    old = await world.invite()
    new = await world.invite()
    assert not await world.boot(old)
    assert await world.boot(new)
    assert not await world.boot(new)


async def test_a_token_shows_in_no_repr(world):
    enrolment = await world.invite()
    assert enrolment.token
    assert enrolment.token not in repr(enrolment)


@pytest.mark.parametrize(
    ("request_", "reply", "answer"),
    [
        (Stop(), Reply(), {}),
        (
            Errand(job="smoke"),
            Reply(result={"exit_code": 1, "stdout": "out", "stderr": "err"}),
            {"exit_code": 1, "stdout": "out", "stderr": "err"},
        ),
        (
            Compile(name="p", fingerprint="f", source=BlobId("s"), digest=Digest("d")),
            Reply(result={"blob": "b", "digest": "sha256:b"}),
            {"blob": "b", "digest": "sha256:b"},
        ),
    ],
    ids=["stop", "errand", "compile"],
)
async def test_a_request_gives_its_result(world, request_, reply, answer):
    await world.up()
    world.replies["k"] = reply
    assert await world.agents.ask(A, request_, key="k", timeout_s=10) == answer
    assert world.ran() == ["k"]


@pytest.mark.parametrize("reply", [Reply(), Reply(error="disk full")], ids=["done", "failed"])
async def test_a_result_is_kept_until_the_agent_is_told_to_forget_it(world, reply):
    await world.up()
    world.replies["k"] = reply

    async def ends():
        try:
            await world.agents.ask(A, Stop(), key="k", timeout_s=10)
        except AgentFailure as failure:
            return str(failure)
        return ""

    assert [await ends(), await ends()] == [reply.error, reply.error]
    assert world.ran() == ["k"]
    world.agents.forget(A, "k")
    assert await ends() == reply.error
    assert world.ran() == ["k", "k"]


async def test_an_agent_that_is_away_forgets_when_it_is_back(world):
    await world.up()
    await world.agents.ask(A, Stop(), key="k", timeout_s=10)
    await world.silence(A)
    world.agents.forget(A, "k")
    await world.wake(A)
    await world.agents.await_connected(A, 10)
    await world.agents.ask(A, Start(), key="another", timeout_s=10)  # it has read all that was sent before
    await world.agents.ask(A, Stop(), key="k", timeout_s=10)
    assert world.ran() == ["k", "another", "k"]


async def test_forgetting_what_nobody_knows_of_is_nothing(world):
    world.agents.forget(A, "k")
    await world.up()
    world.agents.forget(A, "k")
    await world.agents.ask(A, Stop(), key="k", timeout_s=10)
    assert world.ran() == ["k"]


async def test_whoever_waits_for_an_agent_to_be_away_is_told_when_its_stream_ends(world):
    await world.agents.await_away(A)  # it has never come
    assert world.agents.seen_of(A) is None
    await world.up()
    assert world.agents.seen_of(A).is_connected
    waiting = asyncio.create_task(world.agents.await_away(A))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await world.silence(A)
    await asyncio.wait_for(waiting, 5)
    assert not world.agents.seen_of(A).is_connected
    await world.agents.await_away(A)


async def test_a_failure_on_the_vm_has_the_agents_words(world):
    await world.up()
    world.replies["k"] = Reply(error="disk full")
    with pytest.raises(AgentFailure, match=r"^disk full$"):
        await world.agents.ask(A, Start(), key="k", timeout_s=10)


async def test_requests_of_several_agents_do_not_wait_for_each_other(world):
    await world.up(A)
    await world.up(B)
    world.replies["slow"] = Reply(is_silent=True)
    asking = asyncio.create_task(world.agents.ask(A, Stop(), key="slow", timeout_s=10))
    assert await world.agents.ask(B, Stop(), key="quick", timeout_s=10) == {}
    assert not asking.done()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_an_answer_that_does_not_come_is_silence(world):
    await world.up()
    world.replies["k"] = Reply(is_silent=True)
    with pytest.raises(AgentSilent):
        await world.agents.ask(A, Stop(), key="k", timeout_s=0.1)


async def test_a_request_to_an_agent_that_is_away_is_carried_out_when_it_is_back(world):
    await world.up()
    await world.silence(A)
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(world.agents.ask(A, Stop(), key="k", timeout_s=10))
        await asyncio.sleep(0.02)
        await world.wake(A)
    assert answer.result() == {}
    assert world.ran() == ["k"]


async def test_work_that_ends_while_the_agent_is_away_is_answered_when_it_is_back(world):
    await world.up()
    world.replies["k"] = Reply(after_s=0.1)
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(world.agents.ask(A, Stop(), key="k", timeout_s=10))
        await asyncio.sleep(0.05)
        await world.silence(A)
        await asyncio.sleep(0.15)
        assert not answer.done()
        await world.wake(A)
    assert answer.result() == {}
    assert world.ran() == ["k"]


async def test_a_cancelled_question_is_not_carried_out_to_its_end(world):
    await world.up()
    world.replies["k"] = Reply(after_s=0.2)
    asking = asyncio.create_task(world.agents.ask(A, Errand(job="long"), key="k", timeout_s=10))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0.25)
    assert world.ran() == []


async def test_who_waits_for_a_state_is_woken_by_the_report_of_it(world):
    await world.up()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(
            world.agents.await_seen(A, lambda seen: seen.job_state is JobState.FAILING, timeout_s=10)
        )
        await asyncio.sleep(0.02)
        await world.report(A, JobState.FAILING)
    assert waiting.result().job_state is JobState.FAILING


async def test_an_uptime_that_is_waited_for_is_noticed_without_another_report(world):
    await world.up()
    await world.report(A, JobState.RUNNING, 4.9, 8.0)
    seen = await world.agents.await_seen(
        A, lambda seen: len(seen.processes) == 2 and all(p.uptime_s >= 5 for p in seen.processes), 10
    )
    assert 5 <= seen.processes[0].uptime_s < 6


async def test_a_state_that_does_not_come_is_silence(world):
    await world.up()
    with pytest.raises(AgentSilent):
        await world.agents.await_seen(A, lambda seen: seen.job_state is JobState.RUNNING, 0.05)


async def test_an_agent_that_went_away_is_still_seen_and_its_silence_grows(world):
    await world.up()
    await world.silence(A)
    first = world.agents.seen()[A]
    await asyncio.sleep(0.02)
    second = world.agents.seen()[A]
    assert (first.is_connected, second.is_connected) == (False, False)
    assert second.silent_s > first.silent_s


async def test_a_revoked_agent_is_not_seen_and_who_waits_for_it_is_told_at_once(world):
    await world.up()
    world.replies["k"] = Reply(is_silent=True)
    asking = asyncio.create_task(world.agents.ask(A, Stop(), key="k", timeout_s=60))
    waiting = asyncio.create_task(world.agents.await_seen(A, lambda _: False, 60))
    await asyncio.sleep(0.05)
    await world.agents.revoke(A)
    ends = await asyncio.wait_for(asyncio.gather(asking, waiting, return_exceptions=True), 5)
    assert [type(end) for end in ends] == [AgentSilent, AgentSilent]
    assert world.agents.seen() == {}
    await world.agents.revoke(A)


async def test_a_revoked_agents_unused_token_is_useless(world):
    enrolment = await world.invite()
    await world.agents.revoke(A)
    assert not await world.boot(enrolment)


async def test_agents_are_seen_in_the_order_of_their_ids(world):
    for agent in ("c", "a", "b"):
        await world.up(AgentId(agent))
    assert list(world.agents.seen()) == ["a", "b", "c"]
