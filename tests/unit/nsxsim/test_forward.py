"""Virtual servers on loopback addresses really forward, to members that are enabled and can be reached."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from tests.nsxsim import forward
from tests.nsxsim.cluster import Cluster
from tests.nsxsim.door import answer
from tests.nsxsim.forward import Forwarder
from tests.nsxsim.write import Who

ME = Who("admin")
POOL, SERVER, SERVICE = "/infra/lb-pools/p", "/infra/lb-virtual-servers/v", "/infra/lb-services/s"
PROFILE = "/infra/lb-app-profiles/default-tcp-lb-app-profile"
IP = "127.0.0.1"


@asynccontextmanager
async def backend(word):
    """Says its word and everything that it is told, and ends."""

    async def serve(reader, writer):
        writer.write(word.encode() + b":" + await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, IP, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def free_port():
    with socket.socket() as free:
        free.bind((IP, 0))
        return free.getsockname()[1]


def member(port, **more):
    return {"ip_address": IP, "port": str(port), **more}


@asynccontextmanager
async def forwarding(*members, **server):
    cluster = Cluster()
    sim = cluster.sim
    sim.write("/infra/tier-1s/t", {"tier0_path": "/infra/tier-0s/tier-0"}, ME)
    edges = "/infra/sites/default/enforcement-points/default/edge-clusters/edge-cluster-1"
    sim.write("/infra/tier-1s/t/locale-services/l", {"edge_cluster_path": edges}, ME)
    sim.write(SERVICE, {"connectivity_path": "/infra/tier-1s/t"}, ME)
    sim.write(POOL, {"members": list(members)}, ME)
    port = free_port()
    body = {"ip_address": IP, "ports": [str(port)], "application_profile_path": PROFILE, "pool_path": POOL,
            "lb_service_path": SERVICE, **server}  # fmt: skip
    sim.write(SERVER, body, ME)
    forwarder = Forwarder(sim)
    await forwarder.start()
    try:
        yield cluster, port
    finally:
        await forwarder.close()


async def ask(port, said=b"hello"):
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(IP, port)
        writer.write(said)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
    return answer.decode()


async def settled():
    """The forwarder's task has had its turn."""
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_members_take_turns():
    async with backend("a") as a, backend("b") as b, forwarding(member(a), member(b)) as (_, port):
        assert [await ask(port) for _ in range(4)] == ["a:hello", "b:hello", "a:hello", "b:hello"]


async def test_disabled_and_dead_members_are_passed_over():
    dead = free_port()
    disabled = member(free_port(), admin_state="DISABLED")
    async with backend("a") as a, forwarding(member(dead), disabled, member(a)) as (_, port):
        assert [await ask(port) for _ in range(3)] == ["a:hello"] * 3


async def test_a_change_of_the_pool_counts_from_the_next_connection_on():
    async with backend("a") as a, backend("b") as b, forwarding(member(a)) as (cluster, port):
        assert await ask(port) == "a:hello"
        cluster.sim.write(POOL, {"members": [member(b)]}, ME)
        assert await ask(port) == "b:hello"
        cluster.sim.write(POOL, {"members": []}, ME)
        with pytest.raises(ConnectionResetError):
            await ask(port)


async def test_large_answers_arrive_whole():
    said = b"x" * 3_000_000
    async with backend("a") as a, forwarding(member(a)) as (_, port):
        assert len(await ask(port, said)) == len(said) + 2


async def test_only_enabled_servers_of_a_load_balancer_listen_and_stop_when_they_go():
    async with backend("a") as a, forwarding(member(a), enabled=False) as (cluster, port):
        with pytest.raises(ConnectionRefusedError):
            await ask(port)
        cluster.sim.write(SERVER, {"enabled": True}, ME)
        await settled()
        assert await ask(port) == "a:hello"
        told = await answer(cluster, "GET", "/_sim/forwards", b"")
        assert told.body == {"forwards": {f"{IP}:{port}": SERVER}}
        cluster.sim.delete(SERVER, ME)
        await settled()
        with pytest.raises(ConnectionRefusedError):
            await ask(port)


async def test_a_pool_of_a_group_reaches_the_addresses_of_its_members():
    async with backend("a") as a, forwarding() as (cluster, port):
        ips = {"resource_type": "IPAddressExpression", "ip_addresses": [IP]}
        cluster.sim.write("/infra/domains/default/groups/g", {"expression": [ips]}, ME)
        cluster.settings.change({"group_lag_s": 0.0})
        group = {"group_path": "/infra/domains/default/groups/g", "port": a}
        cluster.sim.write("/infra/lb-pools/q", {"member_group": group}, ME)
        cluster.sim.write(SERVER, {"pool_path": "/infra/lb-pools/q"}, ME)
        await settled()
        assert await ask(port) == "a:hello"


async def test_addresses_that_are_not_this_machine_s_own_are_left_alone():
    async with forwarding(ip_address="198.51.100.7") as (cluster, _):
        told = await answer(cluster, "GET", "/_sim/forwards", b"")
        assert told.body == {"forwards": {}}


async def test_there_are_only_so_many_connections_and_ending_ends_them(monkeypatch):
    monkeypatch.setattr(forward, "CONNECTIONS_MAX", 1)
    async with backend("a") as a, forwarding(member(a)) as (_, port):
        held, writer = await asyncio.open_connection(IP, port)
        await settled()
        with pytest.raises(ConnectionResetError):
            await ask(port)
    async with asyncio.timeout(5):
        assert await held.read() == b""
    writer.close()
