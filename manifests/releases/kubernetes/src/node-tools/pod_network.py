"""Brings pods of all nodes together: `pod_network.py CONFIG.json`. Watches the nodes, and follows them with routes.

Kubernetes gives each node a range for its pods and keeps it with the node. This program sets a route to every other
node's range by that node's address, and on a node writes down its own range, where the CNI plug-in `pod-range` looks it
up. So a node that comes or goes changes nothing on other VMs but a route.
"""

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROUTE_MARK = "77"
"""The number in `proto` by which these routes are known from all others."""
WATCH_S = 240
ANSWER_S = 20
WAIT_S = 1.0


def connect(config: dict, timeout_s: float) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=config["ca"])
    context.load_cert_chain(config["certificate"], config["key"])
    where = urlsplit(config["server"])
    return http.client.HTTPSConnection(where.hostname, where.port, timeout=timeout_s, context=context)


def ask(connection: http.client.HTTPSConnection, path: str) -> http.client.HTTPResponse:
    connection.request("GET", path)
    response = connection.getresponse()
    if response.status != http.client.OK:
        raise ConnectionError(f"{path}: {response.status} {response.read(500).decode(errors='replace')}")
    return response


def facts_of(node: dict) -> tuple[str, str]:
    """Address and pod range, each empty when the node has none yet."""
    addresses = node.get("status", {}).get("addresses", [])
    address = next((each["address"] for each in addresses if each["type"] == "InternalIP"), "")
    return address, node.get("spec", {}).get("podCIDR", "")


def routes_wanted(nodes: dict[str, tuple[str, str]], me: str) -> dict[str, str]:
    """Gateway by range."""
    others = (facts for name, facts in sorted(nodes.items()) if name != me)
    return {pods: address for address, pods in others if address and pods}


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=ANSWER_S).stdout


def routes_there() -> dict[str, str]:
    found = json.loads(ip("-json", "route", "show", "proto", ROUTE_MARK) or "[]")
    return {route["dst"]: route.get("gateway", "") for route in found}


def set_routes(wanted: dict[str, str]) -> None:
    """A route that cannot be set (its gateway is not reached from here) is told and does not keep the others away."""
    there = routes_there()
    for pods in sorted(there.keys() - wanted.keys()):
        ip("route", "del", pods, "proto", ROUTE_MARK)
        print(f"no route to {pods} any more", flush=True)
    for pods, address in sorted(wanted.items()):
        if there.get(pods) == address:
            continue
        try:
            # A node of another subnet is behind a gateway that knows no pods: it is reached over the link itself.
            ip("route", "replace", pods, "via", address, *on_link(address), "proto", ROUTE_MARK)
            print(f"{pods} is reached by {address}", flush=True)
        except subprocess.CalledProcessError as error:
            print(f"{pods} by {address}: {error.stderr.strip()}", file=sys.stderr, flush=True)


def on_link(address: str) -> list[str]:
    """What lets a route go straight to a node of another subnet, where all subnets are one link."""
    found = json.loads(ip("-json", "route", "get", address))[0]
    return ["dev", found["dev"], "onlink"] if "gateway" in found else []


def write_range(config: dict, pods: str) -> None:
    path = Path(config["range_file"])
    if path.exists() and path.read_text() == pods:
        return
    part = path.with_suffix(".part")
    part.write_text(pods)
    part.rename(path)
    print(f"pods of this node join {pods}", flush=True)


def apply(config: dict, nodes: dict[str, tuple[str, str]]) -> None:
    set_routes(routes_wanted(nodes, config["node"]))
    own = nodes.get(config["node"], ("", ""))[1]
    if own and config["range_file"]:
        write_range(config, own)


def follow(config: dict) -> None:
    """Lists, then watches until the API server ends it. Raises OSError and its like when it does not answer."""
    connection = connect(config, ANSWER_S)
    listed = json.load(ask(connection, "/api/v1/nodes"))
    connection.close()
    nodes = {node["metadata"]["name"]: facts_of(node) for node in listed["items"]}
    apply(config, nodes)
    version = listed["metadata"]["resourceVersion"]
    path = f"/api/v1/nodes?watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_S}&resourceVersion={version}"
    connection = connect(config, WATCH_S + ANSWER_S)
    for line in ask(connection, path):
        event = json.loads(line)
        if event["type"] == "ERROR":
            break  # too old a version: list again
        if event["type"] == "BOOKMARK":
            continue
        name, facts = event["object"]["metadata"]["name"], facts_of(event["object"])
        before = dict(nodes)
        if event["type"] == "DELETED":
            nodes.pop(name, None)
        else:
            nodes[name] = facts
        if nodes != before:
            apply(config, nodes)
    connection.close()


def main(path: str) -> None:
    config = json.loads(Path(path).read_text())
    told = ""
    while True:
        try:
            follow(config)
            told = ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            if str(error) != told:
                told = str(error)
                print(f"the API server at {config['server']}: {error}", file=sys.stderr, flush=True)
        time.sleep(WAIT_S)


if __name__ == "__main__":
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    main(sys.argv[1])
