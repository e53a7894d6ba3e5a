"""Derives the stacks of network configs: what outlives deployments, one stack for each config.

Display names are those written. Ids hold the config's name too: an object that moves to another config is another one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from director.model.fabric import (
    OUTLIVING,
    Group,
    IpBlock,
    IpPool,
    NatRule,
    NetworkObject,
    PoolAddress,
    Ref,
    Room,
    Router,
    Rule,
    SecurityPolicy,
    Segment,
    ServerPool,
    Stack,
    StackRecord,
    StaticRoute,
)
from director.model.names import ObjectId
from director.model.network_config import NatRuleWish, NetworkConfig, RouterBalancerWish
from director.model.network_wish import AddressWish
from director.model.problem import Problem
from director.planning.address import text_of
from director.planning.fabric_balancer import Place, balancer_objects
from director.planning.fabric_groups import config_group
from director.planning.fabric_names import Namer, config_stack
from director.planning.fabric_rooms import POOL, Book, Source, full, is_applied, source_of

_PRIORITIES: Final = {"NO_SNAT": 100, "NO_DNAT": 100, "DNAT": 200, "REFLEXIVE": 200, "SNAT": 300}
"""Where none is written; the lower wins, so that exceptions come before rules."""


def config_rooms_wanted(
    configs: Sequence[NetworkConfig], recorded: Sequence[StackRecord], names: Namer
) -> Mapping[str, tuple[str, ...]]:
    """Which pools each CPI's fabric has to be asked about; empty when every address is recorded."""
    wanted: dict[str, set[str]] = {}
    for config in configs:
        kept = _kept(config, recorded, configs, names)
        for purpose, source in _sources(config, configs, names).items():
            if purpose not in kept and is_applied(source, recorded):
                wanted.setdefault(source.cpi, set()).add(source.key)
    return {cpi: tuple(sorted(keys)) for cpi, keys in sorted(wanted.items())}


def stacks_of_config(
    configs: Sequence[NetworkConfig],
    recorded: Sequence[StackRecord],
    rooms: Mapping[str, Mapping[str, Room]],
    names: Namer,
    problems: list[Problem],
) -> tuple[Stack, ...]:
    """One stack for each fabric that network configs speak of, owner OUTLIVING: configs may refer to each other, in
    circles too, and what one lets go another may have held. Adds a problem for a pool that is full.
    """
    book = Book(rooms, recorded)
    for config in configs:
        sources = _sources(config, configs, names)
        for purpose, ip in _kept(config, recorded, configs, names).items():
            book.keep(sources[purpose], ip)
    found: list[Stack] = []
    for config in sorted(configs, key=lambda one: one.name):
        addresses = _addresses(config, configs, recorded, book, names, problems)
        if addresses is not None:
            found.append(_stack(config, configs, addresses, names))
    return tuple(_merged(cpi, [one for one in found if one.cpi == cpi]) for cpi in sorted({one.cpi for one in found}))


def _merged(cpi: str, stacks: Sequence[Stack]) -> Stack:
    objects = tuple(one for stack in stacks for one in stack.objects)
    claims = tuple(claim for stack in stacks for claim in stack.claims)
    return Stack(name=config_stack(cpi), cpi=cpi, owner=OUTLIVING, objects=objects, claims=claims)


def config_server_pool(
    name: str, cpi: str, configs: Sequence[NetworkConfig], names: Namer
) -> tuple[Ref, int | None] | None:
    """The server pool a network config declares under this name, with its port."""
    for config in configs:
        for one in config.balancers if config.cpi == cpi else ():
            for pool in one.balancer.pools:
                if pool.name == name:
                    return Ref(to=names.id(ServerPool.kind, config.name, one.name, name)), pool.port
    return None


def _wishes(config: NetworkConfig) -> Iterator[tuple[str, AddressWish]]:
    """Every address that may come out of a pool, by what it is for."""
    for rule in config.nat_rules:
        for wish in (rule.destination, rule.translated):
            if wish is not None and wish.pool is not None:
                yield f"nat/{rule.name}", wish
    for one in config.balancers:
        for server in one.balancer.virtual_servers:
            yield f"vip/{one.name}/{server.name}", server.address


