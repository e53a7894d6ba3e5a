"""Puts recorded network objects into the tree that people see: tier-0, router, segment, instances; balancers, pools.

Pure: from the record and, when somebody looked, from what was seen. One fabric at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from director.model.fabric import (
    Carving,
    FabricSighting,
    LoadBalancer,
    Member,
    NatRule,
    NetworkObject,
    Ref,
    Router,
    SeenObject,
    Segment,
    ServerPool,
    Stack,
    StackRecord,
    StaticRoute,
    VirtualServer,
)
from director.model.names import DeploymentName, ObjectId, StackName
from director.reconcile.fabric_balancers import balancers_of
from director.reconcile.fabric_report import (
    NO_OWNER,
    NO_STACK,
    BalancerView,
    FabricView,
    InstanceView,
    ObjectView,
    RouterView,
    SegmentView,
    Standing,
)
from director.reconcile.fabric_standing import view_of

NESTED = (Router, Segment, NatRule, StaticRoute, LoadBalancer, ServerPool, VirtualServer)
"""What has a place of its own in the tree; the rest is listed beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One NIC of an instance. ``plugged_into`` is what its VM's network is called in the infrastructure."""

    network: str
    view: InstanceView
    plugged_into: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known of one fabric. ``stacks`` are all recorded ones, ``shown`` the names of those asked for.

    ``members`` are (deployment, instance's label, its place). ``seen`` is None when nobody looked.
    """

    cpi: str
    stacks: Sequence[StackRecord]
    shown: frozenset[StackName]
    nics: Sequence[Placed] = ()
    members: Sequence[tuple[DeploymentName, str, Member]] = ()
    seen: FabricSighting | None = None
    unrecorded: Sequence[SeenObject] = ()
    unseen: str = ""


@dataclass(slots=True, kw_only=True)
class _Below:
    """What stands below one router."""

    name: str
    kind: str = "router"
    object: ObjectView | None = None
    tier0: str = ""
    nat: list[ObjectView] = field(default_factory=list)
    routes: list[ObjectView] = field(default_factory=list)
    balancers: list[BalancerView] = field(default_factory=list)
    segments: list[SegmentView] = field(default_factory=list)


def tree_of(facts: Facts) -> FabricView:
    """Sorted by name on each level."""
    return _Tree(facts).view()


class _Tree:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._records = {o.id: record for record in facts.stacks for o in record.stack.objects}
        self._objects: Mapping[ObjectId, NetworkObject] = {
            o.id: o for record in facts.stacks for o in record.stack.objects
        }
        self._hiding: dict[Ref, list[NatRule]] = {}
        for found in self._objects.values():
            if isinstance(found, NatRule) and found.action == "SNAT":
                self._hiding.setdefault(found.router, []).append(found)
        self._seen = None if facts.seen is None else {found.id: found for found in facts.seen.objects}
        self._below: dict[str, _Below] = {}
        self._free: list[SegmentView] = []
        self._homeless: list[BalancerView] = []

    def view(self) -> FabricView:
        shown = [record for record in self._facts.stacks if record.stack.name in self._facts.shown]
        others = [self._view(found) for found in _objects(shown) if not isinstance(found, NESTED)]
        self._place_all(shown)
        seen = self._facts.seen
        return FabricView(
            cpi=self._facts.cpi,
            is_looked_at=seen is not None,
            unseen=self._facts.unseen,
            routers=self._routers(),
            segments=_by_name(self._free),
            balancers=tuple(sorted(self._homeless, key=lambda b: b.name)),
            others=_sorted(others),
            unrecorded=_sorted([_unrecorded(found) for found in self._facts.unrecorded]),
            problems=tuple(problem.detail for problem in seen.problems) if seen else (),
        )

    def _place_all(self, shown: Sequence[StackRecord]) -> None:
        for found in _objects(shown):
            if isinstance(found, Router):
                self._router(Ref(to=found.id))
            elif isinstance(found, Segment):
                self._place_segment(found)
            elif isinstance(found, NatRule):
                self._router(found.router).nat.append(self._view(found))
            elif isinstance(found, StaticRoute):
                self._router(found.router).routes.append(self._view(found))
        for home, balancer in balancers_of(shown, self._facts.members, self._facts.seen, self._view):
            (self._router(home).balancers if home else self._homeless).append(balancer)

    def _place_segment(self, segment: Segment) -> None:
        view = self._segment(segment)
        (self._router(segment.router).segments if segment.router else self._free).append(view)

    def _router(self, ref: Ref, kind: str = "router") -> _Below:
        """The place of one router, made when it is first spoken of; its tier-0's as well."""
        own = self._objects.get(ObjectId(ref.to)) if ref.is_ours else None
        key = f"{'ours' if own else 'theirs'}:{ref.to}"
        if key not in self._below:
            view = self._view(own) if own else None
            self._below[key] = _Below(name=own.name if own else ref.to, object=view)
            if isinstance(own, Router) and own.tier0:
                self._below[key].tier0 = f"theirs:{own.tier0.to}"
                self._router(Ref(to=own.tier0.to, is_ours=False), "tier-0")
        if kind == "tier-0":
            self._below[key].kind = kind
        return self._below[key]

    def _routers(self) -> tuple[RouterView, ...]:
        outermost = [(key, below) for key, below in self._below.items() if not below.tier0]
        return tuple(self._router_view(key, one) for key, one in sorted(outermost, key=lambda p: (p[1].name, p[0])))

    def _router_view(self, key: str, one: _Below) -> RouterView:
        below = [(k, b) for k, b in self._below.items() if b.tier0 == key]
        return RouterView(
            kind=one.kind,
            name=one.name,
            object=one.object,
            nat=_sorted(one.nat),
            routes=_sorted(one.routes),
            balancers=tuple(sorted(one.balancers, key=lambda b: b.name)),
            segments=_by_name(one.segments),
            routers=tuple(self._router_view(k, b) for k, b in sorted(below, key=lambda p: (p[1].name, p[0]))),
        )

    def _segment(self, segment: Segment) -> SegmentView:
        stack = self._records[segment.id].stack
        range_ = _range_of(segment, stack)
        outside = self._outside(segment, range_)
        router = self._objects.get(ObjectId(segment.router.to)) if segment.router else None
        is_alone = segment.router is None or (isinstance(router, Router) and router.tier0 is None)
        on_it = [n.view for n in self._facts.nics if _is_on(n, segment, stack.network, range_)]
        return SegmentView(
            object=self._view(segment),
            network=stack.network or "",
            range=range_,
            gateway=(segment.gateway or "").partition("/")[0],
            topology="nat" if outside else "isolated" if is_alone else "routed",
            outside=outside,
            instances=tuple(sorted(on_it, key=lambda i: (i.deployment, _natural(i.label), i.ip))),
        )

    def _outside(self, segment: Segment, range_: str) -> tuple[str, ...]:
        """The addresses that SNAT rules of its router give its VMs."""
        rules = self._hiding.get(segment.router, ()) if segment.router else ()
        return tuple(sorted({rule.translated or "" for rule in rules if _covers(rule.source, range_)} - {""}))

    def _view(self, found: NetworkObject) -> ObjectView:
        return view_of(found, self._records[found.id], self._seen)


def _objects(records: Iterable[StackRecord]) -> Iterator[NetworkObject]:
    return (found for record in records for found in record.stack.objects)


def _unrecorded(found: SeenObject) -> ObjectView:
    return ObjectView(
        id=found.id,
        kind=found.kind,
        name=found.name,
        stack=found.stack or NO_STACK,
        owner=found.owner or NO_OWNER,
        state=Standing.UNRECORDED,
        reason="It has this director's tag, but nothing is recorded of it.",
    )


def _range_of(segment: Segment, stack: Stack) -> str:
    """One without a gateway may have its addresses out of a block; else nothing is recorded of them."""
    if segment.gateway:
        return str(ip_network(segment.gateway, strict=False))
    return next((one.cidr for one in stack.objects if isinstance(one, Carving)), "")


def _is_on(nic: Placed, segment: Segment, network: str | None, range_: str) -> bool:
    """A managed network's by its name and range; another segment's when the VM was told to use it."""
    if nic.plugged_into and nic.plugged_into == segment.name:
        return True
    if network is None or nic.network != network:
        return False
    return _has(range_, nic.view.ip) if range_ else not nic.plugged_into


def _has(range_: str, ip: str) -> bool:
    return bool(range_ and ip) and ip_address(ip) in ip_network(range_)


def _covers(source: str | None, range_: str) -> bool:
    """Whether any of the sources, separated by commas, lies in or around the range; no source is every one."""
    if not range_ or not source:
        return bool(range_)
    inner = ip_network(range_)
    return any(inner.overlaps(ip_network(part.strip(), strict=False)) for part in source.split(","))


def _sorted(views: Iterable[ObjectView]) -> tuple[ObjectView, ...]:
    return tuple(sorted(views, key=lambda v: (v.kind, v.name, v.id)))


def _by_name(views: Iterable[SegmentView]) -> tuple[SegmentView, ...]:
    return tuple(sorted(views, key=lambda s: (s.object.name, s.object.id)))


def _natural(label: str) -> tuple[str, int]:
    group, _, index = label.rpartition("/")
    return (group, int(index)) if index.isdecimal() else (label, 0)
