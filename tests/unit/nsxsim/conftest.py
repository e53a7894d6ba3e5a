"""A simulated cluster in this process, with a clock moved by hand."""

import httpx
import pytest

from tests.nsxsim.app import App
from tests.nsxsim.auth import User
from tests.nsxsim.clock import VirtualClock
from tests.nsxsim.cluster import Cluster

BASE = "/policy/api/v1"
EP = "/infra/sites/default/enforcement-points/default"
EDGES = f"{EP}/edge-clusters/edge-cluster-1"
USERS = (User("admin", "admin"), User("ncp", "ncp"), User("reader", "reader", "auditor"))


class World:
    """One cluster and a client of it: paths are those below /infra's base."""

    def __init__(self):
        self.clock = VirtualClock()
        self.cluster = Cluster(clock=self.clock, users=USERS)
        self.sim = self.cluster.sim
        self.client = self.as_user("admin")

    def as_user(self, name: str | None, manager: int = 0, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(App(self.cluster, manager)),
            base_url="http://nsx",
            auth=(name, name) if name else None,
            headers=headers,
        )

    async def ask(self, method: str, path: str, body=None, **query):
        where = path if path.startswith(("/api/", "/_sim")) else BASE + path
        return await self.client.request(method, where, json=body, params=query or None)

    async def get(self, path: str, **query):
        reply = await self.ask("GET", path, **query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def patch(self, path: str, body=None, **query):
        reply = await self.ask("PATCH", path, body or {}, **query)
        assert reply.status_code == 200, reply.text
        assert reply.content == b""

    async def put(self, path: str, body=None):
        reply = await self.ask("PUT", path, body or {})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def delete(self, path: str, **query):
        reply = await self.ask("DELETE", path, **query)
        assert reply.status_code == 200, reply.text
        assert reply.content == b""

    async def refused(self, method: str, path: str, body=None, **query):
        """(status, error_code, message with details) of a refusal."""
        reply = await self.ask(method, path, body, **query)
        assert reply.status_code >= 400, reply.text
        said = reply.json()
        return reply.status_code, said["error_code"], f"{said['error_message']} {said.get('details', '')}"

    async def gateway(self, name: str = "t1") -> str:
        path = f"/infra/tier-1s/{name}"
        await self.patch(path, {"tier0_path": "/infra/tier-0s/tier-0"})
        await self.patch(f"{path}/locale-services/default", {"edge_cluster_path": EDGES})
        return path


@pytest.fixture
async def world():
    made = World()
    yield made
    await made.client.aclose()
