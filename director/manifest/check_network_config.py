"""Network configs, one or several together: names, references, and whether each object can be made.

Names lead to what any network config declares; ``{existing: name}`` leads to what others made in the fabric.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.manifest import faults
from director.manifest.addresses import is_within, overlaps, read_address, read_network, read_span, span_of
from director.manifest.check_balancer import check_balancer
from director.manifest.check_fabric import check_route, check_vlan_ids
from director.manifest.check_nat import check_nat_rule
from director.manifest.check_nsxt import check_members, check_rules
from director.manifest.document import Path
from director.manifest.merge import Item
from director.manifest.near import instead_of
from director.manifest.pick import text, texts, tree_at, trees
from director.manifest.report import Report
from director.model.cloud import Span
from director.model.tree import Tree

ROOT: Final = "networks"
SECTIONS: Final[Mapping[str, str]] = {
    "ip_blocks": "IP block",
    "ip_pools": "IP pool",
    "routers": "router",
    "segments": "segment",
    "nat_rules": "NAT rule",
    "static_routes": "static route",
    "load_balancers": "load balancer",
    "groups": "group",
    "security_policies": "security policy",
}
_ON_ROUTERS: Final = ("segments", "nat_rules", "static_routes", "load_balancers")
_NEEDS_EDGES: Final = ("nat_rules", "load_balancers")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """All configs together, by section."""

    items: Mapping[str, Sequence[Item]]

    def named(self, section: str) -> Mapping[str, Item]:
        return {item.name: item for item in reversed(self.items[section]) if item.name}


def check_network_set(reports: Sequence[Report]) -> None:
    """All configs together; their shapes were checked one by one."""
    known = _Set(items={section: _items(reports, section) for section in SECTIONS})
    for section, what in SECTIONS.items():
        _check_unique(known.items[section], what)
    for item in known.items["ip_blocks"]:
        _check_cidr(item)
    for item in known.items["ip_pools"]:
        _check_pool(item)
    for section in _ON_ROUTERS:
        for item in known.items[section]:
            _check_router(known, item, section)
    for item in known.items["segments"]:
        _check_segment(item)
    for item in known.items["nat_rules"]:
        check_nat_rule(item.report, item.path, item.tree)
    for item in known.items["static_routes"]:
        check_route(item.report, item.path, item.tree)
    for item in known.items["load_balancers"]:
        check_balancer(item.report, item.path, item.tree)
    _check_balancer_names(known.items["load_balancers"])
    _check_firewall(known)


def _items(reports: Sequence[Report], section: str) -> tuple[Item, ...]:
    return tuple(
        Item(report=report, path=(ROOT, section, index), tree=tree)
        for report in reports
        for index, tree in trees(tree_at(report.document.root, ROOT), section)
    )


def _check_unique(items: Sequence[Item], what: str) -> None:
    first: dict[str, Item] = {}
    for item in items:
        if item.name and item.name in first:
            where = first[item.name].report.document.mark(first[item.name].path)
            detail = f'The {what} "{item.name}" is declared at {where} already.'
            item.report.error((*item.path, "name"), faults.FABRIC_TWICE, detail, "rename or remove one of the two.")
        first.setdefault(item.name, item)


def _check_balancer_names(items: Sequence[Item]) -> None:
    """Server pools are joined by their names alone, whichever load balancer they belong to."""
    first: dict[str, str] = {}
    for item in items:
        for index, pool in trees(item.tree, "server_pools"):
            name = text(pool, "name")
            if first.setdefault(name, item.name) != item.name:
                detail = f'The server pool "{name}" belongs to the load balancer "{first[name]}" already.'
                path: Path = (*item.path, "server_pools", index, "name")
                item.report.error(path, faults.FABRIC_TWICE, detail, "rename one of the two.")


def _check_cidr(item: Item) -> None:
    written = text(item.tree, "cidr")
    where: Path = (*item.path, "cidr")
    if "cidr" in item.tree and read_network(written) is None and not item.report.is_broken(where):
        detail = f'{item.report.words(where)} is "{written[:60]}", which is no CIDR block.'
        item.report.error(where, faults.FABRIC_ADDRESS, detail, "write a block such as 10.0.0.0/16.")


def _check_pool(item: Item) -> None:
    _check_cidr(item)
    network = read_network(text(item.tree, "cidr"))
    spans: list[Span] = []
    for index, written in enumerate(texts(item.tree, "ranges")):
        where: Path = (*item.path, "ranges", index)
        span = read_span(written)
        why = ""
        if span is None:
            why = "is no range of addresses"
        elif network is not None and not is_within(span, span_of(network)):
            why = f"is not inside {network}"
        elif any(overlaps(span, other) for other in spans):
            why = "overlaps another range of this pool"
        if why:
            detail = f'The range "{written[:60]}" of the IP pool "{item.name}" {why}.'
            item.report.error(where, faults.FABRIC_ADDRESS, detail, "write it as 10.0.0.5-10.0.0.9.")
        elif span is not None:
            spans.append(span)
    _check_pool_gateway(item)


def _check_pool_gateway(item: Item) -> None:
    if "gateway" not in item.tree:
        return
    network, gateway = read_network(text(item.tree, "cidr")), read_address(text(item.tree, "gateway"))
    if gateway is None or (network is not None and gateway not in network):
        detail = f'The gateway "{text(item.tree, "gateway")[:60]}" of the IP pool "{item.name}" is not in its block.'
        item.report.error((*item.path, "gateway"), faults.FABRIC_ADDRESS, detail, "write an address inside cidr.")


def _check_router(known: _Set, item: Item, section: str) -> None:
    """That the router is declared or marked as existing, and has edges where they are needed."""
    name = item.tree.get("router")
    if not isinstance(name, str) or not name:
        return
    routers = known.named("routers")
    where: Path = (*item.path, "router")
    if name not in routers:
        detail = f'{item.report.words(item.path)} is on the router "{name}", which no network config declares.'
        fix = instead_of(name, routers, "write {existing: " + name + "} for a router that is there already")
        item.report.error(where, faults.FABRIC_UNKNOWN, detail, fix)
    elif section in _NEEDS_EDGES and not text(routers[name].tree, "edge_cluster"):
        detail = f'{item.report.words(item.path)} runs on edge nodes, but its router "{name}" has no edge_cluster.'
        item.report.error(where, faults.FABRIC_NEEDS, detail, f'add edge_cluster: to the router "{name}".')


def _check_segment(item: Item) -> None:
    check_vlan_ids(item.report, item.path, item.tree)
    if item.tree.get("vlan_ids") and "router" in item.tree:
        detail = f'The segment "{item.name}" has vlan_ids and a router, but a VLAN segment has no router of NSX-T.'
        item.report.error((*item.path, "vlan_ids"), faults.FABRIC_KEYS, detail, "keep one of the two.")
    if item.tree.get("vlan_ids") and not text(item.tree, "transport_zone"):
        detail = f'The segment "{item.name}" has vlan_ids, but does not say which VLAN transport zone they are of.'
        item.report.error((*item.path, "vlan_ids"), faults.FABRIC_NEEDS, detail, "add transport_zone:.")
    written = text(item.tree, "gateway")
    network, (address, _, _) = read_network(written), written.partition("/")
    bad = network is None or read_address(address) in (network.network_address, network.broadcast_address)
    if written and bad:
        detail = f'The gateway "{written[:60]}" of the segment "{item.name}" is no address with its network.'
        item.report.error((*item.path, "gateway"), faults.FABRIC_ADDRESS, detail, "write it as 10.0.0.1/24.")


def _check_firewall(known: _Set) -> None:
    groups = tuple(known.named("groups"))
    for item in known.items["groups"]:
        _check_group(item)
    for item in known.items["security_policies"]:
        check_rules(item.report, item.path, item.tree, groups)
        check_members(item.report, (*item.path, "scope"), item.tree, "scope", groups)


def _check_group(item: Item) -> None:
    tree: Tree = item.tree
    if ("addresses" in tree) == ("port_tag" in tree) and not item.report.is_broken(item.path):
        have = "both addresses and port_tag" if "addresses" in tree else "neither addresses nor port_tag"
        detail = f'The group "{item.name}" has {have}.'
        item.report.error(item.path, faults.FABRIC_KEYS, detail, "write exactly one of the two.")
    for index, written in enumerate(texts(tree, "addresses")):
        if read_span(written) is None:
            detail = f'"{written[:60]}" in the group "{item.name}" is no address, range or CIDR block.'
            fix = "write it as 10.0.0.5, 10.0.0.5-10.0.0.9 or 10.0.0.8/29."
            item.report.error((*item.path, "addresses", index), faults.FABRIC_ADDRESS, detail, fix)
