"""The agents port over gRPC: puts the services together, starts and stops them, and asks the agents' peers.

Note: stopping. ``stop`` ends every stream first. Whoever runs the director stops the gateway before cancelling what
waits in ``ask``: a question cancelled while its agent is connected is cancelled on the agent too, and a director that
merely restarts must not end the errands and drains it will ask for again.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import grpc
import structlog

from agent.wire import agent_pb2_grpc as rpc
from director.adapters.agents.admission import Admission, Warn
from director.adapters.agents.authority import Authority
from director.adapters.agents.enrolment import EnrolmentService
from director.adapters.agents.listen import Listen, listen, make_server, target
from director.adapters.agents.peer import Peer, Pending
from director.adapters.agents.roster import Roster
from director.adapters.agents.stream import GatewayService
from director.adapters.agents.translate import error_of, tree_of
from director.model.names import AgentId, DeploymentName, InstanceId
from director.model.sighting import JobState, SeenAgent
from director.model.tree import Tree
from director.ports.agents import AgentRequest
from director.ports.blobs import Blobs
from director.ports.clock import Clock
from director.ports.failure import AgentFailure, AgentSilent
from director.ports.infrastructure import Enrolment
from director.ports.meter import NO_METER, Meter, Reading
from director.ports.store import Store

_UPTIME_LOOK_S: Final = 0.1
"""How late a wait for an uptime may notice that it has passed."""
_STOP_GRACE_S: Final = 1.0
_STRANGERS_BYTES_MAX: Final = 64 * 1024
_AGENTS_BYTES_MAX: Final = 16 * 1024 * 1024
"""An errand's output has 1 MiB of each kind; nothing an agent sends is as large."""

log = structlog.get_logger()


