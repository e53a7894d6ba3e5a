"""Where things live in NSX's tree, and how a path becomes a place in a hierarchical write. Pure; asks nobody.

A path is ``/infra/<collection>/<id>/<collection>/<id>…``; a collection says what kind of object its members are
(agent-cpi-vsphere.md 5.2).
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from director.model.fabric import Ref

TYPES: Final[Mapping[str, str]] = {
    "tier-0s": "Tier0",
    "tier-1s": "Tier1",
    "locale-services": "LocaleServices",
    "nat": "PolicyNat",
    "nat-rules": "PolicyNatRule",
    "static-routes": "StaticRoutes",
    "segments": "Segment",
    "ports": "SegmentPort",
    "ip-blocks": "IpAddressBlock",
    "ip-pools": "IpAddressPool",
    "ip-subnets": "IpAddressPoolSubnet",
    "ip-allocations": "IpAddressAllocation",
    "domains": "Domain",
    "groups": "Group",
    "security-policies": "SecurityPolicy",
    "rules": "Rule",
    "services": "Service",
    "lb-services": "LBService",
    "lb-pools": "LBPool",
    "lb-monitor-profiles": "LBMonitorProfile",
    "lb-virtual-servers": "LBVirtualServer",
}
"""The type that a ``Child…`` wrapper is named after, by collection: each collection has one, wherever it stands."""

ORDER: Final = tuple(TYPES)
"""What needs stands after what is needed. NSX does not mind inside one write; people who read it do."""

DOMAIN: Final = "/infra/domains/default"
POINT: Final = "/infra/sites/default/enforcement-points/default"
REALISED_POINT: Final = "/infra/realized-state/enforcement-points/default"
LOCALE: Final = "default"


_LYING_IN: Final = frozenset({"nat-rules", "static-routes", "ip-allocations"})


class What(Enum):
    """What a reference has to lead to, in an operator's words."""

    TIER0 = "tier-0 router"
    ROUTER = "router"
    EDGE_CLUSTER = "edge cluster"
    TRANSPORT_ZONE = "transport zone"
    IP_BLOCK = "ip block"
    IP_POOL = "ip pool"
    GROUP = "group"
    MONITOR = "monitor"
    SERVER_POOL = "server pool"
    BALANCER = "load balancer"
    SERVICE = "service"
    APP_PROFILE = "application profile"
    PERSISTENCE = "persistence profile"


HOMES: Final[Mapping[What, tuple[str, ...]]] = {
    What.TIER0: ("/infra/tier-0s",),
    What.ROUTER: ("/infra/tier-1s", "/infra/tier-0s"),
    What.EDGE_CLUSTER: (f"{POINT}/edge-clusters",),
    What.TRANSPORT_ZONE: (f"{POINT}/transport-zones",),
    What.IP_BLOCK: ("/infra/ip-blocks",),
    What.IP_POOL: ("/infra/ip-pools",),
    What.GROUP: (f"{DOMAIN}/groups",),
    What.MONITOR: ("/infra/lb-monitor-profiles",),
    What.SERVER_POOL: ("/infra/lb-pools",),
    What.BALANCER: ("/infra/lb-services",),
    What.SERVICE: ("/infra/services",),
    What.APP_PROFILE: ("/infra/lb-app-profiles",),
    What.PERSISTENCE: ("/infra/lb-persistence-profiles",),
}
"""Collections to look in; objects of ours live in the first."""


def of_ours(what: What, id: str) -> str:
    return f"{HOMES[what][0]}/{id}"


def parts(path: str) -> tuple[tuple[str, str], ...]:
    """``(collection, id)`` from the root down."""
    names = path.removeprefix("/infra/").split("/")
    assert len(names) % 2 == 0, f"{path} is no object's path"
    return tuple(zip(names[::2], names[1::2], strict=True))


def join(places: tuple[tuple[str, str], ...]) -> str:
    return "/infra/" + "/".join(f"{where}/{name}" for where, name in places)


def collection(path: str) -> str:
    """Where it is listed with its kin: ``/infra/segments``."""
    return path.rpartition("/")[0]


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def root(path: str) -> str:
    """The topmost object on the way to it: of a NAT rule its router, of an allocation its pool.

    What is in the domain is its own root, as the domain belongs to nobody.
    """
    places = parts(path)
    return join(places[:2] if places[0][0] == "domains" else places[:1])


def parent_of(path: str) -> Ref | None:
    """What an object lies in, by its path, where its id alone does not tell."""
    return Ref(to=root(path), is_ours=False) if parts(path)[-1][0] in _LYING_IN else None


def is_below(path: str, other: str) -> bool:
    return path.startswith(other + "/")


def topmost(paths: set[str]) -> tuple[str, ...]:
    """Those that lie below no other of them."""
    return tuple(sorted(path for path in paths if not any(is_below(path, other) for other in paths)))


def rank(path: str) -> int:
    return ORDER.index(parts(path)[-1][0])
