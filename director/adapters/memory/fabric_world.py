"""What a simulated network fabric holds, and what strangers do to it. It outlives the director.

Every method here but ``seen`` and ``names_missing`` is a stranger's hand: the director never calls it.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_network
from typing import Any, Final

from director.model.fabric import (
    Carving,
    LoadBalancer,
    Member,
    NatRule,
    NetworkObject,
    ObjectState,
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
from director.model.names import DeploymentName, ObjectId, StackName, VmName

IMMUTABLE: Final[Mapping[str, tuple[str, ...]]] = {
    Segment.kind: ("transport_zone",),
    Carving.kind: ("block", "cidr"),
    PoolAddress.kind: ("pool", "ip"),
    SecurityPolicy.kind: ("category",),
    NatRule.kind: ("router",),
    StaticRoute.kind: ("router",),
}
"""Fields that a fabric refuses to change (agent-cpi-vsphere.md 5.7), by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One object as it is there. ``revision`` goes up with every write; without ``owner`` it is a stranger's."""

    object: NetworkObject
    owner: DeploymentName | None = None
    stack: StackName | None = None
    cpi: str = ""
    revision: int = 0
    state: ObjectState = ObjectState.REALISED
    error: str = ""

    @property
    def mark(self) -> str:
        """Equal as long as nobody changed what the director wishes for; others' fields may have changed."""
        return hashlib.sha256(repr(self.object).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class VmPorts:
    tags: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()
    segments: tuple[ObjectId, ...] = ()


def _names() -> dict[str, set[str]]:
    return {
        "tier-0": {"tier0"},
        "edge cluster": {"edges"},
        "transport zone": {"overlay", "vlan"},
        "monitor": {"default-tcp-lb-monitor", "default-http-lb-monitor", "default-icmp-lb-monitor"},
        "group": {"existing"},
        "server pool": {"old-pool"},
    }


@dataclass(slots=True, kw_only=True)
class FabricWorld:
    """``names`` are strangers' things by kind. ``blocks`` are CIDRs, ``pools`` ranges ``(first, last)``; ``taken`` what
    strangers hold of them. ``members`` are by the text of their pool's Ref. ``hangers`` are strangers' things that
    keep one of ours from going. ``portless`` VMs never show up. ``calls`` are (method, name) as begun.
    """

    objects: dict[ObjectId, Made] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=_names)
    blocks: dict[str, str] = field(default_factory=lambda: {"nodes": "10.128.0.0/16"})
    pools: dict[str, tuple[tuple[int, int], ...]] = field(
        default_factory=lambda: {"floating": ((0xC6336401, 0xC63364FE),)}  # 198.51.100.1-254
    )
    taken: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    members: dict[str, list[Member]] = field(default_factory=dict)
    ports: dict[VmName, VmPorts] = field(default_factory=dict)
    portless: set[VmName] = field(default_factory=set)
    hangers: dict[ObjectId, list[str]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def change(self, id: ObjectId, **wrong: Any) -> None:
        """A stranger changes fields that the director wishes for."""
        made = self.objects[id]
        self.objects[id] = replace(made, object=replace(made.object, **wrong), revision=made.revision + 1)

    def touch(self, id: ObjectId) -> None:
        """A stranger changes something that the director has no wish about."""
        self.objects[id] = replace(self.objects[id], revision=self.objects[id].revision + 1)

    def fail(self, id: ObjectId, error: str) -> None:
        """The fabric cannot realise it any more."""
        self.objects[id] = replace(self.objects[id], state=ObjectState.FAILED, error=error)

    def put(self, object: NetworkObject) -> None:
        """A stranger's object."""
        self.objects[object.id] = Made(object=object)

    def drop(self, id: ObjectId) -> None:
        del self.objects[id]

    def seen(self, id: ObjectId, wished: NetworkObject | None = None) -> SeenObject | None:
        made = self.objects.get(id)
        if made is None:
            return None
        return SeenObject(
            id=id,
            kind=made.object.kind,
            name=made.object.name,
            state=made.state,
            owner=made.owner,
            stack=made.stack,
            revision=f"{made.revision}:{made.mark}",
            differences=differences(made.object, wished) if wished is not None else (),
            is_foreign=made.owner is None,
            error=made.error,
            cpi=made.cpi,
            parent=parent_of(made.object),
        )

    def names_missing(self, objects: Iterable[NetworkObject]) -> tuple[tuple[str, str], ...]:
        """Each (kind, name) that the objects point to and that is nobody's; of ours too, by id."""
        things = tuple(objects)
        there: set[str] = {*self.objects, *(thing.id for thing in things)}
        pointed = {pair for thing in things for pair in refs_of(thing)}
        return tuple(sorted((kind, ref.to) for kind, ref in pointed if not self._has(kind, ref, there)))

    def _has(self, kind: str, ref: Ref, there: set[str]) -> bool:
        if ref.is_ours:
            return ref.to in there
        known: Mapping[str, Collection[str]] = {
            **self.names,
            "ip block": self.blocks,
            "ip pool": self.pools,
            "router": self.names["tier-0"],
        }
        return ref.to in known.get(kind, ())


def parent_of(thing: NetworkObject) -> Ref | None:
    match thing:
        case NatRule() | StaticRoute():
            return thing.router
        case PoolAddress():
            return thing.pool
        case _:
            return None


def differences(there: NetworkObject, wished: NetworkObject) -> tuple[str, ...]:
    if type(there) is not type(wished):
        return (f"is a {there.kind}",)
    return tuple(
        f"{name} is {_shown(getattr(there, name))}, not {_shown(getattr(wished, name))}"
        for name in sorted(each.name for each in fields(wished))
        if getattr(there, name) != getattr(wished, name)
    )


def refs_of(thing: NetworkObject) -> tuple[tuple[str, Ref], ...]:
    """What an object points to, with the kind of thing it has to be. Addresses in firewall rules point nowhere."""
    return tuple((kind, ref) for kind, ref in _pointed(thing) if ref is not None)


def _pointed(thing: NetworkObject) -> Sequence[tuple[str, Ref | None]]:
    match thing:
        case Router():
            return (("tier-0", thing.tier0), ("edge cluster", thing.edge_cluster))
        case Segment():
            return (("router", thing.router), ("transport zone", thing.transport_zone))
        case NatRule() | StaticRoute() | LoadBalancer():
            return (("router", thing.router),)
        case Carving():
            return (("ip block", thing.block),)
        case PoolAddress():
            return (("ip pool", thing.pool),)
        case ServerPool():
            return (("monitor", thing.monitor), ("group", thing.group))
        case VirtualServer():
            return (("server pool", thing.pool), ("load balancer", thing.load_balancer))
        case SecurityPolicy():
            inner = [ref for rule in thing.rules for ref in (*rule.sources, *rule.destinations)]
            return [("group", ref) for ref in (*thing.scope, *inner) if ref.is_ours or not _is_address(ref.to)]
        case _:
            return ()


def _is_address(text: str) -> bool:
    if text.lower() == "any":
        return True
    try:
        ip_network(text.partition("-")[0], strict=False)
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    if isinstance(value, Ref):
        return value.to
    if isinstance(value, tuple):
        return ", ".join(_shown(each) for each in value) or "nothing"
    return "nothing" if value is None else str(value)
