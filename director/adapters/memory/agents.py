"""Agents that live in this process: they enrol when a memory VM boots, do as they are asked, and fail on demand.

Implements ``ports.agents.Agents`` as the gateway does, wire and certificates apart. What an agent does takes no time
unless its script says so. Agents outlive a director: ``lose_director`` cuts every connection, as a crash does.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from director.model.names import AgentId, DeploymentName, DiskName, InstanceId
from director.model.sighting import JobState, SeenAgent, SeenProcess
from director.model.tree import Tree
from director.ports.agents import (
    AgentRequest,
    AgentSpec,
    Apply,
    Compile,
    DrainJobs,
    Errand,
    FetchLogs,
    Migrate,
    Mount,
    Start,
    Stop,
    Unmount,
)
from director.ports.clock import Clock
from director.ports.failure import AgentFailure, AgentSilent, Retry
from director.ports.infrastructure import Enrolment

_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How one request ends: ``after_s`` seconds of work, then ``error`` unless empty. ``is_silent`` never answers.

    ``result`` None stands for what an obedient agent gives.
    """

    after_s: float = 0.0
    error: str = ""
    is_silent: bool = False
    result: Tree | None = None


Script = Callable[[AgentId, str, AgentRequest], Reply]
"""Agent, key and request to how it ends."""


def obey(agent: AgentId, key: str, request: AgentRequest) -> Reply:  # noqa: ARG001  a Script
    """Everything works at once."""
    return Reply()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failed:
    error: str


