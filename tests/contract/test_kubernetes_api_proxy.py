"""The address of all API servers on a VM: who answers is asked, who is gone keeps nobody waiting."""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from director.adapters.secrets.generate import generate
from director.adapters.secrets.options import Certificate
from tests.contract.test_guestbook_release import free_port
from tests.support.kubernetes import RELEASE

PROXY = RELEASE / "src" / "node-tools" / "api_proxy.py"
LARGE = 3_000_000


class Api:
    """A server that says its name, then gives back what it gets."""

    def __init__(self, name: str) -> None:
        self.name, self.port = name, free_port()
        self.asked = 0

    async def answer(self, reader, writer) -> None:
        self.asked += 1
        writer.write(self.name.encode())
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self.answer, "127.0.0.1", self.port)

    async def stop(self) -> None:
        self.server.close()


@contextlib.asynccontextmanager
async def proxied(tmp_path, *apis, ca=""):
    port = free_port()
    config = {
        "host": "127.0.0.1",
        "port": port,
        "ca": ca,
        "backends": [{"host": "127.0.0.1", "port": a.port} for a in apis],
    }
    path = tmp_path / "proxy.json"
    path.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-W", "error", PROXY, path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    await asyncio.wait_for(process.stdout.readline(), 20)
    yield port
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, errors.decode()) == (0, "")


async def say(port, words=b"hello"):
    """Who answered; what was said must come back whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(words)
    writer.write_eof()
    data = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert data[1:] == words
    return data[:1].decode()


async def test_what_a_client_says_at_once_reaches_the_server_however_many_come(tmp_path):
    api = Api("a")
    await api.start()
    async with proxied(tmp_path, api) as port:
        assert [await say(port) for _ in range(100)] == ["a"] * 100
        assert await asyncio.gather(*(say(port) for _ in range(50))) == ["a"] * 50
        words = os.urandom(LARGE)
        assert await say(port, words) == "a"
    await api.stop()


async def test_clients_meet_all_servers_and_only_those_that_answer(tmp_path):
    apis = [Api("a"), Api("b"), Api("c")]
    for api in apis[:2]:
        await api.start()
    async with proxied(tmp_path, *apis) as port:
        met = [await say(port) for _ in range(12)]
        assert set(met) == {"a", "b"}
        await apis[0].stop()
        assert {await say(port) for _ in range(6)} == {"b"}
    await apis[1].stop()


async def test_without_any_server_a_client_is_told_at_once(tmp_path):
    async with proxied(tmp_path, Api("a")) as port:
        begun = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert time.monotonic() - begun < 3


class Ready(Api):
    """Speaks TLS, and says whether it is ready."""

    def __init__(self, name: str, value: dict[str, str], directory: Path) -> None:
        super().__init__(name)
        self.status = 500
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        pem = directory / "server.pem"
        pem.write_text(value["certificate"] + value["private_key"])
        self.tls.load_cert_chain(pem)

    async def answer(self, reader, writer) -> None:
        await reader.readline()
        writer.write(f"HTTP/1.0 {self.status} {self.name}\r\n\r\n".encode())
        writer.close()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self.answer, "127.0.0.1", self.port, ssl=self.tls)


async def test_a_server_that_has_just_been_started_gets_nobody_before_it_is_ready(tmp_path):
    ca = generate(Certificate(common_name="ca", is_ca=True, key_length=2048), None, time.time())
    named = Certificate(common_name="x", alternative_names=("kubernetes",), ca="ca", key_length=2048)
    value = generate(named, ca, time.time())
    (tmp_path / "ca.crt").write_text(ca["certificate"])
    apis = [Ready("a", value, tmp_path), Ready("b", value, tmp_path)]
    apis[0].status = 200
    for api in apis:
        await api.start()
    tls = ssl.create_default_context(cafile=tmp_path / "ca.crt")

    async def met(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="kubernetes")
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), 10)
        writer.transport.abort()
        return line.split()[-1].decode()

    async with proxied(tmp_path, *apis, ca=str(tmp_path / "ca.crt")) as port:
        await asyncio.sleep(0.5)
        assert [await met(port) for _ in range(10)] == ["a"] * 10
        apis[1].status = 200
        async with asyncio.timeout(20):
            while "b" not in [await met(port) for _ in range(4)]:
                await asyncio.sleep(0.1)
    for api in apis:
        await api.stop()


@pytest.mark.timeout(60)
async def test_connections_to_a_server_that_takes_no_more_are_cut_while_another_is_there(tmp_path):
    gone, other = Api("a"), Api("b")
    await other.start()
    with socket.socket() as full:
        # One that has stopped: it takes a connection and says nothing; with its queue full nobody gets in any more.
        full.bind(("127.0.0.1", gone.port))
        full.listen(0)
        async with proxied(tmp_path, gone, other) as port:
            clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            begun = time.monotonic()
            for reader, writer in clients:
                writer.write(b"x")
                with contextlib.suppress(ConnectionError):
                    await asyncio.wait_for(reader.read(2), 15)
                writer.close()
            assert time.monotonic() - begun < 10
            assert await say(port) == "b"
    await other.stop()


async def test_servers_that_are_well_are_seldom_asked_and_a_lost_one_soon_has_no_more_clients(tmp_path):
    apis = [Api("a"), Api("b")]
    for api in apis:
        await api.start()
    async with proxied(tmp_path, *apis) as port:
        await asyncio.sleep(1)
        before = [api.asked for api in apis]
        await asyncio.sleep(5)
        assert max(api.asked - asked for api, asked in zip(apis, before, strict=True)) <= 2
        await apis[0].stop()
        assert {await say(port) for _ in range(6)} == {"b"}
    await apis[1].stop()


SILENCE = f"""
import asyncio, json, subprocess, sys, time
sys.path.insert(0, {str(PROXY.parent)!r})
import api_proxy
for words in ("link set lo up", "link add far type bridge", "link set far up", "addr add 10.9.9.1/24 dev far",
              "addr add 10.9.9.9/32 dev lo"):
    subprocess.run(["ip", *words.split()], check=True)

async def main(count):
    async def greet(reader, writer):
        writer.write(b"x")
        await reader.read()
    hosts = ["10.9.9.9", "127.0.0.1"][:count]
    servers = [await asyncio.start_server(greet, host, 6443) for host in hosts]
    proxy = api_proxy.Proxy([api_proxy.Backend(host, 6443) for host in hosts], None)
    proxies = [asyncio.create_task(proxy.probe(backend)) for backend in proxy.backends] if count > 1 else []
    front = await asyncio.get_running_loop().create_server(lambda: api_proxy.Client(proxy), "127.0.0.1", 7443)
    await asyncio.sleep(0.5)
    clients = [await asyncio.open_connection("127.0.0.1", 7443) for _ in range(2 * count)]
    for reader, _ in clients:
        await reader.readexactly(1)
    subprocess.run(["ip", "addr", "del", "10.9.9.9/32", "dev", "lo"], check=True)
    ends = [asyncio.create_task(reader.read()) for reader, _ in clients]
    done, left = await asyncio.wait(ends, timeout=5)
    print(json.dumps([len(done), len(left)]))
    sys.stdout.flush()
    __import__("os")._exit(0)

asyncio.run(main(int(sys.argv[1])))
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="a server's address is taken away in a network namespace of the test's")
@pytest.mark.parametrize(("servers", "ended"), [(2, 2), (1, 0)])
def test_connections_to_a_server_that_says_nothing_any_more_end_if_there_is_another(servers, ended):
    words = ["unshare", "--net", sys.executable, "-c", SILENCE, str(servers)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [ended, 2 * servers - ended]
