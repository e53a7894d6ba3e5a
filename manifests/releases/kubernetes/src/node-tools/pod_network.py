"""Brings pods of all nodes together: `pod_network.py CONFIG.json`. Watches the nodes, and follows them with routes.

Kubernetes gives each node a range for its pods and keeps it with the node. This program sets a route to every other
node's range by that node's address, and on a node writes down its own range, where the CNI plug-in `pod-range` looks it
up. So a node that comes or goes changes nothing on other VMs but a route.

There may be thousands of nodes, and each of their VMs runs this: nodes are listed once, part by part, and afterwards
only changes are told, over watches that go on where the last one ended. Routes that change together are set together.
"""

import asyncio
import contextlib
import ipaddress
import json
import os
import random
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlsplit

ROUTE_MARK = "77"
"""The number in `proto` by which these routes are known from all others."""
NODES = "/api/v1/nodes"
PART = 200
"""So many nodes are read at once; of each only its facts are kept."""
LONGEST = 2**24
"""Bytes of a node as JSON; etcd takes no more than a tenth of that."""
WATCH_S = 240
"""And up to a quarter more: VMs whose API server went away together do not come again together."""
LIST_S = 3600
"""So often all are listed all the same: an etcd that was put back to an earlier state tells nobody of it."""
ANSWER_S = 20
WAIT_S = 1.0
GATHER_S = 0.2
"""Nodes that come within it get their routes together; one that comes alone does not wait."""


class Forgotten(Exception):
    """What has changed since then nobody knows any more: all nodes have to be listed."""


class Nodes:
    """Address and pod range by node, each empty when a node has none yet; ``version`` is "" before they are listed."""

    def __init__(self) -> None:
        self.facts: dict[str, tuple[str, str]] = {}
        self.version = ""
        self.changed = asyncio.Event()

    def learn(self, facts: dict[str, tuple[str, str]], version: str) -> None:
        self.version = version
        if facts != self.facts:
            self.facts = facts
            self.changed.set()

    def hear(self, event: dict) -> None:
        """Raises Forgotten, ConnectionError with what an API server complains of."""
        what = event["object"]
        if event["type"] == "ERROR":
            raise (Forgotten if what.get("code") == 410 else ConnectionError)(what.get("message", "a watch failed"))
        self.version = what["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return
        name = what["metadata"]["name"]
        facts = None if event["type"] == "DELETED" else facts_of(what)
        if facts == self.facts.get(name):
            return
        if facts is None:
            del self.facts[name]
        else:
            self.facts[name] = facts
        self.changed.set()


def facts_of(node: dict) -> tuple[str, str]:
    addresses = node.get("status", {}).get("addresses", [])
    address = next((each["address"] for each in addresses if each["type"] == "InternalIP"), "")
    return address, node.get("spec", {}).get("podCIDR", "")


class Api:
    def __init__(self, config: dict) -> None:
        where = urlsplit(config["server"])
        self.host, self.port, self.server = where.hostname, where.port, config["server"]
        self.tls = ssl.create_default_context(cafile=config["ca"])
        self.tls.load_cert_chain(config["certificate"], config["key"])

    @contextlib.asynccontextmanager
    async def ask(self, path: str) -> AsyncIterator[asyncio.StreamReader]:
        """The body of the answer. In HTTP 1.0 it comes as it is, up to the end of the connection."""
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls, limit=LONGEST)
        try:
            async with asyncio.timeout(ANSWER_S):
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {self.host}\r\nAccept: application/json\r\n\r\n".encode())
                status = (await reader.readline()).decode(errors="replace").strip()
                while (await reader.readline()).strip():
                    pass
                if " 200 " not in status:
                    said = f"{path}: {status} {(await reader.read(500)).decode(errors='replace')}"
                    raise (Forgotten if " 410 " in status else ConnectionError)(said)
            yield reader
        finally:
            writer.transport.abort()

    async def list(self, nodes: Nodes) -> None:
        facts, mark = {}, ""
        while True:
            async with self.ask(f"{NODES}?limit={PART}&continue={quote(mark)}") as body, asyncio.timeout(ANSWER_S):
                part = json.loads(await body.read())
            facts |= {node["metadata"]["name"]: facts_of(node) for node in part["items"]}
            mark = part["metadata"].get("continue", "")
            if not mark:
                break
        nodes.learn(facts, part["metadata"]["resourceVersion"])

    async def watch(self, nodes: Nodes) -> None:
        """Until the API server ends it, as it is asked to."""
        limit_s = round(WATCH_S * random.uniform(1, 1.25))
        path = f"{NODES}?watch=1&allowWatchBookmarks=true&timeoutSeconds={limit_s}&resourceVersion={nodes.version}"
        async with self.ask(path) as body, asyncio.timeout(limit_s + ANSWER_S):
            async for line in body:
                nodes.hear(json.loads(line))