@dataclass(slots=True, kw_only=True, eq=False)
class _Agent:
    """One agent, its VM, and what it remembers."""

    id: AgentId
    token: str = ""
    is_up: bool = False  # its process runs and it has not been silenced
    is_known: bool = False  # it has spoken to this director
    is_given_up: bool = False
    heard_at: float = 0.0
    spec: AgentSpec | None = None
    processes: tuple[SeenProcess, ...] = ()
    started_at: float | None = None
    state: JobState = JobState.STOPPED
    disks: frozenset[DiskName] = frozenset()
    results: dict[str, Tree | _Failed] = field(default_factory=dict)
    forgettable: set[str] = field(default_factory=set)  # told to, while it was away
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryAgents:
    """``script`` may be replaced at any time. ``done`` has (agent, key) of every request carried out, in order."""

    def __init__(
        self, clock: Clock, *, script: Script = obey, new_token: Callable[[], str] = secrets.token_urlsafe
    ) -> None:
        self.script = script
        self.done: list[tuple[AgentId, str]] = []
        self._clock = clock
        self._new_token = new_token
        self._agents: dict[AgentId, _Agent] = {}
        self._has_director = True
        self._told = asyncio.Event()

    # What a test does to the world

    def boot(self, enrolment: Enrolment) -> bool:
        """A new VM has this enrolment: its agent dials in, remembering nothing. False unless its token is the last."""
        agent = self._agents.get(enrolment.agent)
        if agent is None or agent.is_given_up or agent.token != enrolment.token:
            return False
        agent.token, agent.is_up = "", True
        agent.spec, agent.processes, agent.started_at, agent.state = None, (), None, JobState.STOPPED
        agent.disks, agent.results, agent.forgettable = frozenset(), {}, set()
        self._hear(agent)
        return True

    def silence(self, agent: AgentId) -> None:
        """Its process or its network is gone; what it was asked to do waits."""
        known = self._agents[agent]
        if self._is_connected(known):
            known.heard_at = self._clock.monotonic()
        known.is_up = False
        self._wake(known)

    def wake(self, agent: AgentId) -> None:
        """It is back, and remembers what it did; one given up may not be back."""
        known = self._agents[agent]
        known.is_up = not known.is_given_up
        self._hear(known)

    def report(self, agent: AgentId, state: JobState, processes: tuple[SeenProcess, ...] = ()) -> None:
        """It reports this state from now on; uptimes grow from what ``processes`` say."""
        known = self._agents[agent]
        known.state, known.processes, known.started_at = state, processes, self._clock.monotonic()
        self._hear(known)

    def lose_director(self) -> None:
        """The director is gone: no question cancelled from now on is cancelled on its agent."""
        self._has_director = False
        for agent in self._agents.values():
            agent.is_known = False
            agent.forgettable.clear()

    def find_director(self) -> None:
        """A director is back, and hears of every agent that is up."""
        self._has_director = True
        for agent in self._agents.values():
            if agent.is_up:
                self._hear(agent)

    # The port

    def seen(self) -> Mapping[AgentId, SeenAgent]:
        known = (agent for agent in self._agents.values() if agent.is_known)
        return {agent.id: self._look(agent) for agent in sorted(known, key=lambda agent: agent.id)}

    def seen_of(self, agent: AgentId) -> SeenAgent | None:
        known = self._agents.get(agent)
        return self._look(known) if known and known.is_known else None

    async def changed(self) -> None:
        await self._told.wait()
        self._told.clear()

    async def enrolment_for(
        self,
        agent: AgentId,
        instance: InstanceId,  # noqa: ARG002  nobody asks memory whose agent it is
        deployment: DeploymentName,  # noqa: ARG002
        generation: int,  # noqa: ARG002
    ) -> Enrolment:
        known = self._agent(agent)
        known.token, known.is_given_up = self._new_token(), False
        return Enrolment(agent=agent, token=known.token, ca_certificate="", enrol_targets=(), agent_targets=())

    async def await_connected(self, agent: AgentId, timeout_s: float) -> None:
        known = self._agent(agent)
        with _silent_after(f"Agent {agent} has not connected within {timeout_s:g} s."):
            async with asyncio.timeout(timeout_s):
                while not self._is_connected(known):
                    await self._change(known)

    async def await_away(self, agent: AgentId) -> None:
        known = self._agent(agent)
        while self._is_connected(known):
            await self._change(known)

    async def await_seen(self, agent: AgentId, is_enough: Callable[[SeenAgent], bool], timeout_s: float) -> SeenAgent:
        known = self._agent(agent)
        with _silent_after(f"Agent {agent} was not seen as wanted within {timeout_s:g} s."):
            async with asyncio.timeout(timeout_s):
                while not (known.is_known and is_enough(self._look(known))):
                    grows = known.state is JobState.RUNNING and self._is_connected(known)
                    await self._change(known, _LOOK_S if grows else None)
        return self._look(known)

    async def ask(self, agent: AgentId, request: AgentRequest, *, key: str, timeout_s: float) -> Tree:
        known = self._agent(agent)
        with _silent_after(f"Agent {agent} did not answer {type(request).__name__} within {timeout_s:g} s."):
            async with asyncio.timeout(timeout_s):
                result = await self._result(known, request, key)
        if isinstance(result, _Failed):
            raise AgentFailure(result.error)
        return result

    def forget(self, agent: AgentId, key: str) -> None:
        known = self._agents.get(agent)
        if known is not None:
            known.forgettable.add(key)
            self._forget(known)

    async def revoke(self, agent: AgentId) -> None:
        known = self._agents.get(agent)
        if known is not None:
            known.is_up, known.is_known, known.is_given_up, known.token = False, False, True, ""
            self._wake(known)

    # How an agent works

    async def _result(self, agent: _Agent, request: AgentRequest, key: str) -> Tree | _Failed:
        while not self._is_connected(agent):
            await self._change(agent)
        if key not in agent.results:
            await self._work(agent, request, key)
        while not self._is_connected(agent):  # it fell silent over its work, and answers when it is back
            await self._change(agent)
        return agent.results[key]

    async def _work(self, agent: _Agent, request: AgentRequest, key: str) -> None:
        reply = self.script(agent.id, key, request)
        try:
            while reply.is_silent:
                await self._change(agent)
            await asyncio.sleep(reply.after_s)
        except asyncio.CancelledError:
            if not self._has_director and not reply.is_silent:
                self._finish(agent, request, key, reply)
            raise
        self._finish(agent, request, key, reply)

    def _finish(self, agent: _Agent, request: AgentRequest, key: str, reply: Reply) -> None:
        self.done.append((agent.id, key))
        if reply.error:
            agent.results[key] = _Failed(error=reply.error)
            return
        self._obey(agent, request)
        agent.results[key] = _result_of(request) if reply.result is None else reply.result
        self._hear(agent)

    def _obey(self, agent: _Agent, request: AgentRequest) -> None:
        match request:
            case Apply():
                agent.spec = request.spec
            case Start():
                jobs = agent.spec.content.jobs if agent.spec else ()
                agent.processes = tuple(SeenProcess(name=job.name, job=job.name, state="running") for job in jobs)
                agent.state, agent.started_at = JobState.RUNNING, self._clock.monotonic()
            case Stop() | DrainJobs():
                agent.processes, agent.state, agent.started_at = (), JobState.STOPPED, None
            case Mount():
                agent.disks |= {request.disk}
            case Unmount():
                agent.disks -= {request.disk}
            case Migrate():
                agent.disks = agent.disks - {request.old} | {request.new}
            case _:
                pass

    def _look(self, agent: _Agent) -> SeenAgent:
        now = self._clock.monotonic()
        since_s = now - agent.started_at if agent.started_at is not None else 0.0
        is_connected, silent_s = self._heard(agent, now)
        return SeenAgent(
            id=agent.id,
            is_connected=is_connected,
            silent_s=silent_s,
            job_state=agent.state,
            processes=tuple(_aged(process, since_s) for process in agent.processes),
            configuration_hash=agent.spec.configuration_hash if agent.spec else "",
            disks=tuple(sorted(agent.disks)),
        )

    def _heard(self, agent: _Agent, now: float) -> tuple[bool, float]:
        """Whether its stream is open, and for how many seconds nothing came."""
        is_connected = self._is_connected(agent)
        return is_connected, 0.0 if is_connected else now - agent.heard_at

    def _is_connected(self, agent: _Agent) -> bool:
        return agent.is_up and self._has_director

    def _agent(self, agent: AgentId) -> _Agent:
        return self._agents.setdefault(agent, _Agent(id=agent))

    def _hear(self, agent: _Agent) -> None:
        if self._is_connected(agent):
            agent.is_known, agent.heard_at = True, self._clock.monotonic()
            self._forget(agent)
            self._wake(agent)

    def _forget(self, agent: _Agent) -> None:
        if self._is_connected(agent):
            for key in agent.forgettable:
                agent.results.pop(key, None)
            agent.forgettable.clear()

    def _wake(self, agent: _Agent) -> None:
        self._told.set()
        agent.changed.set()
        agent.changed = asyncio.Event()

    async def _change(self, agent: _Agent, within_s: float | None = None) -> None:
        if agent.is_given_up:
            raise AgentSilent(f"Agent {agent.id} may not connect any more: its VM was given up.", retry=Retry.NEVER)
        try:
            async with asyncio.timeout(within_s):
                await agent.changed.wait()
        except TimeoutError:
            return


@contextmanager
def _silent_after(message: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise AgentSilent(message) from None


def _result_of(request: AgentRequest) -> Tree:
    match request:
        case Errand():
            return {"exit_code": 0, "stdout": "", "stderr": ""}
        case Compile():
            digest = hashlib.sha256(f"compiled {request.name} {request.fingerprint}".encode()).hexdigest()
            return {"blob": digest, "digest": f"sha256:{digest}"}
        case FetchLogs():
            digest = hashlib.sha256(b"logs").hexdigest()
            return {"blob": digest, "digest": f"sha256:{digest}"}
        case _:
            return {}


def _aged(process: SeenProcess, since_s: float) -> SeenProcess:
    return replace(process, uptime_s=process.uptime_s + since_s) if process.state == "running" else process
