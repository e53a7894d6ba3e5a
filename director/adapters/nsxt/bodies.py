"""Network objects as NSX's bodies: only the fields that we mean. Pure; references have been resolved before.

One object of ours may be several of NSX's: its pieces. A field that is None must not be there; a piece without a body
must not be there either. Whatever NSX offers beside is left to its defaults and to strangers.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

from director.adapters.nsxt.paths import DOMAIN, LOCALE, What, of_ours
from director.model.fabric import (
    Carving,
    Group,
    IpBlock,
    IpPool,
    LoadBalancer,
    Monitor,
    NatRule,
    NetworkObject,
    PoolAddress,
    Ref,
    Router,
    Rule,
    SecurityPolicy,
    Segment,
    ServerPool,
    StaticRoute,
    VirtualServer,
)
from director.model.tree import Node

Body = dict[str, Node]
Resolve = Callable[[What, Ref], str]
"""The path that a reference means."""

ADVERTISED: Final[Mapping[str, str]] = {
    "connected": "TIER1_CONNECTED",
    "nat": "TIER1_NAT",
    "lb_vip": "TIER1_LB_VIP",
    "lb_snat": "TIER1_LB_SNAT",
    "static": "TIER1_STATIC_ROUTES",
}
MONITORS: Final[Mapping[str, str]] = {
    "tcp": "LBTcpMonitorProfile",
    "http": "LBHttpMonitorProfile",
    "https": "LBHttpsMonitorProfile",
    "icmp": "LBIcmpMonitorProfile",
}
APP_PROFILES: Final[Mapping[str, str]] = {
    "tcp": "default-tcp-lb-app-profile",
    "udp": "default-udp-lb-app-profile",
    "http": "default-http-lb-app-profile",
}
PERSISTENCES: Final[Mapping[str, str]] = {
    "source_ip": "default-source-ip-lb-persistence-profile",
    "cookie": "default-cookie-lb-persistence-profile",
}
_SEQUENCE: Final = 10
"""Between two firewall rules, so that people can put theirs there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One object of NSX's. The first piece of an object stands for it: its revision, its tags, its owner."""

    path: str
    body: Body | None = field(repr=False)


def pieces_of(thing: NetworkObject, resolve: Resolve) -> tuple[Piece, ...]:
    """Without tags. Raises KeyError when a reference has not been resolved."""
    made: Sequence[tuple[str, Body | None]]
    match thing:
        case Router():
            made = _router(thing, resolve)
        case Segment():
            made = ((f"/infra/segments/{thing.id}", _segment(thing, resolve)),)
        case NatRule():
            made = _nat(thing, resolve)
        case StaticRoute():
            made = ((f"{resolve(What.ROUTER, thing.router)}/static-routes/{thing.id}", _route(thing)),)
        case IpBlock():
            made = ((of_ours(What.IP_BLOCK, thing.id), {"resource_type": "IpAddressBlock", "cidr": thing.cidr}),)
        case IpPool():
            made = _pool(thing)
        case Carving():
            made = _carving(thing, resolve)
        case PoolAddress():
            body: Body = {"resource_type": "IpAddressAllocation", "allocation_ip": thing.ip}
            made = ((f"{resolve(What.IP_POOL, thing.pool)}/ip-allocations/{thing.id}", body),)
        case Group():
            made = ((of_ours(What.GROUP, thing.id), _group(thing)),)
        case SecurityPolicy():
            made = _policy(thing, resolve)
        case LoadBalancer():
            made = ((of_ours(What.BALANCER, thing.id), _balancer(thing, resolve)),)
        case Monitor():
            made = _monitor(thing)
        case ServerPool():
            made = ((of_ours(What.SERVER_POOL, thing.id), _server_pool(thing, resolve)),)
        case VirtualServer():
            made = ((f"/infra/lb-virtual-servers/{thing.id}", _virtual_server(thing, resolve)),)
    return tuple(Piece(path=path, body=_named(thing.name, body)) for path, body in made)


def _named(name: str, body: Body | None) -> Body | None:
    return None if body is None else {"display_name": name, **body}


def _router(router: Router, resolve: Resolve) -> Sequence[tuple[str, Body | None]]:
    path = of_ours(What.ROUTER, router.id)
    body: Body = {
        "resource_type": "Tier1",
        "tier0_path": _maybe(resolve, What.TIER0, router.tier0),
        "failover_mode": router.failover,
        "route_advertisement_types": [ADVERTISED[each] for each in sorted(router.advertises)],
    }
    edges = _maybe(resolve, What.EDGE_CLUSTER, router.edge_cluster)
    service: Body | None = {"resource_type": "LocaleServices", "edge_cluster_path": edges} if edges else None
    return ((path, body), (f"{path}/locale-services/{LOCALE}", service))


