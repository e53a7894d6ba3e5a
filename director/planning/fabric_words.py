"""What a network object is set to, in a few words: the same in lists, trees and plans' lines."""

from typing import assert_never

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
    Router,
    SecurityPolicy,
    Segment,
    ServerPool,
    StaticRoute,
    VirtualServer,
)


def about(found: NetworkObject) -> str:
    """Without its kind and name."""
    match found:
        case Router():
            cluster = f"on {found.edge_cluster.to}" if found.edge_cluster else "distributed only"
            return f"{cluster}, advertises {', '.join(found.advertises) or 'nothing'}"
        case Segment():
            return _segment(found)
        case NatRule():
            return _nat(found)
        case StaticRoute():
            return f"{found.network} via {', '.join(found.next_hops)}"
        case IpBlock():
            return found.cidr
        case IpPool():
            return f"{found.cidr}: {', '.join(f'{first}-{last}' for first, last in found.ranges)}"
        case Carving():
            return f"{found.cidr} of {found.block.to}"
        case PoolAddress():
            return f"{found.ip} of {found.pool.to}"
        case Group():
            return "|".join(found.port_tag) if found.port_tag else ", ".join(found.addresses) or "empty"
        case SecurityPolicy():
            return f"rules {', '.join(rule.name for rule in found.rules)}" if found.rules else "no rules"
        case LoadBalancer():
            return found.size.lower()
        case Monitor():
            port = f" on port {found.port}" if found.port else ""
            return f"{found.type}{port}" + (f" {found.path}" if found.type.startswith("http") else "")
        case ServerPool():
            return found.algorithm.lower().replace("_", " ")
        case VirtualServer():
            return f"{found.ip}:{','.join(found.ports)} ({found.profile})"
        case _:
            assert_never(found)


def _segment(found: Segment) -> str:
    vlans = f"VLAN {', '.join(found.vlans)}" if found.vlans else ""
    return ", ".join(part for part in (found.gateway or "no gateway", vlans) if part)


def _nat(found: NatRule) -> str:
    """``SNAT 10.0.0.0/24 → 1.2.3.4``, ``DNAT 1.2.3.4:80 → 10.0.0.5:8080``, ``NO_SNAT 10.0.0.0/24 to 10.0.0.0/8``."""
    off = "" if found.is_enabled else " (off)"
    if found.action.startswith("NO_"):
        return f"{found.action} {found.source or 'any'} to {found.destination or 'any'}{off}"
    if found.action == "DNAT":
        before, after = _with(found.destination, found.ports), _with(found.translated, found.translated_ports)
        return f"DNAT {before} → {after}{off}"
    return f"{found.action} {found.source or 'any'} → {found.translated or 'any'}{off}"


def _with(address: str | None, ports: str | None) -> str:
    return f"{address or 'any'}:{ports}" if ports else address or "any"
