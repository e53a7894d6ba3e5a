"""A read-only web page at /: the topology as a drawing, what is held of blocks and pools, groups; /object shows one.

Server side only: no scripts, nothing loaded from elsewhere. No login, as the control door tells all of it anyway; but
secrets in objects are left out.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from tests.nsxsim import spans
from tests.nsxsim.ipam import Ipam, spaces
from tests.nsxsim.page_model import Box, Owner, boxes, owner_of
from tests.nsxsim.page_style import STYLE
from tests.nsxsim.page_svg import drawing, object_url
from tests.nsxsim.problems import Json

if TYPE_CHECKING:
    from tests.nsxsim.cluster import Cluster
    from tests.nsxsim.sim import Sim

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REFRESH_S: Final = 5
COLOURS: Final = 8
SECRET: Final = ("password", "private_key", "secret", "passphrase", "pem_encoded")
HEADERS: Final = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)


class Page:
    """An ASGI application for the paths `/` and `/object`."""

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        status, media, text = self._answer(scope)
        raw = text.encode()
        headers = [*HEADERS, (b"content-type", media.encode()), (b"content-length", str(len(raw)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else raw})

    def _answer(self, scope: Scope) -> tuple[int, str, str]:
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "text/plain; charset=utf-8", "This page is only for reading.\n"
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if scope["path"] == "/":
            return 200, "text/html; charset=utf-8", topology(self.cluster.sim, still="still" in query)
        path = query.get("path", [""])[0]
        body = self.cluster.sim.tree.get(path)
        if body is None:
            return 404, "text/plain; charset=utf-8", f"There is no object at {path}\n"
        return 200, "application/json; charset=utf-8", json.dumps(_open(body), indent=2, ensure_ascii=False) + "\n"


def _open(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "(left out)" if any(each in key for each in SECRET) else _open(said) for key, said in value.items()
        }
    return [_open(each) for each in value] if isinstance(value, list) else value


def topology(sim: "Sim", *, still: bool = False) -> str:
    """The page; with `still` it does not load itself again."""
    roots = boxes(sim)
    colours = _colours(_owners(roots))
    refresh = "" if still else f'<meta http-equiv="refresh" content="{REFRESH_S}">'
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>nsxsim: topology</title>{refresh}'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<style>{STYLE}</style></head><body><header><h1>nsxsim</h1>{_legend(colours)}</header>"
        f'<main><div class="scroll">{drawing(roots, colours)}</div>'
        f'<div class="tables">{_addresses(sim)}{_security(sim)}</div></main></body></html>'
    )


def _owners(listed: Iterable[Box]) -> set[Owner]:
    return {owner for box in listed for owner in ({box.owner} if box.kind else set()) | _owners(box.children)}


def _colours(owners: set[Owner]) -> dict[Owner, str]:
    """Ours have a colour each, in order of their names; everybody else's are grey."""
    ours = sorted((each for each in owners if each.is_ours), key=lambda each: each.name)
    found = {each: f"c{index % COLOURS}" for index, each in enumerate(ours)}
    return {each: found.get(each, "grey") for each in sorted(owners, key=lambda each: (not each.is_ours, each.name))}


def _legend(colours: dict[Owner, str]) -> str:
    chips = "".join(
        f'<li class="{"ours" if each.is_ours else "theirs"} {colour}"><i></i>{escape(each.name)}</li>'
        for each, colour in colours.items()
    )
    return f'<ul class="legend">{chips}</ul>'


def _addresses(sim: "Sim") -> str:
    """What is held of each block and pool."""
    ipam: Ipam = sim.rooms["ipam"]
    rows = []
    for node in sorted(sim.tree.of_kind("IpAddressBlock"), key=lambda node: node.path):
        total = spans.count(spaces(node.body))
        held = spans.count(ipam.of_block(node.path).values())
        rows.append(_row(node.body, node.body.get("cidr", ""), held, total))
    for node in sorted(sim.tree.of_kind("IpAddressPool"), key=lambda node: node.path):
        usage = ipam.usage(node.path)
        cidrs = [str(each.body.get("cidr", "")) for each in sim.tree.children(node.path, "ip-subnets")]
        rows.append(_row(node.body, ", ".join(cidrs), usage["allocated_ip_allocations"], usage["total_ips"]))
    head = "<tr><th>Addresses</th><th>Network</th><th>Held</th><th></th><th>Owner</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _row(body: Json, network: str, held: int, total: int) -> str:
    return (
        f"<tr><td>{_link(body)}</td><td>{escape(network)}</td><td>{held} of {total}</td>"
        f'<td><svg class="bar" width="90" height="8"><rect width="90" height="8" rx="3"/>'
        f'<rect class="held" width="{round(90 * held / max(total, 1), 1)}" height="8" rx="3"/></svg></td>'
        f"<td>{escape(owner_of(body).name)}</td></tr>"
    )


def _security(sim: "Sim") -> str:
    """Groups with how many are in them, policies with their rules."""
    rows = []
    for node in sorted(sim.tree.of_kind("Group"), key=lambda node: node.path):
        members = sim.rooms["groups"].members(node.path)
        said = f"{len(members.vms)} VMs, {len(members.ports)} ports, {len(members.addresses)} addresses"
        rows.append((node.body, "group", said))
    for node in sorted(sim.tree.of_kind("SecurityPolicy"), key=lambda node: node.path):
        rules = [f"{each.body['display_name']}: {each.body['action'].lower()}" for each in sim.tree.children(node.path)]
        rows.append((node.body, "policy", ", ".join(rules) or "no rules"))
    cells = "".join(
        f"<tr><td>{_link(body)}</td><td>{kind}</td><td>{escape(said)}</td><td>{escape(owner_of(body).name)}</td></tr>"
        for body, kind, said in rows
    )
    return f"<table><tr><th>Security</th><th></th><th>Members or rules</th><th>Owner</th></tr>{cells}</table>"


def _link(body: Json) -> str:
    return f'<a href="{escape(object_url(body["path"]))}">{escape(str(body["display_name"]))}</a>'
