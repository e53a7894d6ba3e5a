"""From checked text to what is asked of a network fabric: managed subnets, balancers, rules. Never fails."""

import json
from functools import cache
from typing import Final

from director.manifest.addresses import read_network
from director.manifest.fabric_text import port_text, vlan_text
from director.manifest.pick import items, number, text, text_or_none, texts, tree_at, trees
from director.manifest.schema import schema_text
from director.model.fabric import Monitor, Topology
from director.model.names import ObjectId
from director.model.network_wish import AddressWish, BalancerWish, ManagedSubnet, NatWish, PoolWish, VirtualServerWish
from director.model.problem import Mark
from director.model.rule_text import block_text
from director.model.tree import Tree

PREFIX: Final = 24
"""BOSH's, where netmask_bits is left out."""
_PREFIX_MIN: Final = 1
_PREFIX_MAX: Final = 31


@cache
def _keys() -> frozenset[str]:
    return frozenset(json.loads(schema_text("fabric"))["$defs"]["managed"]["properties"])


def rest_of(tree: Tree) -> Tree:
    """Cloud properties without what is the fabric's."""
    return {key: value for key, value in tree.items() if key not in _keys()}


def managed_of(subnet: Tree, mark: Mark) -> ManagedSubnet:
    tree = tree_at(subnet, "cloud_properties")
    prefix = number(subnet, "netmask_bits", PREFIX)
    return ManagedSubnet(
        tier0=_either(tree, "t0_router_id", "tier0"),
        transport_zone=_either(tree, "transport_zone_id", "transport_zone"),
        edge_cluster=_either(tree, "edge_cluster_id", "edge_cluster"),
        vlans=vlans_of(tree),
        topology=Topology.NAT if text(tree, "topology") == "nat" else Topology.ROUTED,
        segment=text_or_none(tree, "switch_name"),
        router=text_or_none(tree, "t1_name"),
        block=None if "range" in subnet else _either(tree, "ip_block_id", "ip_block"),
        prefix=prefix if _PREFIX_MIN <= prefix <= _PREFIX_MAX else PREFIX,
        snat=address_of(tree_at(tree, "snat")) if "snat" in tree else None,
        no_snat=tuple(block_text(block) for block in texts(tree, "no_snat") if read_network(block)),
        dnat=tuple(_dnat(entry) for _, entry in trees(tree, "dnat")),
        routes=tuple((block_text(text(r, "network")), texts(r, "next_hops")) for _, r in trees(tree, "routes")),
        balancer=balancer_of(tree_at(tree, "load_balancer")) if tree_at(tree, "load_balancer") else None,
        mark=mark,
    )


def _either(tree: Tree, one: str, other: str) -> str | None:
    return text(tree, one) or text_or_none(tree, other)


def vlans_of(tree: Tree) -> tuple[str, ...]:
    return tuple(vlan for _, item in items(tree, "vlan_ids") if (vlan := vlan_text(item)) is not None)


def address_of(tree: Tree) -> AddressWish:
    """``ip`` wins where a text has both, which was reported."""
    ip = text_or_none(tree, "ip")
    return AddressWish(ip=ip.strip() if ip else None, pool=None if ip else text_or_none(tree, "pool"))


def ports_of(tree: Tree, key: str) -> str | None:
    return port_text(tree.get(key))


def _dnat(tree: Tree) -> NatWish:
    return NatWish(
        name=text(tree, "name"),
        address=address_of(tree),
        to=text(tree, "to"),
        ports=ports_of(tree, "port"),
        to_ports=ports_of(tree, "to_port"),
    )


def balancer_of(tree: Tree) -> BalancerWish:
    return BalancerWish(
        size=text(tree, "size", "small").upper(),
        pools=tuple(_pool(pool) for _, pool in trees(tree, "server_pools")),
        virtual_servers=tuple(_server(server) for _, server in trees(tree, "virtual_servers")),
    )


def _pool(tree: Tree) -> PoolWish:
    port = number(tree, "port")
    monitor = tree.get("monitor")
    return PoolWish(
        name=text(tree, "name"),
        port=port or None,
        algorithm=text(tree, "algorithm", "round_robin").upper(),
        monitor=_monitor(monitor, port) if isinstance(monitor, dict) else text_or_none(tree, "monitor"),
    )


def _monitor(tree: Tree, port: int) -> Monitor:
    """Named by whoever makes it an object; asks the pool's port where it names none."""
    return Monitor(
        id=ObjectId(""),
        name="",
        type=text(tree, "type", "tcp"),
        port=None if text(tree, "type") == "icmp" else number(tree, "port", port) or None,
        path=text(tree, "path", "/"),
        interval_s=number(tree, "interval", 5),
        timeout_s=number(tree, "timeout", 5),
        rise=number(tree, "rise", 3),
        fall=number(tree, "fall", 3),
        status_codes=tuple(code for _, code in items(tree, "status_codes") if isinstance(code, int)),
    )


def _server(tree: Tree) -> VirtualServerWish:
    return VirtualServerWish(
        name=text(tree, "name"),
        address=address_of(tree),
        ports=tuple(port for _, item in items(tree, "ports") if (port := port_text(item)) is not None),
        pool=text(tree, "server_pool"),
        profile=text(tree, "profile", "tcp"),
        persistence=text_or_none(tree, "persistence"),
    )
