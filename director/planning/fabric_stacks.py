"""Derives what a deployment asks of its fabrics from what is written and what ``fabric_ranges`` chose: its stacks, and
the places of its instances in them. It chooses nothing itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from director.model.cloud import CloudConfig
from director.model.deployment import Deployment, InstanceGroup
from director.model.fabric import NOT_ATTACHED, Attachment, Member, Ref, Stack, StackRecord
from director.model.names import AzName, ObjectId
from director.model.network_config import AttachmentWish, NetworkConfig
from director.model.problem import Problem
from director.model.tree import Tree
from director.model.wanted import Address
from director.planning.fabric_configs import config_rooms_wanted, config_server_pool, stacks_of_config
from director.planning.fabric_groups import Asked, GroupNames, groups_stack_of
from director.planning.fabric_names import Namer
from director.planning.fabric_networks import network_stack_of, segment_id, server_pool_id
from director.planning.fabric_ranges import Choice
from director.planning.fabric_wish import attachment_wish, wish_of
from director.planning.network import main_network

__all__ = [
    "Fabrics",
    "attachment_of",
    "config_rooms_wanted",
    "segments_of",
    "stacks_of",
    "stacks_of_config",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabrics:
    """What deriving needs to know, for one deployment. ``cpis`` are those with a fabric of ours."""

    names: Namer
    deployment: Deployment
    clouds: CloudConfig
    choices: tuple[Choice, ...] = ()
    configs: tuple[NetworkConfig, ...] = ()
    cpis: frozenset[str] = frozenset()

    def cpi_of(self, az: AzName | None) -> str:
        return next((one.cpi for one in self.clouds.azs if one.name == az), None) or ""

    def groups_of(self, cpi: str) -> GroupNames:
        return GroupNames(names=self.names, deployment=self.deployment.name, cpi=cpi)


def stacks_of(known: Fabrics, recorded: Sequence[StackRecord], problems: list[Problem]) -> tuple[Stack, ...]:
    """Stacks of the managed networks used, and of the groups and policies that vm extensions ask for, by name.

    Adds a problem for a DNAT that leads out of the range chosen.
    """
    for choice in known.choices:
        problems += _astray(choice)
    networks = [network_stack_of(choice, known.deployment.name, recorded, known.names) for choice in known.choices]
    groups = [groups_stack_of(_asked(known, cpi), known.groups_of(cpi), known.configs) for cpi in sorted(known.cpis)]
    return tuple(sorted((*networks, *(one for one in groups if one is not None)), key=lambda stack: stack.name))


def _asked(known: Fabrics, cpi: str) -> tuple[Asked, ...]:
    """Every instance group with its wishes over all zones in this fabric."""
    found: list[Asked] = []
    for group in known.deployment.groups:
        azs: tuple[AzName | None, ...] = group.azs or (None,)
        wishes = [wish_of(group, az, known.clouds) for az in azs if known.cpi_of(az) == cpi]
        own = tuple(dict.fromkeys(name for wish in wishes for name in wish.own_groups))
        rules = tuple(dict.fromkeys(rule for wish in wishes for rule in wish.rules))
        if own or rules:
            found.append(Asked(group=group, wish=AttachmentWish(own_groups=own, rules=rules)))
    return tuple(found)


def _astray(choice: Choice) -> Iterator[Problem]:
    network = ip_network(choice.range)
    for dnat in choice.use.managed.dnat:
        if ip_address(dnat.to) not in network:
            yield Problem(
                code="fabric.dnat-outside",
                summary="DNAT leads out of its network",
                detail=f'The DNAT "{dnat.name}" of {choice.use.words} leads to {dnat.to}, which is outside {network}.',
                fix=f"write an address inside {network}, or give the subnet a range of its own.",
                mark=choice.use.managed.mark,
            )


def attachment_of(
    known: Fabrics,
    group: InstanceGroup,
    az: AzName | None,
    tree: Tree,
    addresses: Sequence[Address],
    label: str,
    problems: list[Problem],
) -> tuple[Attachment, tuple[Member, ...]]:
    """``tree`` are the instance's merged cloud properties, ``label`` marks its members; NOT_ATTACHED without ``nsxt``.

    Adds a problem when it is to be in a pool, but has no address for it.
    """
    wish, cpi = attachment_wish(tree), known.cpi_of(az)
    places = [(name, _place(known, cpi, name, port, group, addresses)) for name, port in wish.pools]
    problems += [_no_address(group, name) for name, place in places if place.ip is None]
    attachment = Attachment(
        pools=tuple(dict.fromkeys((place.pool, place.port) for _, place in places)),
        groups=tuple(sorted(wish.groups)),
        tags=tuple(sorted({*wish.tags, *known.groups_of(cpi).tags(group.name, wish)})),
        vif_type=wish.vif_type,
    )
    members = (
        Member(pool=place.pool, label=label, ip=place.ip, port=place.port, cpi=cpi)
        for _, place in places
        if place.ip is not None
    )
    return (NOT_ATTACHED if attachment == NOT_ATTACHED else attachment), tuple(dict.fromkeys(members))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """``ip`` is None when the instance has no address to be reached at."""

    pool: Ref
    port: int | None
    ip: str | None


def _place(
    known: Fabrics, cpi: str, name: str, port: int | None, group: InstanceGroup, addresses: Sequence[Address]
) -> _Place:
    """A pool of a managed network it is on, of its own subnet first; of a network config; or one of others."""
    for address in addresses:
        near = [one for one in known.choices if (one.use.network, one.use.cpi) == (address.network, cpi)]
        for choice in sorted(near, key=lambda one: not _holds(one, address)):
            ports = _pools(choice)
            if name in ports:
                pool = Ref(to=server_pool_id(choice.use, name, known.names))
                return _Place(pool=pool, port=port or ports[name], ip=address.ip)
    declared = config_server_pool(name, cpi, known.configs, known.names)
    ref, usual = declared or (Ref(to=name, is_ours=False), None)
    return _Place(pool=ref, port=port or usual, ip=_main_ip(group, addresses))


def _pools(choice: Choice) -> Mapping[str, int | None]:
    balancer = choice.use.managed.balancer
    return {pool.name: pool.port for pool in balancer.pools} if balancer else {}


def _holds(choice: Choice, address: Address) -> bool:
    return (
        choice.use.network == address.network
        and address.ip is not None
        and ip_address(address.ip) in ip_network(choice.range)
    )


def _main_ip(group: InstanceGroup, addresses: Sequence[Address]) -> str | None:
    """On the network by which others reach the group, else on any."""
    main = main_network(group)
    known = sorted((one for one in addresses if one.ip is not None), key=lambda one: one.network != main)
    return known[0].ip if known else None


def segments_of(known: Fabrics, addresses: Sequence[Address]) -> tuple[ObjectId, ...]:
    """Segments of ours that an instance with these addresses has NICs on, sorted."""
    held = (choice.use for choice in known.choices for address in addresses if _holds(choice, address))
    return tuple(sorted({segment_id(use, known.names) for use in held}))


def _no_address(group: InstanceGroup, pool: str) -> Problem:
    return Problem(
        code="fabric.pool-without-address",
        summary="Server pool member without an address",
        detail=f'Instance group "{group.name}" is to be in the server pool "{pool}", '
        "but its instances have no address before they are made.",
        fix="put the group on a manual network.",
        mark=group.mark,
    )