def _segment(segment: Segment, resolve: Resolve) -> Body:
    """Without a transport zone named, NSX's default one: then the field is not ours."""
    zone = _maybe(resolve, What.TRANSPORT_ZONE, segment.transport_zone)
    return {
        "resource_type": "Segment",
        "connectivity_path": _maybe(resolve, What.ROUTER, segment.router),
        **({"transport_zone_path": zone} if zone else {}),
        "vlan_ids": [*segment.vlans],
        "subnets": [{"gateway_address": segment.gateway}] if segment.gateway else [],
    }


def _nat(rule: NatRule, resolve: Resolve) -> Sequence[tuple[str, Body | None]]:
    """NSX knows a DNAT's outer port only as a service, which is made along."""
    service_path = of_ours(What.SERVICE, rule.id)
    body: Body = {
        "resource_type": "PolicyNatRule",
        "action": rule.action,
        "source_network": rule.source,
        "destination_network": rule.destination,
        "translated_network": rule.translated,
        "service": service_path if rule.ports else None,
        "translated_ports": rule.translated_ports,
        "sequence_number": rule.priority,
        "enabled": rule.is_enabled,
    }
    path = f"{resolve(What.ROUTER, rule.router)}/nat/USER/nat-rules/{rule.id}"
    if rule.action != "DNAT":
        return ((path, body),)
    service: Body | None = None
    if rule.ports:
        service = {"resource_type": "Service", "service_entries": [_entry("ports", f"tcp/{rule.ports}")]}
    return ((path, body), (service_path, service))


def _route(route: StaticRoute) -> Body:
    hops: list[Node] = [{"ip_address": hop} for hop in route.next_hops]
    return {"resource_type": "StaticRoutes", "network": route.network, "next_hops": hops}


def _pool(pool: IpPool) -> Sequence[tuple[str, Body | None]]:
    path = of_ours(What.IP_POOL, pool.id)
    subnet: Body = {
        "resource_type": "IpAddressPoolStaticSubnet",
        "cidr": pool.cidr,
        "allocation_ranges": [{"start": first, "end": last} for first, last in pool.ranges],
        "gateway_ip": pool.gateway,
    }
    return ((path, {"resource_type": "IpAddressPool"}), (f"{path}/ip-subnets/{pool.id}", subnet))


def _carving(carving: Carving, resolve: Resolve) -> Sequence[tuple[str, Body | None]]:
    """NSX carves only for pools, so there is one that nobody takes addresses from."""
    path, network = of_ours(What.IP_POOL, carving.id), ip_network(carving.cidr)
    subnet: Body = {
        "resource_type": "IpAddressPoolBlockSubnet",
        "ip_block_path": resolve(What.IP_BLOCK, carving.block),
        "size": network.num_addresses,
        "start_ip": str(network.network_address),
    }
    return ((path, {"resource_type": "IpAddressPool"}), (f"{path}/ip-subnets/{carving.id}", subnet))


def _group(group: Group) -> Body:
    expression: list[Node] = []
    if group.port_tag is not None:
        expression = [
            {
                "resource_type": "Condition",
                "member_type": "SegmentPort",
                "key": "Tag",
                "operator": "EQUALS",
                "value": "|".join(group.port_tag),
            }
        ]
    elif group.addresses:
        expression = [{"resource_type": "IPAddressExpression", "ip_addresses": [*group.addresses]}]
    return {"resource_type": "Group", "expression": expression}


def _policy(policy: SecurityPolicy, resolve: Resolve) -> Sequence[tuple[str, Body | None]]:
    path = f"{DOMAIN}/security-policies/{policy.id}"
    scope: list[Node] = [resolve(What.GROUP, ref) for ref in policy.scope]
    body: Body = {
        "resource_type": "SecurityPolicy",
        "category": policy.category,
        "sequence_number": policy.priority,
        "scope": scope or ["ANY"],
    }
    rules = (
        (f"{path}/rules/{rule_id}", _rule(rule, (place + 1) * _SEQUENCE, resolve))
        for place, (rule_id, rule) in enumerate(zip(_rule_ids(policy.rules), policy.rules, strict=True))
    )
    return ((path, body), *rules)


def _rule_ids(rules: Sequence[Rule]) -> Sequence[str]:
    """By name, so that a rule moved up stays the same rule."""
    found: list[str] = []
    for rule in rules:
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", rule.name) or "rule"
        found.append(slug if slug not in found else f"{slug}-{len(found)}")
    return found


