"""Derives the stack of one managed subnet: everything between a tier-0 router and the VMs, in the order of need.

Ids come from the network's name and the subnet's place alone, so that going from NAT to routed keeps segment and range.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from ipaddress import ip_network
from typing import Final

from director.model.fabric import (
    Carving,
    NatRule,
    NetworkObject,
    PoolAddress,
    Ref,
    Router,
    Segment,
    ServerPool,
    Stack,
    StackRecord,
    StaticRoute,
    Topology,
)
from director.model.names import DeploymentName, ObjectId
from director.planning.fabric_balancer import Place, balancer_objects
from director.planning.fabric_names import Namer
from director.planning.fabric_ranges import RANGE, Choice, Use, address_id, segment_name, title_of

NO_SNAT_FIRST: Final = 100
DNAT_THEN: Final = 200
SNAT_LAST: Final = 300
"""The lower wins: an exception from hiding must be found before hiding itself."""


def network_stack_of(
    choice: Choice, deployment: DeploymentName, recorded: Sequence[StackRecord], names: Namer
) -> Stack:
    """Owned by whoever made it first."""
    use = choice.use
    record = next((r for r in recorded if r.stack.name == use.stack), None)
    return Stack(
        name=use.stack,
        cpi=use.cpi,
        owner=record.stack.owner if record else deployment,
        objects=tuple(_objects(choice, names)),
        claims=choice.claims,
        network=use.network,
        subnet=use.index,
    )


def segment_id(use: Use, names: Namer) -> ObjectId:
    return names.id(Segment.kind, *use.parts)


def server_pool_id(use: Use, pool: str, names: Namer) -> ObjectId:
    return names.id(ServerPool.kind, *use.parts, pool)


def _objects(choice: Choice, names: Namer) -> Iterator[NetworkObject]:
    use, managed = choice.use, choice.use.managed
    yield from _taken(choice, names)
    nat = tuple(_nat(choice, names)) if managed.tier0 is not None else ()
    if managed.tier0 is not None:
        yield _router(use, names, has_nat=bool(nat))
    yield _segment(choice, names)
    if managed.tier0 is None:
        return
    for network, hops in managed.routes:
        id_, name = names.id(StaticRoute.kind, *use.parts, network), f"{title_of(use, names)} to {network}"
        yield StaticRoute(id=id_, name=name, router=_router_ref(use, names), network=network, next_hops=hops)
    yield from nat
    if managed.balancer is not None:
        yield from balancer_objects(managed.balancer, _place(choice, names))


def _taken(choice: Choice, names: Namer) -> Iterator[NetworkObject]:
    use, title = choice.use, title_of(choice.use, names)
    for purpose, source in choice.sources.items():
        if purpose == RANGE:
            yield Carving(id=names.id(Carving.kind, *use.parts), name=title, block=source.ref, cidr=choice.range)
    for purpose, source in sorted(choice.sources.items()):
        if purpose != RANGE:
            ip, name = choice.addresses[purpose], f"{title}-{purpose.replace('/', '-')}"
            yield PoolAddress(id=address_id(use, purpose, names), name=name, pool=source.ref, ip=ip)


def _router_ref(use: Use, names: Namer) -> Ref:
    return Ref(to=names.id(Router.kind, *use.parts))


def _router(use: Use, names: Namer, *, has_nat: bool) -> Router:
    managed = use.managed
    is_routed = managed.topology is Topology.ROUTED
    advertised = {
        "connected": is_routed,
        "lb_vip": managed.balancer is not None,
        "nat": has_nat,
        "static": is_routed and bool(managed.routes),
    }
    assert managed.tier0 is not None, "only then there is a router"
    return Router(
        id=names.id(Router.kind, *use.parts),
        name=managed.router or title_of(use, names),
        tier0=Ref(to=managed.tier0, is_ours=False),
        edge_cluster=_foreign(managed.edge_cluster),
        advertises=tuple(sorted(what for what, is_said in advertised.items() if is_said)),
    )


def _segment(choice: Choice, names: Namer) -> Segment:
    use, managed = choice.use, choice.use.managed
    has_router = managed.tier0 is not None
    return Segment(
        id=segment_id(use, names),
        name=segment_name(use, names),
        router=_router_ref(use, names) if has_router else None,
        transport_zone=_foreign(managed.transport_zone),
        gateway=f"{choice.gateway}/{ip_network(choice.range).prefixlen}" if has_router else None,
        vlans=managed.vlans,
    )


def _nat(choice: Choice, names: Namer) -> Iterator[NatRule]:
    use, managed = choice.use, choice.use.managed
    title = title_of(use, names)
    rule = partial(NatRule, router=_router_ref(use, names))
    id_ = partial(names.id, NatRule.kind, *use.parts)
    if managed.topology is Topology.NAT:
        for network in managed.no_snat:
            yield rule(
                id=id_("no-snat", network),
                name=f"{title} not to {network}",
                action="NO_SNAT",
                source=choice.range,
                destination=network,
                priority=NO_SNAT_FIRST,
            )
    for dnat in managed.dnat:
        yield rule(
            id=id_("dnat", dnat.name),
            name=f"{title}-{dnat.name}",
            action="DNAT",
            destination=choice.addresses[f"dnat/{dnat.name}"],
            translated=dnat.to,
            ports=dnat.ports,
            translated_ports=dnat.to_ports,
            priority=DNAT_THEN,
        )
    if "snat" in choice.addresses:
        yield rule(
            id=id_("snat"),
            name=f"{title}-snat",
            action="SNAT",
            source=choice.range,
            translated=choice.addresses["snat"],
            priority=SNAT_LAST,
        )


def _place(choice: Choice, names: Namer) -> Place:
    use = choice.use

    def id_(kind: str, *parts: str) -> ObjectId:
        return names.id(kind, *use.parts, *parts)

    def title(*parts: str) -> str:
        return "-".join((title_of(use, names), *parts))

    return Place(router=_router_ref(use, names), id=id_, title=title, addresses=_vips(choice.addresses))


def _vips(addresses: Mapping[str, str]) -> Mapping[str, str]:
    return {purpose.removeprefix("vip/"): ip for purpose, ip in addresses.items() if purpose.startswith("vip/")}


def _foreign(name: str | None) -> Ref | None:
    return None if name is None else Ref(to=name, is_ours=False)
