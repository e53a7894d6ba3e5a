"""What operators write about managed subnets, before anything is chosen: names, and addresses out of pools."""

from dataclasses import dataclass, field

from director.model.fabric import Monitor, Topology
from director.model.problem import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressWish:
    """A fixed address, or the first free one of a pool."""

    ip: str | None = None
    pool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWish:
    name: str
    port: int | None = None
    algorithm: str = "ROUND_ROBIN"
    monitor: Monitor | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServerWish:
    """``pool`` names one of the balancer's pools."""

    name: str
    address: AddressWish
    ports: tuple[str, ...]
    pool: str
    profile: str = "tcp"
    persistence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerWish:
    size: str = "SMALL"
    pools: tuple[PoolWish, ...] = ()
    virtual_servers: tuple[VirtualServerWish, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NatWish:
    """One DNAT of the network: from an address outside to one inside."""

    name: str
    address: AddressWish
    to: str
    ports: str | None = None
    to_ports: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedSubnet:
    """What a managed network's subnet asks of the fabric. ``block`` with ``prefix``: its range is carved from there."""

    tier0: str | None = None
    transport_zone: str | None = None
    edge_cluster: str | None = None
    vlans: tuple[str, ...] = ()
    topology: Topology = Topology.ROUTED
    segment: str | None = None
    router: str | None = None
    block: str | None = None
    prefix: int = 24
    snat: AddressWish | None = None
    no_snat: tuple[str, ...] = ()
    dnat: tuple[NatWish, ...] = ()
    routes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    balancer: BalancerWish | None = None
    mark: Mark | None = field(default=None, compare=False)
