"""From checked network configs to values: what outlives deployments. Never fails, never refers to what is elsewhere."""

from collections.abc import Iterator, Sequence

from director.manifest.addresses import address_text, read_span
from director.manifest.build_fabric import address_of, balancer_of, ports_of, vlans_of
from director.manifest.check_network_config import ROOT
from director.manifest.document import Document
from director.manifest.pick import flag, number, text, text_or_none, texts, tree_at, trees
from director.model.fabric import Ref
from director.model.network_config import (
    BlockWish,
    GroupWish,
    IpPoolWish,
    NatRuleWish,
    NetworkConfig,
    PolicyWish,
    RouterBalancerWish,
    RouterWish,
    RouteWish,
    SegmentWish,
)
from director.model.network_wish import AddressWish
from director.model.rule_text import block_text, refs_of, rules_of
from director.model.tree import Node, Tree


def build_networks(docs: Sequence[tuple[str, Document]]) -> tuple[NetworkConfig, ...]:
    """Each config under its name, sorted by it."""
    return tuple(_config(name, doc) for name, doc in sorted(docs, key=lambda entry: entry[0]))


def _config(name: str, doc: Document) -> NetworkConfig:
    root = tree_at(doc.root, ROOT)
    return NetworkConfig(
        name=name,
        cpi=text(doc.root, "cpi"),
        blocks=tuple(BlockWish(name=text(t, "name"), cidr=block_text(text(t, "cidr"))) for t in _in(root, "ip_blocks")),
        pools=tuple(_pool(tree) for tree in _in(root, "ip_pools")),
        routers=tuple(_router(tree) for tree in _in(root, "routers")),
        segments=tuple(_segment(tree) for tree in _in(root, "segments")),
        nat_rules=tuple(_nat_rule(tree) for tree in _in(root, "nat_rules")),
        routes=tuple(_route(tree) for tree in _in(root, "static_routes")),
        balancers=tuple(_balancer(tree) for tree in _in(root, "load_balancers")),
        groups=tuple(_group(tree) for tree in _in(root, "groups")),
        policies=tuple(_policy(tree) for tree in _in(root, "security_policies")),
        mark=doc.mark((ROOT,)),
    )


def _in(root: Tree, section: str) -> Iterator[Tree]:
    return (tree for _, tree in trees(root, section))


def _pool(tree: Tree) -> IpPoolWish:
    ranges = tuple(pair for written in texts(tree, "ranges") if (pair := _ends(written)) is not None)
    return IpPoolWish(
        name=text(tree, "name"),
        cidr=block_text(text(tree, "cidr")),
        ranges=ranges,
        gateway=text_or_none(tree, "gateway"),
    )


def _ends(written: str) -> tuple[str, str] | None:
    span = read_span(written)
    is_v6 = ":" in written
    return (address_text(span.first, is_v6=is_v6), address_text(span.last, is_v6=is_v6)) if span else None


def _router(tree: Tree) -> RouterWish:
    return RouterWish(
        name=text(tree, "name"),
        tier0=text_or_none(tree, "tier0"),
        edge_cluster=text_or_none(tree, "edge_cluster"),
        advertises=tuple(dict.fromkeys(texts(tree, "advertise"))),
        failover=text(tree, "failover", "non_preemptive").upper(),
    )


def _segment(tree: Tree) -> SegmentWish:
    return SegmentWish(
        name=text(tree, "name"),
        router=_ref(tree.get("router")) if "router" in tree else None,
        transport_zone=text_or_none(tree, "transport_zone"),
        gateway=text_or_none(tree, "gateway"),
        vlans=vlans_of(tree),
    )


def _nat_rule(tree: Tree) -> NatRuleWish:
    source = text_or_none(tree, "source")
    return NatRuleWish(
        name=text(tree, "name"),
        router=_ref(tree.get("router")),
        action=text(tree, "action").upper(),
        source=block_text(source) if source else None,
        destination=_address(tree, "destination"),
        translated=_address(tree, "translated"),
        ports=ports_of(tree, "port"),
        to_ports=ports_of(tree, "to_port"),
        priority=number(tree, "priority") if "priority" in tree else None,
        is_enabled=flag(tree, "enabled", True),
    )


def _address(tree: Tree, key: str) -> AddressWish | None:
    written = tree.get(key)
    if isinstance(written, str):
        return AddressWish(ip=block_text(written))
    return address_of(tree_at(tree, key)) if key in tree else None


def _route(tree: Tree) -> RouteWish:
    return RouteWish(
        name=text(tree, "name"),
        router=_ref(tree.get("router")),
        network=block_text(text(tree, "network")),
        next_hops=texts(tree, "next_hops"),
    )


def _balancer(tree: Tree) -> RouterBalancerWish:
    return RouterBalancerWish(name=text(tree, "name"), router=_ref(tree.get("router")), balancer=balancer_of(tree))


def _group(tree: Tree) -> GroupWish:
    tag = tree_at(tree, "port_tag")
    return GroupWish(
        name=text(tree, "name"),
        addresses=texts(tree, "addresses"),
        port_tag=(text(tag, "scope"), text(tag, "tag")) if tag else None,
    )


def _policy(tree: Tree) -> PolicyWish:
    return PolicyWish(
        name=text(tree, "name"),
        rules=rules_of(tree),
        scope=refs_of(tree.get("scope")),
        category=text(tree, "category", "Application"),
        priority=number(tree, "priority", 100),
    )


def _ref(node: Node) -> Ref:
    """A router by name: declared in a network config, or with ``existing`` one of others."""
    if isinstance(node, dict):
        return Ref(to=text(node, "existing"), is_ours=False)
    return Ref(to=node if isinstance(node, str) else "")
