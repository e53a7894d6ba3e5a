"""Load balancers as people see them: virtual servers, the pools behind them, and who is in those. Pure."""

from collections.abc import Callable, Iterator, Sequence

from director.model.fabric import (
    FabricSighting,
    LoadBalancer,
    Member,
    NetworkObject,
    Ref,
    SeenMember,
    ServerPool,
    StackRecord,
    VirtualServer,
)
from director.model.names import DeploymentName
from director.reconcile.fabric_report import (
    Announced,
    BalancerView,
    MemberView,
    ObjectView,
    PoolView,
    VirtualServerView,
)

NOBODYS = "no load balancer"
OTHERS = "pools of others"

View = Callable[[NetworkObject], ObjectView]
Members = Sequence[tuple[DeploymentName, str, Member]]


def balancers_of(
    shown: Sequence[StackRecord], members: Members, seen: FabricSighting | None, view: View
) -> Iterator[tuple[Ref | None, BalancerView]]:
    """Each with the router that it stands on; None for what stands on none that is known."""
    return _Balancers(shown, members, seen, view).all()


class _Balancers:
    def __init__(self, shown: Sequence[StackRecord], members: Members, seen: FabricSighting | None, view: View) -> None:
        self._members = members
        self._seen = seen
        self._view = view
        found = [(one, record.stack.name) for record in shown for one in record.stack.objects]
        self._balancers = [(one, stack) for one, stack in found if isinstance(one, LoadBalancer)]
        self._servers = [one for one, _ in found if isinstance(one, VirtualServer)]
        self._pools = {str(one.id): (one, stack) for one, stack in found if isinstance(one, ServerPool)}

    def all(self) -> Iterator[tuple[Ref | None, BalancerView]]:
        served = {server.pool.to for server in self._servers if server.pool}
        left = {to: pool for to, pool in self._pools.items() if to not in served}
        for one, stack in self._balancers:
            own = [to for to, (_, where) in left.items() if where == stack]
            pools = tuple(self._pool(Ref(to=to)) for to in sorted(own))
            for to in own:
                del left[to]
            yield one.router, self._balancer(one.name, self._view(one), Ref(to=one.id), pools)
        yield from self._without_one([Ref(to=to) for to in sorted(left)], served)

    def _without_one(self, left: Sequence[Ref], served: set[str]) -> Iterator[tuple[None, BalancerView]]:
        """Virtual servers on balancers of others or on none, and pools that no server of ours sends to."""
        known = {str(one.id) for one, _ in self._balancers}
        homes = {s.load_balancer for s in self._servers if s.load_balancer and s.load_balancer.to not in known}
        for home in sorted(homes, key=lambda ref: ref.to):
            yield None, self._balancer(home.to, None, home, ())
        pools = tuple(self._pool(ref) for ref in left)
        alone = self._balancer(NOBODYS, None, None, pools)
        if alone.virtual_servers or alone.pools:
            yield None, alone
        theirs = {m.pool.to: m.pool for _, _, m in self._members if not m.pool.is_ours and m.pool.to not in served}
        if theirs:
            yield (
                None,
                BalancerView(name=OTHERS, object=None, pools=tuple(self._pool(theirs[to]) for to in sorted(theirs))),
            )

    def _balancer(
        self, name: str, view: ObjectView | None, ref: Ref | None, pools: tuple[PoolView, ...]
    ) -> BalancerView:
        servers = sorted((s for s in self._servers if s.load_balancer == ref), key=lambda s: (s.name, s.id))
        shown = tuple(
            VirtualServerView(
                object=self._view(one), ip=one.ip, ports=one.ports, pool=self._pool(one.pool) if one.pool else None
            )
            for one in servers
        )
        return BalancerView(name=name, object=view, virtual_servers=shown, pools=pools)

    def _pool(self, ref: Ref) -> PoolView:
        own = self._pools.get(ref.to) if ref.is_ours else None
        name = own[0].name if own else ref.to
        return PoolView(name=name, object=self._view(own[0]) if own else None, members=self._members_of(ref))

    def _members_of(self, ref: Ref) -> tuple[MemberView, ...]:
        mine = [(owner, label, member) for owner, label, member in self._members if member.pool == ref]
        there = {_key(one) for one in self._seen.members if one.pool == ref.to} if self._seen else None
        known = {_key(member) for _, _, member in mine}
        views = [
            MemberView(deployment=owner, instance=label, ip=one.ip, port=one.port, state=_state(_key(one), there))
            for owner, label, one in mine
        ]
        strangers = [] if there is None else sorted(there - known, key=str)
        views += [
            MemberView(deployment="", instance=label, ip=ip, port=port, state=Announced.FOREIGN)
            for label, ip, port in strangers
        ]
        return tuple(sorted(views, key=lambda v: (v.deployment == "", v.deployment, v.instance, v.ip, v.port or 0)))


def _key(one: Member | SeenMember) -> tuple[str, str, int | None]:
    return one.label, one.ip, one.port


def _state(key: tuple[str, str, int | None], there: set[tuple[str, str, int | None]] | None) -> Announced:
    if there is None:
        return Announced.RECORDED
    return Announced.ANNOUNCED if key in there else Announced.ABSENT