def _rule(rule: Rule, sequence: int, resolve: Resolve) -> Body:
    entries = [text for text in rule.services if is_entry(text)]
    named: list[Node] = [
        resolve(What.SERVICE, Ref(to=text, is_ours=False)) for text in rule.services if not is_entry(text)
    ]
    return {
        "resource_type": "Rule",
        "display_name": rule.name,
        "action": rule.action,
        "source_groups": _ends(rule.sources, resolve),
        "destination_groups": _ends(rule.destinations, resolve),
        "services": named or ([] if entries else ["ANY"]),
        "service_entries": [_entry(f"entry-{place}", text) for place, text in enumerate(entries)],
        "direction": rule.direction,
        "logged": rule.is_logged,
        "sequence_number": sequence,
    }


def _ends(refs: Sequence[Ref], resolve: Resolve) -> list[Node]:
    if not refs or any(not ref.is_ours and ref.to.lower() == "any" for ref in refs):
        return ["ANY"]
    return [ref.to if is_address(ref) else resolve(What.GROUP, ref) for ref in refs]


def is_address(ref: Ref) -> bool:
    """Whether a firewall rule's end is ``any``, an address, range or CIDR itself, not a group's name."""
    if ref.is_ours:
        return False
    try:
        ip_network(ref.to.partition("-")[0], strict=False)
    except ValueError:
        return ref.to.lower() == "any"
    return True


def is_entry(service: str) -> bool:
    """``tcp/80``, ``udp/53-54``, ``icmp``: not a predefined service's name."""
    return service.lower() == "icmp" or re.fullmatch(r"(tcp|udp)/[0-9,-]+", service, re.IGNORECASE) is not None


def _entry(id: str, text: str) -> Node:
    protocol, _, ports = text.partition("/")
    if protocol.lower() == "icmp":
        return {"resource_type": "ICMPTypeServiceEntry", "id": id, "display_name": id, "protocol": "ICMPv4"}
    return {
        "resource_type": "L4PortSetServiceEntry",
        "id": id,
        "display_name": id,
        "l4_protocol": protocol.upper(),
        "destination_ports": [*ports.split(",")],
    }


def _balancer(balancer: LoadBalancer, resolve: Resolve) -> Body:
    router = resolve(What.ROUTER, balancer.router)
    return {"resource_type": "LBService", "connectivity_path": router, "size": balancer.size.upper()}


def _monitor(monitor: Monitor) -> Sequence[tuple[str, Body | None]]:
    """A type cannot be changed, so it is part of the id: a monitor of another type is another one."""
    body: Body = {
        "resource_type": MONITORS[monitor.type],
        "interval": monitor.interval_s,
        "timeout": monitor.timeout_s,
        "rise_count": monitor.rise,
        "fall_count": monitor.fall,
    }
    if monitor.type != "icmp":
        body["monitor_port"] = monitor.port
    if monitor.type in {"http", "https"}:
        body["request_url"] = monitor.path
        if monitor.status_codes:
            body["response_status_codes"] = [*monitor.status_codes]
    here = (monitor_path(monitor), body)
    others = (f"/infra/lb-monitor-profiles/{monitor.id}-{other}" for other in MONITORS if other != monitor.type)
    return (here, *((path, None) for path in others))


def monitor_path(monitor: Monitor) -> str:
    return f"/infra/lb-monitor-profiles/{monitor.id}-{monitor.type}"


def _server_pool(pool: ServerPool, resolve: Resolve) -> Body:
    group = _maybe(resolve, What.GROUP, pool.group)
    monitor = _maybe(resolve, What.MONITOR, pool.monitor)
    return {
        "resource_type": "LBPool",
        "algorithm": pool.algorithm.upper(),
        "active_monitor_paths": [monitor] if monitor else [],
        "snat_translation": {"type": "LBSnatAutoMap" if pool.snat else "LBSnatDisabled"},
        "member_group": {"group_path": group} if group else None,
    }


def _virtual_server(server: VirtualServer, resolve: Resolve) -> Body:
    kept = server.persistence
    return {
        "resource_type": "LBVirtualServer",
        "ip_address": server.ip,
        "ports": [*server.ports],
        "application_profile_path": resolve(What.APP_PROFILE, Ref(to=server.profile, is_ours=False)),
        "pool_path": _maybe(resolve, What.SERVER_POOL, server.pool),
        "lb_service_path": _maybe(resolve, What.BALANCER, server.load_balancer),
        "lb_persistence_profile_path": resolve(What.PERSISTENCE, Ref(to=kept, is_ours=False)) if kept else None,
        "default_pool_member_ports": [server.member_port] if server.member_port else [],
    }


def _maybe(resolve: Resolve, what: What, ref: Ref | None) -> str | None:
    return None if ref is None else resolve(what, ref)
