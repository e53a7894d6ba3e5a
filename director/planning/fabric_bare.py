"""A network object of which only its id, kind and parent are known, as a value that can be removed. Pure."""

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
    SecurityPolicy,
    SeenObject,
    Segment,
    ServerPool,
    StaticRoute,
    VirtualServer,
)

NO_RANGE, NO_ADDRESS = "0.0.0.0/32", "0.0.0.0"  # noqa: S104  (nobody listens there)
"""Stand where an object needs an address to be one; a removal looks at none."""
UNKNOWN = Ref(to="", is_ours=False)


MONITORS = ("tcp", "http", "https", "icmp")


def bare(seen: SeenObject) -> tuple[NetworkObject, ...]:
    """All that it may be: of a monitor not even the type is known, and removing what is not there succeeds.

    Nothing for a kind that nobody here makes, and for what cannot be found without its parent.
    """
    id_, name, parent = seen.id, seen.name, seen.parent
    if seen.kind == Monitor.kind:
        return tuple(Monitor(id=id_, name=name, type=one) for one in MONITORS)
    known: list[NetworkObject] = [
        Router(id=id_, name=name),
        Segment(id=id_, name=name),
        IpBlock(id=id_, name=name, cidr=NO_RANGE),
        IpPool(id=id_, name=name, cidr=NO_RANGE, ranges=()),
        Carving(id=id_, name=name, block=UNKNOWN, cidr=NO_RANGE),
        Group(id=id_, name=name),
        SecurityPolicy(id=id_, name=name, rules=()),
        LoadBalancer(id=id_, name=name, router=UNKNOWN),
        ServerPool(id=id_, name=name),
        VirtualServer(id=id_, name=name, ip=NO_ADDRESS, ports=("1",)),
    ]
    if parent is not None:
        known.append(NatRule(id=id_, name=name, router=parent, action="SNAT"))
        known.append(StaticRoute(id=id_, name=name, router=parent, network=NO_RANGE, next_hops=(NO_ADDRESS,)))
        known.append(PoolAddress(id=id_, name=name, pool=parent, ip=NO_ADDRESS))
    return tuple(one for one in known if one.kind == seen.kind)
