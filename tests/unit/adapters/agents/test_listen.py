"""Where the gateway listens, and what stands in the way."""

import socket
import stat
import tempfile
from pathlib import Path

import pytest

from director.adapters.agents.authority import Authority
from director.adapters.agents.gateway import Gateway, GatewayOptions
from director.adapters.agents.listen import Listen, target
from director.adapters.clock import SystemClock
from director.ports.failure import Failure
from tests.unit.adapters.agents.scripted_agent import DictBlobs, DictStore


@pytest.fixture
def short():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
async def gateway_on(tmp_path):
    made: list[Gateway] = []

    def make(agents: Listen, hosts: tuple[str, ...] = ()) -> Gateway:
        gateway = Gateway(
            store=DictStore(),
            blobs=DictBlobs(),
            clock=SystemClock(),
            authority=Authority(tmp_path, SystemClock()),
            options=GatewayOptions(agents=agents, hosts=hosts),
        )
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        await gateway.stop()


async def test_a_socket_a_killed_director_left_is_replaced_and_ours_is_removed_at_the_end(short, gateway_on):
    path = short / "run" / "agents.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    gateway = gateway_on(Listen(socket=path))
    await gateway.start()
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
    await gateway.stop()
    assert not path.exists()


async def test_the_sockets_directory_is_made_for_the_owner_alone(short, gateway_on):
    await gateway_on(Listen(socket=short / "run" / "agents.sock")).start()
    assert stat.S_IMODE((short / "run").stat().st_mode) == 0o700


async def test_a_socket_another_director_listens_on_is_left_alone(short, gateway_on):
    path = short / "agents.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(8)
        gateway = gateway_on(Listen(socket=path))
        with pytest.raises(Failure, match="Another director listens"):
            await gateway.start()
        await gateway.stop()
        assert path.exists()


async def test_a_path_too_long_for_a_socket_is_said_to_be(short, gateway_on):
    with pytest.raises(Failure, match="too long"):
        await gateway_on(Listen(socket=short / ("x" * 100) / "agents.sock")).start()


async def test_a_port_in_use_is_said_to_be_and_never_shared(gateway_on):
    first = gateway_on(Listen())
    await first.start()
    with pytest.raises(Failure, match=f"127.0.0.1:{first.agents_port}"):
        await gateway_on(Listen(port=first.agents_port)).start()


async def test_a_port_is_free_again_after_a_stop(gateway_on):
    first = gateway_on(Listen())
    await first.start()
    await first.stop()
    second = gateway_on(Listen(port=first.agents_port))
    await second.start()
    assert second.agents_port == first.agents_port


async def test_agents_are_told_every_host_the_vms_know(gateway_on, short):
    path = short / "agents.sock"
    gateway = gateway_on(Listen(socket=path), ("10.0.0.6", "fd00::6", "director.example"))
    await gateway.start()
    enrolment = await gateway.enrolment_for("a", "i", "d", 1)
    port = gateway.agents_port
    assert enrolment.agent_targets == (
        f"unix:{path}",
        f"10.0.0.6:{port}",
        f"[fd00::6]:{port}",
        f"director.example:{port}",
    )


def test_a_target_with_a_numeric_ipv6_host_has_brackets():
    assert (target("::1", 7), target("localhost", 7)) == ("[::1]:7", "localhost:7")
