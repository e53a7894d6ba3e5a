"""Decides ranges and addresses of managed networks: what is recorded stays as long as it fits, else the first free.

Pure: what is free in blocks and pools is an argument. Nothing is chosen twice: every claim of every recorded stack
counts as taken, whichever deployment's it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

from director.model.cloud import CloudConfig, Network, Subnet
from director.model.deployment import Deployment
from director.model.fabric import Carving, NetworkObject, PoolAddress, Room, StackRecord, Topology
from director.model.names import AzName, NetworkName, ObjectId, StackName
from director.model.network_config import NetworkConfig
from director.model.network_wish import AddressWish, ManagedSubnet
from director.model.problem import Problem
from director.model.tree import Node
from director.planning.address import text_of
from director.planning.fabric_names import Namer, network_stack
from director.planning.fabric_rooms import (
    BLOCK,
    POOL,
    Book,
    Source,
    cidr_text,
    full,
    is_applied,
    not_applied,
    size_of,
    source_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One subnet of a managed network that a deployment has or could have VMs on, and whose fabric it is in."""

    network: NetworkName
    index: int
    subnet: Subnet
    managed: ManagedSubnet
    cpi: str

    @property
    def stack(self) -> StackName:
        return network_stack(self.network, self.index)

    @property
    def parts(self) -> tuple[str, str]:
        """What the ids of its objects are made from."""
        return self.network, str(self.index)

    @property
    def words(self) -> str:
        return f'subnet {self.index} of the network "{self.network}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What one subnet was given. ``addresses`` out of pools, by what they are for: ``snat``, ``dnat/ssh``, ``vip/web``.

    ``sources`` are where they and (under ``range``) a carved range come from, ``claims`` what its stack has to claim.
    """

    use: Use
    range: str
    gateway: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    claims: tuple[str, ...] = ()


RANGE = "range"


def uses_of(deployment: Deployment, clouds: CloudConfig, problems: list[Problem]) -> tuple[Use, ...]:
    """The managed subnets that any group (errands too) or compilation may put a VM on; none: nothing to do here.

    Adds a problem where the zones of one subnet belong to different CPIs.
    """
    joined: dict[NetworkName, set[AzName | None]] = {}
    for group in deployment.groups:
        for network in group.networks:
            joined.setdefault(network.name, set()).update(group.azs or (None,))
    joined.setdefault(clouds.compilation.network, set()).add(clouds.compilation.az)
    found: list[Use] = []
    for one in sorted(clouds.networks, key=lambda network: network.name):
        found += _uses(one, joined.get(one.name, set()), clouds, problems)
    return tuple(found)


def _uses(network: Network, zones: set[AzName | None], clouds: CloudConfig, problems: list[Problem]) -> Iterator[Use]:
    for index, subnet in enumerate(network.subnets):
        if subnet.managed is None or not zones or (subnet.azs and not zones & set(subnet.azs)):
            continue
        cpis = sorted({az.cpi or "" for az in clouds.azs if not subnet.azs or az.name in subnet.azs}) or [""]
        if len(cpis) > 1:
            problems.append(_several_cpis(network, index, subnet, cpis))
        yield Use(network=network.name, index=index, subnet=subnet, managed=subnet.managed, cpi=cpis[0])


def addresses_wished(managed: ManagedSubnet) -> Iterator[tuple[str, AddressWish]]:
    """Each address the subnet shows to the world, by what it is for."""
    if managed.topology is Topology.NAT and managed.snat is not None:
        yield "snat", managed.snat
    for dnat in managed.dnat:
        yield f"dnat/{dnat.name}", dnat.address
    for server in managed.balancer.virtual_servers if managed.balancer else ():
        yield f"vip/{server.name}", server.address


def address_id(use: Use, purpose: str, names: Namer) -> ObjectId:
    return names.id(PoolAddress.kind, *use.parts, purpose)


def rooms_wanted(
    uses: Sequence[Use], recorded: Sequence[StackRecord], configs: Sequence[NetworkConfig], names: Namer
) -> Mapping[str, tuple[str, ...]]:
    """Which blocks and pools each CPI's fabric has to be asked about (``Fabric.rooms``); empty when all is recorded."""
    wanted: dict[str, set[str]] = {}
    for use in uses:
        kept = _kept(use, recorded, configs, names)
        for purpose, source in _sources(use, configs, names).items():
            if purpose not in kept and is_applied(source, recorded):
                wanted.setdefault(source.cpi, set()).add(source.key)
    return {cpi: tuple(sorted(keys)) for cpi, keys in sorted(wanted.items())}


def choose_ranges(
    uses: Sequence[Use],
    recorded: Sequence[StackRecord],
    rooms: Mapping[str, Mapping[str, Room]],
    configs: Sequence[NetworkConfig],
    names: Namer,
    problems: list[Problem],
) -> tuple[Choice, ...]:
    """``recorded`` are the stacks of every deployment. ``rooms`` are the answers by CPI.

    Adds problems: a full block or pool, one that is not made yet. A subnet with a problem gets no choice, so raise
    Refused when there is any; a room that is missing is told by the fabric.
    """
    book = Book(rooms, recorded)
    kept = {use.stack: _kept(use, recorded, configs, names) for use in uses}
    sources = {use.stack: _sources(use, configs, names) for use in uses}
    for use in uses:
        for purpose, what in kept[use.stack].items():
            book.keep(sources[use.stack][purpose], what)
    chosen = (_choose(use, kept[use.stack], sources[use.stack], recorded, book, problems) for use in uses)
    return tuple(choice for choice in chosen if choice is not None)