def _sources(config: NetworkConfig, configs: Sequence[NetworkConfig], names: Namer) -> Mapping[str, Source]:
    wishes = _wishes(config)
    return {p: source_of(POOL, w.pool, config.cpi, configs, names) for p, w in wishes if w.pool is not None}


def _address_id(config: NetworkConfig, purpose: str, names: Namer) -> ObjectId:
    return names.id(PoolAddress.kind, config.name, purpose)


def _kept(
    config: NetworkConfig, recorded: Sequence[StackRecord], configs: Sequence[NetworkConfig], names: Namer
) -> Mapping[str, str]:
    """Addresses that are recorded and still come from the pool written."""
    name = config_stack(config.cpi)
    objects = [o for r in recorded if r.stack.name == name and r.stack.cpi == config.cpi for o in r.stack.objects]
    there = {o.id: o for o in objects if isinstance(o, PoolAddress)}
    found: dict[str, str] = {}
    for purpose, source in _sources(config, configs, names).items():
        one = there.get(_address_id(config, purpose, names))
        if one is not None and one.pool == source.ref and source.holds(one.ip):
            found[purpose] = one.ip
    return found


def _addresses(
    config: NetworkConfig,
    configs: Sequence[NetworkConfig],
    recorded: Sequence[StackRecord],
    book: Book,
    names: Namer,
    problems: list[Problem],
) -> Mapping[str, str] | None:
    """Every address by its purpose; None when one is missing."""
    found = {purpose: wish.ip for purpose, wish in _wishes(config) if wish.ip is not None}
    found |= _kept(config, recorded, configs, names)
    sources = _sources(config, configs, names)
    for purpose, source in sources.items():
        room = _room(source, recorded, book)
        if purpose in found or room is None:
            continue
        place = book.take(source, room, 1, config_stack(config.cpi))
        if place is None:
            problems.append(full(source, room, "address", f'the network config "{config.name}"', config.mark))
        else:
            found[purpose] = text_of(place[0])
    return found if all(purpose in found for purpose in sources) else None


def _room(source: Source, recorded: Sequence[StackRecord], book: Book) -> Room | None:
    """A pool of ours is as wide as it is written, for that comes with it; one yet to be made is nobody's so far."""
    written, there = source.room(), book.room_of(source)
    if written is None or there is None:
        return there if is_applied(source, recorded) else written
    return replace(there, ranges=written.ranges)


