"""Derives a load balancer's objects: monitors, server pools, the balancer, virtual servers, in the order of need."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from director.model.fabric import LoadBalancer, Monitor, NetworkObject, Ref, ServerPool, VirtualServer
from director.model.names import ObjectId
from director.model.network_wish import BalancerWish, PoolWish, VirtualServerWish


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a balancer stands: how its parts are called, its router, and the addresses chosen, by virtual server."""

    router: Ref
    id: Callable[..., ObjectId]
    """Of a kind and names."""
    title: Callable[..., str]
    addresses: Mapping[str, str]


def balancer_objects(wish: BalancerWish, place: Place) -> Iterator[NetworkObject]:
    for pool in wish.pools:
        if isinstance(pool.monitor, Monitor):
            yield replace(pool.monitor, id=place.id(Monitor.kind, pool.name), name=place.title(pool.name))
    for pool in wish.pools:
        yield _pool(pool, place)
    balancer = LoadBalancer(id=place.id(LoadBalancer.kind), name=place.title(), router=place.router, size=wish.size)
    yield balancer
    ports = {pool.name: pool.port for pool in wish.pools}
    for server in wish.virtual_servers:
        yield _server(server, place, balancer.id, ports.get(server.pool))


def pool_id(place_id: Callable[..., ObjectId], pool: str) -> ObjectId:
    return place_id(ServerPool.kind, pool)


def _pool(wish: PoolWish, place: Place) -> ServerPool:
    monitor: Ref | None = None
    if isinstance(wish.monitor, Monitor):
        monitor = Ref(to=place.id(Monitor.kind, wish.name))
    elif wish.monitor is not None:
        monitor = Ref(to=wish.monitor, is_ours=False)
    return ServerPool(
        id=pool_id(place.id, wish.name), name=place.title(wish.name), algorithm=wish.algorithm, monitor=monitor
    )


def _server(wish: VirtualServerWish, place: Place, balancer: ObjectId, port: int | None) -> VirtualServer:
    return VirtualServer(
        id=place.id(VirtualServer.kind, wish.name),
        name=place.title(wish.name),
        ip=place.addresses[wish.name],
        ports=wish.ports,
        pool=Ref(to=pool_id(place.id, wish.pool)),
        load_balancer=Ref(to=balancer),
        profile=wish.profile,
        persistence=wish.persistence,
        member_port=None if port is None else str(port),
    )