async def follow(api: Api, nodes: Nodes) -> None:
    told, list_at = "", 0.0
    while True:
        try:
            if not nodes.version or time.monotonic() > list_at:
                await api.list(nodes)
                list_at = time.monotonic() + LIST_S * random.uniform(0.75, 1.25)
            await api.watch(nodes)
            # Routes that somebody else has removed meanwhile come back.
            nodes.changed.set()
            told = ""
        except Forgotten:
            nodes.version = ""
        except (OSError, ValueError) as error:
            text = str(error) or "no answer"
            if text != told:
                told = text
                print(f"the API server at {api.server}: {text}", file=sys.stderr, flush=True)
        await asyncio.sleep(WAIT_S * random.uniform(0.5, 1.5))


async def keep_routes(config: dict, nodes: Nodes) -> None:
    refused: dict[str, str] = {}
    while True:
        await nodes.changed.wait()
        nodes.changed.clear()
        refused = await asyncio.to_thread(apply, config, dict(nodes.facts), refused)
        await asyncio.sleep(GATHER_S)


def apply(config: dict, nodes: dict[str, tuple[str, str]], refused: dict[str, str]) -> dict[str, str]:
    """What routes are refused, and why. Those of ``refused`` have been told."""
    own = nodes.get(config["node"], ("", ""))[1]
    if own and config["range_file"]:
        write_range(config, own)
    return set_routes(routes_wanted(nodes, config["node"]), refused)


def routes_wanted(nodes: dict[str, tuple[str, str]], me: str) -> dict[str, str]:
    """Gateway by range."""
    others = (facts for name, facts in sorted(nodes.items()) if name != me)
    return {pods: address for address, pods in others if address and pods}


def set_routes(wanted: dict[str, str], told: dict[str, str]) -> dict[str, str]:
    """Why by range. A route that cannot be set (its gateway is not reached from here) keeps none of the others away."""
    routes = json.loads(ip(["-json", "route", "show"]).stdout or "[]")
    there = {route["dst"]: route.get("gateway", "") for route in routes if route.get("protocol") == ROUTE_MARK}
    links = [route for route in routes if route.get("protocol") != ROUTE_MARK and "dev" in route]
    gone = sorted(there.keys() - wanted.keys())
    new = sorted(pods for pods, address in wanted.items() if there.get(pods) != address)
    words = [f"route del {pods} proto {ROUTE_MARK}" for pods in gone]
    words += [f"route replace {pods} {way(wanted[pods], links)} proto {ROUTE_MARK}" for pods in new]
    failed = ip_at_once(words)
    why = {pods: failed[number] for number, pods in enumerate([*gone, *new]) if number in failed}
    for pods in [*gone, *new]:
        if pods not in why:
            told_now = f"{pods} is reached by {wanted[pods]}" if pods in wanted else f"no route to {pods} any more"
            print(told_now, flush=True)
        elif told.get(pods) != why[pods]:
            print(f"{pods} by {wanted.get(pods, 'nobody')}: {why[pods]}", file=sys.stderr, flush=True)
    return why


def way(address: str, links: list[dict]) -> str:
    """A node of another subnet is behind a gateway that knows no pods: it is reached over the link itself.

    So it is where all subnets are one link.
    """
    ours = ipaddress.ip_address(address)
    nets = [(ipaddress.ip_network("0.0.0.0/0" if link["dst"] == "default" else link["dst"]), link) for link in links]
    fits = max((pair for pair in nets if ours in pair[0]), key=lambda pair: pair[0].prefixlen, default=None)
    on_link = f" dev {fits[1]['dev']} onlink" if fits and "gateway" in fits[1] else ""
    return f"via {address}{on_link}"


def ip(words: list[str], given: str = "", is_checked: bool = True) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["ip", *words], input=given, check=is_checked, capture_output=True, text=True, timeout=ANSWER_S
    )


def ip_at_once(lines: list[str]) -> dict[int, str]:
    """Carries out all of them; what was said of those that failed, by their number from 0."""
    if not lines:
        return {}
    failed, said = {}, ""
    for line in ip(["-force", "-batch", "-"], "\n".join([*lines, ""]), False).stderr.splitlines():
        number = line.removeprefix("Command failed -:")
        if number == line:
            said = line
        else:
            failed[int(number) - 1] = said
    return failed


def write_range(config: dict, pods: str) -> None:
    path = Path(config["range_file"])
    if path.exists() and path.read_text() == pods:
        return
    part = path.with_suffix(".part")
    part.write_text(pods)
    part.rename(path)
    print(f"pods of this node join {pods}", flush=True)


async def main(path: str) -> None:
    config = json.loads(Path(path).read_text())
    nodes = Nodes()
    async with asyncio.TaskGroup() as both:
        both.create_task(follow(Api(config), nodes))
        both.create_task(keep_routes(config, nodes))


if __name__ == "__main__":
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    asyncio.run(main(sys.argv[1]))
