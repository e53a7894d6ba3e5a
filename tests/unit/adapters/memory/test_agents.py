"""What only the agents of memory do: obey, remember, and outlive a director."""

import asyncio

import pytest

from director.adapters.memory.agents import MemoryAgents, Reply
from director.model.names import AgentId, DeploymentName, DiskName, InstanceId
from director.model.sighting import JobState
from director.model.wanted import Content, RenderedJob
from director.ports.agents import AgentSpec, Apply, DrainJobs, Errand, Migrate, Mount, Start, Unmount

A = AgentId("a")


class LoopClock:
    """The loop's own time, so that a test may own it."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def booted(agents: MemoryAgents) -> None:
    assert agents.boot(await agents.enrolment_for(A, InstanceId("i"), DeploymentName("d"), 1))


def spec() -> AgentSpec:
    job = RenderedJob(name="web", files=(), monit="", digest="d")
    return AgentSpec(
        deployment=DeploymentName("d"),
        instance={},
        content=Content(jobs=(job,)),
        packages=(),
        configuration_hash="hash",
    )


async def test_an_obedient_agent_is_what_it_was_asked_to_be():
    agents = MemoryAgents(LoopClock())
    await booted(agents)
    for key, request in enumerate([Apply(spec=spec()), Mount(disk=DiskName("d1"), hint={}), Start()]):
        await agents.ask(A, request, key=str(key), timeout_s=1)
    seen = agents.seen()[A]
    assert (seen.configuration_hash, seen.disks, seen.job_state) == ("hash", ("d1",), JobState.RUNNING)
    assert [process.name for process in seen.processes] == ["web"]
    for key, request in enumerate(
        [DrainJobs(kind="shutdown"), Migrate(old=DiskName("d1"), new=DiskName("d2"), hint={})], start=10
    ):
        await agents.ask(A, request, key=str(key), timeout_s=1)
    assert (agents.seen()[A].disks, agents.seen()[A].job_state) == (("d2",), JobState.STOPPED)
    await agents.ask(A, Unmount(disk=DiskName("d2")), key="20", timeout_s=1)
    assert agents.seen()[A].disks == ()


async def test_a_key_is_carried_out_once_and_answers_the_same_again():
    agents = MemoryAgents(LoopClock(), script=lambda *_: Reply(result={"exit_code": 7, "stdout": "", "stderr": ""}))
    await booted(agents)
    first = await agents.ask(A, Errand(job="e"), key="k", timeout_s=1)
    assert await agents.ask(A, Errand(job="e"), key="k", timeout_s=1) == first
    assert agents.done == [(A, "k")]


@pytest.mark.parametrize("is_lost", [True, False])
async def test_work_under_way_survives_its_director_but_not_a_cancel(is_lost):
    agents = MemoryAgents(LoopClock(), script=lambda *_: Reply(after_s=0.01))
    await booted(agents)
    asking = asyncio.create_task(agents.ask(A, Errand(job="e"), key="k", timeout_s=1))
    await asyncio.sleep(0)
    if is_lost:
        agents.lose_director()
        assert agents.seen() == {}
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    agents.find_director()
    assert list(agents.seen()) == [A]
    assert agents.done == ([(A, "k")] if is_lost else [])


async def test_a_new_vm_remembers_nothing_of_the_one_before():
    agents = MemoryAgents(LoopClock())
    await booted(agents)
    await agents.ask(A, Mount(disk=DiskName("d1"), hint={}), key="k", timeout_s=1)
    await booted(agents)
    assert agents.seen()[A].disks == ()
    await agents.ask(A, Mount(disk=DiskName("d1"), hint={}), key="k", timeout_s=1)
    assert agents.done == [(A, "k"), (A, "k")]
