import tempfile
from pathlib import Path

import pytest

from director.adapters.agents.authority import Authority
from director.adapters.agents.gateway import Gateway, GatewayOptions
from director.adapters.agents.listen import Listen
from director.adapters.clock import SystemClock
from director.model.names import AgentId, DeploymentName, InstanceId
from tests.unit.adapters.agents.scripted_agent import DictBlobs, DictStore, ScriptedAgent


class Site:
    """One gateway with stand-ins around it, and the agents a test made."""

    def __init__(self, directory: Path, sockets: Path) -> None:
        self.store = DictStore()
        self.blobs = DictBlobs()
        self.warnings: list[tuple[AgentId, str]] = []
        self.agents: list[ScriptedAgent] = []
        self.authority = Authority(directory / "ca", SystemClock())
        self._sockets = sockets
        self.gateway = self._make()

    def _make(self) -> Gateway:
        return Gateway(
            store=self.store,
            blobs=self.blobs,
            clock=SystemClock(),
            authority=self.authority,
            options=GatewayOptions(
                enrol=Listen(socket=self._sockets / "run" / "enrol.sock"),
                agents=Listen(socket=self._sockets / "run" / "agents.sock"),
                heartbeat_s=7,
                store_bytes_max=1024 * 1024,
            ),
            warn=lambda agent, text: self.warnings.append((agent, text)),
        )

    async def restart(self) -> None:
        """Another director process on the same store and sockets; TCP ports are others."""
        await self.gateway.stop()
        self.gateway = self._make()
        await self.gateway.start()

    async def invite(self, agent: str = "a-1", **options) -> ScriptedAgent:
        enrolment = await self.gateway.enrolment_for(AgentId(agent), InstanceId("i-1"), DeploymentName("d"), 1)
        self.agents.append(ScriptedAgent(enrolment, **options))
        return self.agents[-1]

    async def connected(self, agent: str = "a-1", **options) -> ScriptedAgent:
        scripted = await self.invite(agent, **options)
        await scripted.enrol()
        await scripted.connect()
        return scripted

    async def close(self) -> None:
        for agent in self.agents:
            await agent.close()
        await self.gateway.stop()


@pytest.fixture
async def site(tmp_path):
    # A unix socket's path has 107 bytes at most; tmp_path may be longer.
    with tempfile.TemporaryDirectory() as sockets:
        site = Site(tmp_path, Path(sockets))
        await site.gateway.start()
        yield site
        await site.close()
