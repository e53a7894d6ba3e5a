"""`pod_network.py` among many nodes: what it asks the API server for, and what it has `ip` do."""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from director.adapters.secrets.generate import generate
from director.adapters.secrets.options import Certificate
from tests.support.kubernetes import RELEASE

TOOLS = RELEASE / "src" / "node-tools"
MANY = 1200
IS_ROOT = os.geteuid() == 0
# Counts how often it is started, keeps what it is told; has no routes, or those of a file.
IP = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/started"
case "$*" in
  *show*) cat "$here/routes.json" 2>/dev/null || true ;;
  *batch*) cat >> "$here/done" ;;
esac
"""


def node(number, address=None, version=1):
    return {
        "metadata": {"name": f"worker-{number}", "resourceVersion": str(version)},
        "spec": {"podCIDR": f"10.{200 + number // 256}.{number % 256}.0/24"},
        "status": {"addresses": [{"type": "InternalIP", "address": address or f"10.1.{number // 200}.{number % 200}"}]},
    }


class Api:
    """Lists its nodes part by part; what is put into ``events`` goes to the watch, and None ends it."""

    def __init__(self, count, tls):
        self.nodes, self.tls = [node(number) for number in range(count)], tls
        self.asked, self.events = [], asyncio.Queue()
        self.gone = False

    async def answer(self, reader, writer):
        path = (await reader.readline()).split()[1].decode()
        while (await reader.readline()).strip():
            pass
        query = {key: values[0] for key, values in parse_qs(urlsplit(path).query).items()}
        self.asked.append(query)
        if "watch" in query:
            await self.tell(writer, query)
        else:
            first = int(query.get("continue", 0))
            last = first + int(query["limit"])
            metadata = {"resourceVersion": "100"} | ({"continue": str(last)} if last < len(self.nodes) else {})
            body = {"items": self.nodes[first:last], "metadata": metadata}
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(body).encode())
        await writer.drain()
        writer.close()

    async def tell(self, writer, query):
        if self.gone:
            self.gone = False
            writer.write(b"HTTP/1.0 410 Gone\r\n\r\n{}")
            return
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
        while (event := await self.events.get()) is not None:
            writer.write(json.dumps(event).encode() + b"\n")
            await writer.drain()

    @property
    def watches(self):
        return [query["resourceVersion"] for query in self.asked if "watch" in query]

    @property
    def lists(self):
        return [query.get("continue", "") for query in self.asked if "watch" not in query]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    ca = generate(Certificate(common_name="ca", is_ca=True, key_length=2048), None, time.time())
    named = Certificate(common_name="x", alternative_names=("127.0.0.1",), ca="ca", key_length=2048)
    value = generate(named, ca, time.time())
    (folder / "ca").write_text(ca["certificate"])
    (folder / "certificate").write_text(value["certificate"])
    (folder / "key").write_text(value["private_key"])
    return folder


@contextlib.asynccontextmanager
async def following(folder, keys, count):
    """The program, with an API server and an `ip` of the test's."""
    (folder / "ip").write_text(IP)
    (folder / "ip").chmod(0o755)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(keys / "certificate", keys / "key")
    api = Api(count, tls)
    server = await asyncio.start_server(api.answer, "127.0.0.1", 0, ssl=tls)
    config = {name: str(keys / name) for name in ("ca", "certificate", "key")}
    config |= {"node": "worker-0", "server": f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    (folder / "config.json").write_text(json.dumps(config | {"range_file": str(folder / "range")}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-W", "error", TOOLS / "pod_network.py", folder / "config.json",
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield api
    finally:
        if is_up := process.returncode is None:
            process.kill()
        _, said = await process.communicate()
        server.close()
        api.events.put_nowait(None)
    assert (is_up, said.decode()) == (True, "")


def lines(file):
    return file.read_text().splitlines() if file.exists() else []


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_many_nodes_are_read_in_parts_and_get_their_routes_from_one_program(tmp_path, keys):
    async with following(tmp_path, keys, MANY) as api:
        await until(lambda: len(lines(tmp_path / "done")) == MANY - 1)
        assert api.lists == ["", "200", "400", "600", "800", "1000"]
        assert lines(tmp_path / "started") == ["-json route show", "-force -batch -"]
    assert lines(tmp_path / "range") == ["10.200.0.0/24"]
    assert "route replace 10.204.175.0/24 via 10.1.5.199 proto 77" in lines(tmp_path / "done")


async def test_one_node_more_is_one_route_more_and_a_sign_of_life_is_none(tmp_path, keys):
    async with following(tmp_path, keys, 3) as api:
        await until(lambda: len(lines(tmp_path / "done")) == 2)
        routes = [{"dst": f"10.200.{n}.0/24", "gateway": f"10.1.0.{n}", "protocol": "77", "dev": "e"} for n in (1, 2)]
        (tmp_path / "routes.json").write_text(json.dumps(routes))
        api.events.put_nowait({"type": "MODIFIED", "object": node(1, version=101)})
        api.events.put_nowait({"type": "ADDED", "object": node(7, version=102)})
        await until(lambda: len(lines(tmp_path / "done")) == 3)
        assert lines(tmp_path / "done")[2] == "route replace 10.200.7.0/24 via 10.1.0.7 proto 77"
        assert len(lines(tmp_path / "started")) == 4
        api.events.put_nowait({"type": "DELETED", "object": node(2, version=103)})
        await until(lambda: "route del 10.200.2.0/24 proto 77" in lines(tmp_path / "done"))


async def test_nodes_that_come_one_after_another_in_a_moment_share_their_programs(tmp_path, keys):
    async with following(tmp_path, keys, 2) as api:
        await until(lambda: len(lines(tmp_path / "done")) == 1)
        for number in range(2, 302):
            api.events.put_nowait({"type": "ADDED", "object": node(number, version=100 + number)})
        await until(lambda: {line.split()[2] for line in lines(tmp_path / "done")} >= {node(301)["spec"]["podCIDR"]})
        assert len(lines(tmp_path / "started")) < 60


async def test_a_watch_that_ends_goes_on_where_it_was_without_listing_anything(tmp_path, keys):
    async with following(tmp_path, keys, 2) as api:
        await until(lambda: api.watches)
        api.events.put_nowait({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "170"}}})
        api.events.put_nowait(None)
        await until(lambda: len(api.watches) == 2)
        assert api.watches == ["100", "170"]
        assert api.lists == [""]


@pytest.mark.parametrize("by_event", [True, False])
async def test_what_is_not_remembered_any_more_is_listed_again(tmp_path, keys, by_event):
    async with following(tmp_path, keys, 2) as api:
        await until(lambda: api.watches)
        api.nodes[1] = node(1, "10.1.0.99")
        api.gone = not by_event
        forgotten = {"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}
        api.events.put_nowait(forgotten if by_event else None)
        await until(lambda: "route replace 10.200.1.0/24 via 10.1.0.99 proto 77" in lines(tmp_path / "done"))
        assert len(api.lists) == 2


IN_A_NAMESPACE = f"""
import json, subprocess, sys
sys.path.insert(0, {str(TOOLS)!r})
import pod_network
for words in ("link add near type bridge", "link set near up", "addr add 10.1.0.2/24 dev near",
              "route add default via 10.1.0.1", "route add 10.3.0.0/24 dev near"):
    subprocess.run(["ip", *words.split()], check=True)
wanted, told = json.loads(sys.argv[1]), {{}}
for wish in wanted:
    told = pod_network.set_routes(wish, told)
found = json.loads(subprocess.run(["ip", "-json", "route", "show", "proto", "77"], capture_output=True).stdout)
print(json.dumps([told, [[r["dst"], r["gateway"], "onlink" in r["flags"]] for r in found]]), file=sys.stderr)
"""


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="routes are set in a network namespace of the test's")
def test_routes_lead_over_the_link_itself_to_other_subnets_and_a_refused_one_keeps_none_away():
    first = {f"10.200.{n}.0/24": "10.1.0.9" for n in range(250)}
    last = {
        "10.200.0.0/24": "10.1.0.9",
        "10.201.0.0/24": "10.2.0.7",
        "10.202.0.0/24": "10.3.0.7",
        "10.203.0.1/24": "10.1.0.9",
    }
    words = ["unshare", "--net", sys.executable, "-c", IN_A_NAMESPACE, json.dumps([first, last])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    refused, routes = json.loads(done.stderr.splitlines()[-1])
    assert list(refused) == ["10.203.0.1/24"]
    assert sorted(routes) == [
        ["10.200.0.0/24", "10.1.0.9", False],
        ["10.201.0.0/24", "10.2.0.7", True],
        ["10.202.0.0/24", "10.3.0.7", False],
    ]