def log_warning(agent: AgentId, text: str) -> None:
    """What is done with warnings unless the gateway is given something else."""
    log.warning("agent warning", agent=agent, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """``hosts`` are this machine's names and addresses as VMs know them: they go into the server's certificate and
    are the TCP targets given to agents; without any, the listening host is.
    """

    enrol: Listen = field(default_factory=Listen)
    agents: Listen = field(default_factory=Listen)
    hosts: tuple[str, ...] = ()
    heartbeat_s: int = 10
    store_bytes_max: int = 2 * 1024**3


class Gateway:
    """Implements ``ports.agents.Agents``. To be made inside the running loop it then serves on."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        authority: Authority,
        options: GatewayOptions,
        warn: Warn = log_warning,
        meter: Meter = NO_METER,
    ) -> None:
        self._options = options
        self._authority = authority
        self._roster = Roster(clock)
        self._admission = Admission(store, authority, clock, warn)
        self._enrol_server = make_server(receive_bytes_max=_STRANGERS_BYTES_MAX)
        self._agents_server = make_server(receive_bytes_max=_AGENTS_BYTES_MAX)
        rpc.add_EnrolmentServicer_to_server(
            EnrolmentService(self._admission, authority.certificate_pem), self._enrol_server
        )
        service = GatewayService(
            roster=self._roster,
            admission=self._admission,
            blobs=blobs,
            clock=clock,
            warn=warn,
            heartbeat_s=options.heartbeat_s,
            store_bytes_max=options.store_bytes_max,
            meter=meter,
        )
        meter.gauge("agents", self._counts)
        rpc.add_GatewayServicer_to_server(service, self._agents_server)
        self.enrol_port = 0
        self.agents_port = 0

    async def start(self) -> None:
        """Listens; ``enrol_port`` and ``agents_port`` become the real ones. Raises Failure when an address is taken."""
        certificate, key = await asyncio.to_thread(self._authority.server_certificate, self._options.hosts)
        open_to_all = grpc.ssl_server_credentials([(key, certificate)])
        agents_only = grpc.ssl_server_credentials(
            [(key, certificate)], self._authority.certificate_pem, require_client_auth=True
        )
        self.enrol_port = await asyncio.to_thread(listen, self._enrol_server, self._options.enrol, open_to_all)
        self.agents_port = await asyncio.to_thread(listen, self._agents_server, self._options.agents, agents_only)
        await self._enrol_server.start()
        await self._agents_server.start()

    async def stop(self) -> None:
        """Ends every stream, with a word that it is worth dialling again, and stops listening."""
        for peer in self._roster:
            if peer.link is not None:
                peer.link.close(grpc.StatusCode.UNAVAILABLE, "the director is stopping")
                peer.detach(peer.link)
        # gRPC removes the sockets it bound, and only those.
        await asyncio.gather(self._enrol_server.stop(_STOP_GRACE_S), self._agents_server.stop(_STOP_GRACE_S))

    def seen(self) -> Mapping[AgentId, SeenAgent]:
        return self._roster.seen()

    def seen_of(self, agent: AgentId) -> SeenAgent | None:
        peer = self._roster.find(agent)
        return peer.seen() if peer else None

    def _counts(self) -> Reading:
        connected, away = self._roster.counts()
        return [({"state": "connected"}, float(connected)), ({"state": "away"}, float(away))]

    async def changed(self) -> None:
        await self._roster.changed()

    async def enrolment_for(
        self, agent: AgentId, instance: InstanceId, deployment: DeploymentName, generation: int
    ) -> Enrolment:
        return Enrolment(
            agent=agent,
            token=await self._admission.invite(agent, instance, deployment, generation),
            ca_certificate=self._authority.certificate_pem.decode(),
            enrol_targets=self._targets(self._options.enrol, self.enrol_port),
            agent_targets=self._targets(self._options.agents, self.agents_port),
        )

    def targets(self) -> tuple[str, ...]:
        """Every address a new agent is told to dial."""
        return (
            *self._targets(self._options.enrol, self.enrol_port),
            *self._targets(self._options.agents, self.agents_port),
        )

    async def await_connected(self, agent: AgentId, timeout_s: float) -> None:
        peer = self._roster.peer(agent)
        try:
            async with asyncio.timeout(timeout_s):
                while peer.link is None:
                    await peer.await_change()
        except TimeoutError:
            raise AgentSilent(f"Agent {agent} has not connected within {timeout_s:g} s.") from None

    async def await_away(self, agent: AgentId) -> None:
        peer = self._roster.peer(agent)
        while peer.link is not None:
            await peer.await_change()

    async def await_seen(self, agent: AgentId, is_enough: Callable[[SeenAgent], bool], timeout_s: float) -> SeenAgent:
        peer = self._roster.peer(agent)
        try:
            async with asyncio.timeout(timeout_s):
                while (seen := peer.seen()) is None or not is_enough(seen):
                    await peer.await_change(_UPTIME_LOOK_S if seen is not None and _grows(seen) else None)
        except TimeoutError:
            raise AgentSilent(f"Agent {agent} was not seen as wanted within {timeout_s:g} s.") from None
        return seen

    async def ask(self, agent: AgentId, request: AgentRequest, *, key: str, timeout_s: float) -> Tree:
        peer = self._roster.peer(agent)
        pending = peer.open(key, request, timeout_s)
        try:
            return await self._answer(peer, pending, timeout_s)
        except asyncio.CancelledError:
            peer.close(key, is_cancelled=True)
            raise
        finally:
            peer.close(key)

    def forget(self, agent: AgentId, key: str) -> None:
        peer = self._roster.find(agent)
        if peer is not None:
            peer.forget(key)

    async def revoke(self, agent: AgentId) -> None:
        await self._admission.revoke(agent)
        self._roster.give_up(agent)

    async def _answer(self, peer: Peer, pending: Pending, timeout_s: float) -> Tree:
        try:
            async with asyncio.timeout(timeout_s):
                result = await pending.answer
        except TimeoutError:
            what = pending.message.WhichOneof("action")
            state = "it is connected" if peer.link else "it is not connected"
            raise AgentSilent(f"Agent {peer.id} did not answer {what} within {timeout_s:g} s; {state}.") from None
        if error := error_of(result):
            raise AgentFailure(error)
        return tree_of(result)

    def _targets(self, where: Listen, port: int) -> tuple[str, ...]:
        sockets = (f"unix:{where.socket}",) if where.socket else ()
        return (*sockets, *(target(host, port) for host in self._options.hosts or (where.host,)))


def _grows(seen: SeenAgent) -> bool:
    """Whether time alone can make it enough: only the uptimes of running processes grow."""
    return seen.is_connected and seen.job_state is JobState.RUNNING