def managed_clouds(clouds: CloudConfig, choices: Sequence[Choice], names: Namer) -> CloudConfig:
    """The clouds with range, gateway and cloud properties (segment's name, ``managed: true``) of the subnets chosen."""
    by_place = {(choice.use.network, choice.use.index): choice for choice in choices}
    networks = [
        replace(
            network,
            subnets=tuple(
                _filled(subnet, by_place.get((network.name, index)), names)
                for index, subnet in enumerate(network.subnets)
            ),
        )
        for network in clouds.networks
    ]
    return replace(clouds, networks=tuple(networks))


def segment_name(use: Use, names: Namer) -> str:
    """How people, and vSphere's port groups, call the segment."""
    return use.managed.segment or title_of(use, names)


def title_of(use: Use, names: Namer) -> str:
    return names.title(f"{use.network}.{use.index}" if use.index else use.network)


def _filled(subnet: Subnet, choice: Choice | None, names: Namer) -> Subnet:
    if choice is None:
        return subnet
    properties: dict[str, Node] = {**subnet.cloud_properties, "name": segment_name(choice.use, names), "managed": True}
    return replace(subnet, range=choice.range, gateway=choice.gateway, cloud_properties=properties)


def _sources(use: Use, configs: Sequence[NetworkConfig], names: Namer) -> dict[str, Source]:
    """Where what is not written down as it is comes from, by purpose."""
    found: dict[str, Source] = {}
    if use.subnet.range is None and use.managed.block is not None:
        found[RANGE] = source_of(BLOCK, use.managed.block, use.cpi, configs, names)
    for purpose, wish in addresses_wished(use.managed):
        if wish.pool is not None:
            found[purpose] = source_of(POOL, wish.pool, use.cpi, configs, names)
    return found


def _kept(
    use: Use, recorded: Sequence[StackRecord], configs: Sequence[NetworkConfig], names: Namer
) -> Mapping[str, str]:
    """What is recorded and still fits what is written, by purpose."""
    record = next((r for r in recorded if r.stack.name == use.stack and r.stack.cpi == use.cpi), None)
    if record is None:
        return {}
    found: dict[str, str] = {}
    for purpose, source in _sources(use, configs, names).items():
        for one in record.stack.objects:
            what = (
                _range_of(one, use, source)
                if purpose == RANGE
                else _ip_of(one, address_id(use, purpose, names), source)
            )
            if what is not None and source.holds(what):
                found[purpose] = what
    return found


def _range_of(one: NetworkObject, use: Use, source: Source) -> str | None:
    if not isinstance(one, Carving) or one.block != source.ref:
        return None
    return one.cidr if ip_network(one.cidr).prefixlen == use.managed.prefix else None


def _ip_of(one: NetworkObject, id: ObjectId, source: Source) -> str | None:
    return one.ip if isinstance(one, PoolAddress) and one.id == id and one.pool == source.ref else None


def _choose(
    use: Use,
    kept: Mapping[str, str],
    sources: Mapping[str, Source],
    recorded: Sequence[StackRecord],
    book: Book,
    problems: list[Problem],
) -> Choice | None:
    values = dict(kept)
    for purpose, source in sources.items():
        if purpose not in values:
            value = _take(use, purpose, source, recorded, book, problems)
            values |= {purpose: value} if value else {}
    if any(purpose not in values for purpose in sources):
        return None
    fixed = {purpose: wish.ip for purpose, wish in addresses_wished(use.managed) if wish.ip is not None}
    range_ = values.get(RANGE, use.subnet.range)
    assert range_ is not None, "a managed subnet has a range or a block: the cloud config was checked"
    network = ip_network(range_, strict=False)
    return Choice(
        use=use,
        range=str(network),
        gateway=use.subnet.gateway or str(network[1]),
        addresses=fixed | {purpose: value for purpose, value in values.items() if purpose != RANGE},
        sources=sources,
        claims=tuple(sorted(source.claim(values[purpose]) for purpose, source in sources.items())),
    )


def _take(
    use: Use, purpose: str, source: Source, recorded: Sequence[StackRecord], book: Book, problems: list[Problem]
) -> str | None:
    """The first free place; None with a problem, or when the fabric had one and said so."""
    if not is_applied(source, recorded):
        problems.append(not_applied(source, use.words, use.managed.mark))
        return None
    room = book.room_of(source)
    if room is None:
        return None
    found = book.take(source, room, size_of(use.managed.prefix, room) if purpose == RANGE else 1, use.stack)
    if found is None:
        what = f"/{use.managed.prefix}" if purpose == RANGE else "address"
        problems.append(full(source, room, what, use.words, use.managed.mark))
        return None
    return cidr_text(*found) if purpose == RANGE else text_of(found[0])


def _several_cpis(network: Network, index: int, subnet: Subnet, cpis: Sequence[str]) -> Problem:
    named = ", ".join(cpi or "the director's own infrastructure" for cpi in cpis)
    return Problem(
        code="fabric.several-cpis",
        summary="Managed subnet in several infrastructures",
        detail=f'Subnet {index} of the managed network "{network.name}" is in zones of {named}, '
        "but a segment is in one fabric.",
        fix="write one subnet for the zones of each CPI, with azs.",
        mark=subnet.mark,
    )
