"""Managed networks: what their subnets ask of a network fabric, and whether the parts fit together.

BOSH's keys (agent-cpi-vsphere.md 3.13) and ours. Whether a tier-0 or a block exists only the fabric can say.
"""

from collections.abc import Sequence
from typing import Final

from director.manifest import faults
from director.manifest.addresses import Network, read_address, read_network
from director.manifest.check_balancer import check_address, check_balancer, check_ip, check_port, check_unique
from director.manifest.document import Path
from director.manifest.fabric_text import vlan_text
from director.manifest.filled import check_filled
from director.manifest.merge import Item, items_of
from director.manifest.pick import flag, items, text, texts, tree_at, trees
from director.manifest.report import Report
from director.model.tree import Tree

ALIASES: Final = (
    ("t0_router_id", "tier0"),
    ("transport_zone_id", "transport_zone"),
    ("ip_block_id", "ip_block"),
    ("edge_cluster_id", "edge_cluster"),
)
"""BOSH's key, or as BOSH would call it, and ours."""
_NEEDS_TIER0: Final = ("t1_name", "dnat", "routes", "load_balancer", "snat", "no_snat")
_NEEDS_EDGES: Final = ("dnat", "load_balancer")
_CARVED: Final = ("gateway", "static", "reserved")


def is_managed(item: Item) -> bool:
    return flag(item.tree, "managed")


def either(tree: Tree, one: str, other: str) -> str:
    return text(tree, one) or text(tree, other)


def check_managed(item: Item, subnets: Sequence[tuple[int, Tree]]) -> None:
    """Everything about a managed network beside its ranges."""
    kind = text(item.tree, "type", "manual")
    if kind != "manual":
        detail = f'The {kind} network "{item.name}" is managed, but only manual networks can be.'
        item.report.error((*item.path, "managed"), faults.FABRIC_KIND, detail, "remove managed, or write type: manual.")
        return
    for index, subnet in subnets:
        path: Path = (*item.path, "subnets", index)
        tree = tree_at(subnet, "cloud_properties")
        where: Path = (*path, "cloud_properties")
        check_filled(item.report, where, tree)
        _check_aliases(item.report, where, tree)
        _check_needs(item.report, where, tree)
        _check_topology(item.report, where, tree)
        _check_vlans(item.report, where, tree)
        _check_dnat(item.report, where, tree, read_network(text(subnet, "range")))
        check_routes(item.report, where, tree)
        _check_blocks(item.report, (*where, "no_snat"), texts(tree, "no_snat"))
        check_balancer(item.report, (*where, "load_balancer"), tree_at(tree, "load_balancer"))


def check_carved(item: Item, path: Path, subnet: Tree) -> None:
    """A subnet without a range: it needs a block, and cannot speak of addresses that nobody knows yet."""
    if not either(tree_at(subnet, "cloud_properties"), "ip_block_id", "ip_block"):
        detail = f'A subnet of the managed network "{item.name}" has no range, and no block to carve one from.'
        fix = "add range: with a CIDR block, or ip_block: with the name of an IP block to its cloud_properties."
        item.report.error((*path, "range"), faults.SUBNET_RANGE, detail, fix)
    for key in _CARVED:
        if key in subnet:
            detail = f'A subnet of the managed network "{item.name}" has {key}, but its range is carved from a block.'
            fix = f"remove {key}, or add range: with the CIDR block that it lies in."
            item.report.error((*path, key), faults.FABRIC_CARVED, detail, fix)


def check_ranged(item: Item, path: Path, subnet: Tree) -> None:
    """A managed subnet with a range of its own carves nothing."""
    tree = tree_at(subnet, "cloud_properties")
    for where, key in (((), "netmask_bits"), *((("cloud_properties",), key) for key in ALIASES[2])):
        if key in (tree if where else subnet):
            detail = f'A subnet of the network "{item.name}" has {key}, which is not used as it has a range.'
            item.report.warn((*path, *where, key), faults.NOT_HONOURED, detail, f"remove {key}, or the range.")


def check_segment_names(reports: Sequence[Report]) -> None:
    """Two segments of one name could not be told apart where VMs are put on them."""
    seen: dict[str, str] = {}
    for item in items_of(reports, "networks"):
        for index, subnet in trees(item.tree, "subnets") if is_managed(item) else ():
            name = text(tree_at(subnet, "cloud_properties"), "switch_name")
            path: Path = (*item.path, "subnets", index, "cloud_properties", "switch_name")
            if name and name in seen:
                detail = f'The segment "{name}" of the network "{item.name}" is named at {seen[name]} already.'
                item.report.error(path, faults.FABRIC_TWICE, detail, "give each subnet a switch_name of its own.")
            seen.setdefault(name, str(item.report.document.mark(path)))


def _check_aliases(report: Report, path: Path, tree: Tree) -> None:
    for one, other in ALIASES:
        if one in tree and other in tree:
            detail = f"{report.words(path)} has both {one} and {other}, which mean the same."
            report.error((*path, other), faults.FABRIC_KEYS, detail, f"keep {other}.")