def _stack(
    config: NetworkConfig, configs: Sequence[NetworkConfig], addresses: Mapping[str, str], names: Namer
) -> Stack:
    sources = _sources(config, configs, names)
    maker = _Maker(config=config, configs=tuple(configs), addresses=addresses, sources=sources, names=names)
    claims = sorted(source.claim(addresses[purpose]) for purpose, source in sources.items())
    return Stack(
        name=config_stack(config.cpi),
        cpi=config.cpi,
        owner=OUTLIVING,
        objects=tuple(maker.objects()),
        claims=tuple(claims),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    """Makes the objects of one config, in the order of need."""

    config: NetworkConfig
    configs: tuple[NetworkConfig, ...]
    addresses: Mapping[str, str]
    sources: Mapping[str, Source]
    names: Namer

    def id(self, kind: str, *parts: str) -> ObjectId:
        return self.names.id(kind, self.config.name, *parts)

    def objects(self) -> Iterator[NetworkObject]:
        config = self.config
        for block in config.blocks:
            yield IpBlock(id=self.id(IpBlock.kind, block.name), name=block.name, cidr=block.cidr)
        for pool in config.pools:
            id_ = self.id(IpPool.kind, pool.name)
            yield IpPool(id=id_, name=pool.name, cidr=pool.cidr, ranges=pool.ranges, gateway=pool.gateway)
        for group in config.groups:
            id_ = self.id(Group.kind, group.name)
            yield Group(id=id_, name=group.name, port_tag=group.port_tag, addresses=group.addresses)
        yield from self.routers()
        for purpose, source in sorted(self.sources.items()):
            id_, name = _address_id(config, purpose, self.names), purpose.replace("/", "-")
            yield PoolAddress(id=id_, name=f"{config.name}-{name}", pool=source.ref, ip=self.addresses[purpose])
        for rule in config.nat_rules:
            yield self.nat_rule(rule)
        for one in config.balancers:
            yield from balancer_objects(one.balancer, self.place(one))
        yield from self.policies()

    def routers(self) -> Iterator[NetworkObject]:
        for router in self.config.routers:
            yield Router(
                id=self.id(Router.kind, router.name),
                name=router.name,
                tier0=_foreign(router.tier0),
                edge_cluster=_foreign(router.edge_cluster),
                advertises=tuple(sorted(router.advertises)),
                failover=router.failover,
            )
        for segment in self.config.segments:
            yield Segment(
                id=self.id(Segment.kind, segment.name),
                name=segment.name,
                router=None if segment.router is None else self.router(segment.router),
                transport_zone=_foreign(segment.transport_zone),
                gateway=segment.gateway,
                vlans=segment.vlans,
            )
        for route in self.config.routes:
            yield StaticRoute(
                id=self.id(StaticRoute.kind, route.name),
                name=route.name,
                router=self.router(route.router),
                network=route.network,
                next_hops=route.next_hops,
            )

    def router(self, ref: Ref) -> Ref:
        """A router by name: of this config or another, or one of others."""
        for config in self.configs if ref.is_ours else ():
            if config.cpi == self.config.cpi and any(one.name == ref.to for one in config.routers):
                return Ref(to=self.names.id(Router.kind, config.name, ref.to))
        return Ref(to=ref.to, is_ours=False)

    def nat_rule(self, rule: NatRuleWish) -> NatRule:
        chosen = self.addresses.get(f"nat/{rule.name}")
        return NatRule(
            id=self.id(NatRule.kind, rule.name),
            name=rule.name,
            router=self.router(rule.router),
            action=rule.action,
            source=rule.source,
            destination=_ip(rule.destination, chosen),
            translated=_ip(rule.translated, chosen),
            ports=rule.ports,
            translated_ports=rule.to_ports,
            priority=_PRIORITIES.get(rule.action, 100) if rule.priority is None else rule.priority,
            is_enabled=rule.is_enabled,
        )

    def place(self, one: RouterBalancerWish) -> Place:
        def id_(kind: str, *parts: str) -> ObjectId:
            return self.id(kind, one.name, *parts)

        def title(*parts: str) -> str:
            return parts[-1] if parts else one.name

        start = f"vip/{one.name}/"
        vips = {p.removeprefix(start): ip for p, ip in self.addresses.items() if p.startswith(start)}
        return Place(router=self.router(one.router), id=id_, title=title, addresses=vips)

    def policies(self) -> Iterator[NetworkObject]:
        for policy in self.config.policies:
            rules = tuple(
                Rule(
                    name=rule.name,
                    action=rule.action,
                    sources=self.groups(rule.sources),
                    destinations=self.groups(rule.destinations),
                    services=rule.services,
                    direction=rule.direction,
                    is_logged=rule.is_logged,
                )
                for rule in policy.rules
            )
            yield SecurityPolicy(
                id=self.id(SecurityPolicy.kind, policy.name),
                name=policy.name,
                rules=rules,
                scope=self.groups(policy.scope),
                category=policy.category,
                priority=policy.priority,
            )

    def groups(self, refs: Sequence[Ref]) -> tuple[Ref, ...]:
        return tuple(self.group(ref) for ref in refs)

    def group(self, ref: Ref) -> Ref:
        found = config_group(ref.to, self.config.cpi, self.configs, self.names) if ref.is_ours else None
        return found or Ref(to=ref.to, is_ours=False)


def _ip(wish: AddressWish | None, chosen: str | None) -> str | None:
    if wish is None:
        return None
    return wish.ip if wish.ip is not None else chosen


def _foreign(name: str | None) -> Ref | None:
    return None if name is None else Ref(to=name, is_ours=False)
