"""What operators write about networks beside managed subnets: network configs, and ``nsxt`` in cloud properties.

Names only; ids, addresses out of pools and order are chosen by ``planning``. A ``Ref`` in here is by name: ``is_ours``
when a network config declares it.
"""

from dataclasses import dataclass, field

from director.model.fabric import Ref
from director.model.network_wish import AddressWish, BalancerWish
from director.model.problem import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWish:
    """``sources`` and ``destinations``: groups by name, or CIDRs and ``any`` as foreign Refs; empty: not said."""

    name: str
    action: str = "ALLOW"
    sources: tuple[Ref, ...] = ()
    destinations: tuple[Ref, ...] = ()
    services: tuple[str, ...] = ()
    direction: str = "IN_OUT"
    is_logged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWish:
    """``scope`` are groups by name; empty: everywhere."""

    name: str
    rules: tuple[RuleWish, ...]
    scope: tuple[Ref, ...] = ()
    category: str = "Application"
    priority: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentWish:
    """``nsxt`` of one instance group's cloud properties. ``groups`` exist already, ``own_groups`` are to be made for
    the deployment, ``pools`` are (name, port).
    """

    groups: tuple[str, ...] = ()
    own_groups: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    pools: tuple[tuple[str, int | None], ...] = ()
    rules: tuple[RuleWish, ...] = ()
    vif_type: str | None = None


NOTHING_WISHED = AttachmentWish()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockWish:
    name: str
    cidr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IpPoolWish:
    """``ranges`` are ``(first, last)``."""

    name: str
    cidr: str
    ranges: tuple[tuple[str, str], ...]
    gateway: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterWish:
    name: str
    tier0: str | None = None
    edge_cluster: str | None = None
    advertises: tuple[str, ...] = ()
    failover: str = "NON_PREEMPTIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentWish:
    name: str
    router: Ref | None = None
    transport_zone: str | None = None
    gateway: str | None = None
    vlans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NatRuleWish:
    """``destination`` and ``translated`` may be the first free address of a pool."""

    name: str
    router: Ref
    action: str
    source: str | None = None
    destination: AddressWish | None = None
    translated: AddressWish | None = None
    ports: str | None = None
    to_ports: str | None = None
    priority: int | None = None
    is_enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteWish:
    name: str
    router: Ref
    network: str
    next_hops: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterBalancerWish:
    name: str
    router: Ref
    balancer: BalancerWish


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWish:
    """One of ``addresses`` and ``port_tag`` (scope, tag) is set."""

    name: str
    addresses: tuple[str, ...] = ()
    port_tag: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """One text of ``type: network``: what outlives deployments. ``cpi`` says in whose fabric."""

    name: str
    cpi: str = ""
    blocks: tuple[BlockWish, ...] = ()
    pools: tuple[IpPoolWish, ...] = ()
    routers: tuple[RouterWish, ...] = ()
    segments: tuple[SegmentWish, ...] = ()
    nat_rules: tuple[NatRuleWish, ...] = ()
    routes: tuple[RouteWish, ...] = ()
    balancers: tuple[RouterBalancerWish, ...] = ()
    groups: tuple[GroupWish, ...] = ()
    policies: tuple[PolicyWish, ...] = ()
    mark: Mark | None = field(default=None, compare=False)