def _check_needs(report: Report, path: Path, tree: Tree) -> None:
    """NAT, load balancing and routes are a router's; the first two run on edge nodes."""
    is_nat = text(tree, "topology") == "nat"
    asked = [key for key in _NEEDS_TIER0 if tree.get(key)] + (["topology: nat"] if is_nat else [])
    if asked and not either(tree, "t0_router_id", "tier0"):
        detail = f"{report.words(path)} asks for {', '.join(asked)}, but has no tier-0 router to connect to."
        report.error(path, faults.FABRIC_NEEDS, detail, "add tier0: with the name or id of a tier-0 router.")
    asked = [key for key in _NEEDS_EDGES if tree.get(key)] + (["topology: nat"] if is_nat else [])
    if asked and not either(tree, "edge_cluster_id", "edge_cluster"):
        detail = f"{report.words(path)} asks for {', '.join(asked)}, which runs on edge nodes, but has no edge_cluster."
        report.error(path, faults.FABRIC_NEEDS, detail, "add edge_cluster: with the name or id of an edge cluster.")


def _check_topology(report: Report, path: Path, tree: Tree) -> None:
    if "snat" in tree:
        check_address(report, (*path, "snat"), tree_at(tree, "snat"))
    if text(tree, "topology") == "nat":
        if "snat" not in tree:
            detail = f"{report.words(path)} has topology: nat, but no snat, the address its VMs are to hide behind."
            fix = "add snat: {ip: ADDRESS} or snat: {pool: NAME}, or write topology: routed."
            report.error((*path, "topology"), faults.FABRIC_NEEDS, detail, fix)
        return
    for key in ("snat", "no_snat"):
        if tree.get(key) and not report.is_broken((*path, key)):
            detail = f"{report.words((*path, key))} is not acted on while the topology is routed."
            report.warn((*path, key), faults.NOT_HONOURED, detail, "write topology: nat, or remove it.")


def _check_vlans(report: Report, path: Path, tree: Tree) -> None:
    check_vlan_ids(report, path, tree)
    if not tree.get("vlan_ids"):
        return
    if either(tree, "t0_router_id", "tier0"):
        detail = f"{report.words(path)} has vlan_ids and a tier-0 router, but a VLAN segment has no router of NSX-T."
        report.error((*path, "vlan_ids"), faults.FABRIC_KEYS, detail, "keep one of the two.")
    if not either(tree, "transport_zone_id", "transport_zone"):
        detail = f"{report.words(path)} has vlan_ids, but does not say which VLAN transport zone they are of."
        report.error((*path, "vlan_ids"), faults.FABRIC_NEEDS, detail, "add transport_zone: with its name or id.")


def check_vlan_ids(report: Report, path: Path, tree: Tree) -> None:
    for index, vlan in items(tree, "vlan_ids"):
        where: Path = (*path, "vlan_ids", index)
        if vlan_text(vlan) is None and not report.is_broken(where):
            detail = f'{report.words((*path, "vlan_ids"))} has "{str(vlan)[:60]}", which is no VLAN.'
            report.error(where, faults.FABRIC_VLAN, detail, "write an id from 0 to 4094, or a range such as 200-210.")


def _check_dnat(report: Report, path: Path, tree: Tree, network: Network | None) -> None:
    check_unique(report, (*path, "dnat"), tree, "dnat", "DNAT")
    for index, dnat in trees(tree, "dnat"):
        where: Path = (*path, "dnat", index)
        check_address(report, where, dnat)
        check_nat_ports(report, where, dnat)
        if "to" not in dnat:
            continue
        to = text(dnat, "to")
        check_ip(report, (*where, "to"), to)
        address = read_address(to)
        if address is not None and network is not None and address not in network:
            detail = f"{report.words(where)} leads to {to}, which is outside {network}."
            report.error((*where, "to"), faults.FABRIC_NAT, detail, "write an address of this subnet.")


def check_nat_ports(report: Report, path: Path, rule: Tree) -> None:
    check_port(report, path, rule, "port")
    check_port(report, path, rule, "to_port")
    if "to_port" in rule and "port" not in rule:
        detail = f"{report.words(path)} says which port to send to, but not which port to take."
        report.error((*path, "to_port"), faults.FABRIC_NEEDS, detail, "add port:, or remove to_port.")


def check_routes(report: Report, path: Path, tree: Tree) -> None:
    seen: set[str] = set()
    for index, route in trees(tree, "routes"):
        where: Path = (*path, "routes", index)
        check_route(report, where, route)
        network = str(read_network(text(route, "network")) or "")
        if network and network in seen:
            fix = "write all its next_hops in one."
            report.error((*where, "network"), faults.FABRIC_TWICE, f"There are two routes to {network}.", fix)
        seen.add(network)


def check_route(report: Report, path: Path, route: Tree) -> None:
    if "network" in route:
        _check_blocks(report, (*path, "network"), (text(route, "network"),))
    for index, hop in enumerate(texts(route, "next_hops")):
        check_ip(report, (*path, "next_hops", index), hop)


def _check_blocks(report: Report, path: Path, blocks: Sequence[str]) -> None:
    for index, block in enumerate(blocks):
        where: Path = (*path, index) if report.document.has((*path, index)) else path
        if read_network(block) is None and not report.is_broken(where):
            detail = f'{report.words(path)} has "{block[:60]}", which is no CIDR block.'
            report.error(where, faults.FABRIC_ADDRESS, detail, "write a block such as 10.0.0.0/8.")
