"""Every agent heard of or waited for since this director started."""

import asyncio
from collections.abc import Iterator, Mapping

from director.adapters.agents.peer import Peer
from director.model.names import AgentId
from director.model.sighting import SeenAgent
from director.ports.clock import Clock


class Roster:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._peers: dict[AgentId, Peer] = {}
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Peer]:
        return iter(tuple(self._peers.values()))

    def peer(self, agent: AgentId) -> Peer:
        """The agent's peer, made when somebody first asks for it. Only for agents known to exist."""
        if agent not in self._peers:
            self._peers[agent] = Peer(agent, self._clock, tell=self._changed.set)
        return self._peers[agent]

    def find(self, agent: AgentId) -> Peer | None:
        return self._peers.get(agent)

    def seen(self) -> Mapping[AgentId, SeenAgent]:
        """Those that ever spoke, sorted by id."""
        looks = ((agent, peer.seen()) for agent, peer in sorted(self._peers.items()))
        return {agent: seen for agent, seen in looks if seen is not None}

    def counts(self) -> tuple[int, int]:
        """Connected ones, and those that are not and ever spoke."""
        spoken = [peer.link is not None for peer in self._peers.values() if peer.has_spoken]
        return sum(spoken), len(spoken) - sum(spoken)

    async def changed(self) -> None:
        """As ``ports.agents`` has it."""
        await self._changed.wait()
        self._changed.clear()

    def give_up(self, agent: AgentId) -> None:
        """Forgets it, ending its stream and whatever waits for it."""
        peer = self._peers.pop(agent, None)
        if peer is not None:
            peer.give_up()
