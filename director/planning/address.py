"""Decides which address each instance has on each network it joins (bosh-director.md section 3.5).

It may not decide who gets which static address: ``place`` and ``static`` have done that before. Addresses are
integers here, so that a range of any size costs only what is taken from it. IPv4 and IPv6 share the number line:
no IPv6 network in use lies below 2**32.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from director.model.cloud import Network, NetworkType, Span, Subnet
from director.model.deployment import GroupNetwork
from director.model.names import AzName, InstanceId, NetworkName
from director.model.problem import Problem
from director.model.record import InstanceRecord
from director.model.wanted import Address
from director.planning.seat import Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An address with the network it lies in."""

    address: Address
    network: Network


@lru_cache(maxsize=65_536)
def number_of(ip: str) -> int:
    return int(ip_address(ip))


def text_of(number: int) -> str:
    return str(IPv4Address(number) if number < 2**32 else IPv6Address(number))


@lru_cache(maxsize=4_096)
def bounds_of(cidr: str) -> Span:
    """First and last address of a range, both of them never given to anyone."""
    network = ip_network(cidr)
    return Span(first=int(network.network_address), last=int(network.broadcast_address))


def is_inside(number: int, spans: Sequence[Span]) -> bool:
    return any(span.first <= number <= span.last for span in spans)


def contains(subnet: Subnet, number: int) -> bool:
    return subnet.range is not None and is_inside(number, (bounds_of(subnet.range),))


def is_restricted(subnet: Subnet, number: int) -> bool:
    """Network address, last address, gateway or reserved: nobody may have it."""
    assert subnet.range is not None, "only a subnet with a range restricts addresses"
    bounds = bounds_of(subnet.range)
    is_gateway = subnet.gateway is not None and number == number_of(subnet.gateway)
    return is_gateway or number in {bounds.first, bounds.last} or is_inside(number, subnet.reserved)


def is_static(subnet: Subnet, number: int) -> bool:
    return is_inside(number, subnet.static)


def subnets_in(network: Network, az: AzName | None) -> tuple[Subnet, ...]:
    """The subnets an instance in ``az`` may use, in the order of the cloud config."""
    return tuple(subnet for subnet in network.subnets if not subnet.azs or az in subnet.azs)


def free_numbers(subnet: Subnet) -> Iterator[int]:
    """Every address of the subnet that may be given automatically, lowest first."""
    if subnet.range is None:
        return
    bounds = bounds_of(subnet.range)
    gateway = (Span(first=number_of(subnet.gateway), last=number_of(subnet.gateway)),) if subnet.gateway else ()
    number = bounds.first + 1
    for span in sorted((*subnet.reserved, *subnet.static, *gateway), key=lambda span: span.first):
        yield from range(number, min(span.first, bounds.last))
        number = max(number, span.last + 1)
    yield from range(number, bounds.last)


def free_addresses(subnets: Sequence[Subnet], taken: Container[str], count: int) -> tuple[str, ...]:
    """The lowest ``count`` free addresses, subnet after subnet; fewer when there are no more."""
    found: list[str] = []
    for subnet in subnets:
        for number in free_numbers(subnet):
            if len(found) == count:
                return tuple(found)
            ip = text_of(number)
            if ip not in taken:
                found.append(ip)
    return tuple(found)


def assign_addresses(
    seats: Sequence[Seat],
    networks: Mapping[NetworkName, Network],
    taken: Mapping[str, InstanceId],
    recorded: Sequence[InstanceRecord],
    problems: list[Problem],
) -> Mapping[InstanceId, tuple[Reservation, ...]]:
    """Each seat's reservations, in the order its group lists networks.

    Static addresses go first, then recorded ones that still fit stay, then the lowest free ones are given.
    Two static addresses of one deployment may change hands; an automatic one is never taken from a recorded
    instance, which may still own it while its old VM lives. Adds problems 130008, 130011 and 130014.
    """
    book = _Book(networks, {number_of(ip): owner for ip, owner in taken.items()}, problems)
    for seat in seats:
        book.take_static(seat)
    for seat in seats:
        book.keep(seat)
    book.protect(recorded)
    for seat in seats:
        book.fill(seat)
    book.report()
    return {seat.id: book.reservations(seat) for seat in seats}


class _Book:
    """Who has which address. Not a value: it lives only while one deployment is resolved."""

    def __init__(
        self, networks: Mapping[NetworkName, Network], owners: dict[int, InstanceId], problems: list[Problem]
    ) -> None:
        self.networks = networks
        self.owners = owners
        self.problems = problems
        self.labels: dict[InstanceId, str] = {}
        self.found: dict[tuple[InstanceId, NetworkName], Reservation] = {}
        self.streams: dict[tuple[NetworkName, int, bool], Iterator[int]] = {}
        self.short: dict[tuple[str, NetworkName, AzName | None], list[str]] = {}

    def put(self, seat: Seat, network: Network, ip: str | None, *, is_static: bool = False) -> None:
        address = Address(network=network.name, ip=ip, is_static=is_static)
        self.found[seat.id, network.name] = Reservation(address=address, network=network)
        if ip is not None:
            self.owners[number_of(ip)] = seat.id

    def take_static(self, seat: Seat) -> None:
        self.labels[seat.id] = seat.label
        for name, ip in seat.statics.items():
            number, network = number_of(ip), self.networks[name]
            owner = self.owners.get(number)
            if owner is not None:
                self.problems.append(_in_use(seat, name, ip, self.labels.get(owner), owner))
            self.put(seat, network, ip, is_static=True)

    def keep(self, seat: Seat) -> None:
        """Recorded addresses that still fit: first under their own network's name, then under a new one."""
        open_ = [joined for joined in seat.group.networks if (seat.id, joined.name) not in self.found]
        recorded = list(seat.recorded.addresses) if seat.recorded else []
        for same_name in (True, False):
            for joined in list(open_):
                kept = next(
                    (a for a in recorded if (a.network == joined.name) is same_name and self._fit(seat, joined, a)),
                    None,
                )
                if kept is not None:
                    open_.remove(joined)
                    recorded.remove(kept)

    def _fit(self, seat: Seat, joined: GroupNetwork, address: Address) -> bool:
        network = self.networks[joined.name]
        if address.ip is None or seat.recorded is None or number_of(address.ip) in self.owners:
            return False
        if network.type is NetworkType.DYNAMIC:
            is_same = address.network == network.name and seat.recorded.az == seat.az
        else:
            is_same = _may_stay(network, seat.az, number_of(address.ip))
        if is_same:
            self.put(seat, network, address.ip)
        return is_same

    def protect(self, recorded: Sequence[InstanceRecord]) -> None:
        """What instances of this deployment still hold is not free until their VMs are gone."""
        for instance in recorded:
            self.labels.setdefault(instance.id, instance.label)
            for address in instance.addresses:
                if address.ip is not None:
                    self.owners.setdefault(number_of(address.ip), instance.id)

    def fill(self, seat: Seat) -> None:
        for joined in seat.group.networks:
            network = self.networks[joined.name]
            if (seat.id, joined.name) in self.found:
                continue
            if network.type is NetworkType.DYNAMIC:
                self.put(seat, network, None)
            elif network.type is NetworkType.VIP and not network.subnets:
                self.problems.append(_no_vip(seat, joined))
            else:
                self._give(seat, network)

    def _give(self, seat: Seat, network: Network) -> None:
        for place, subnet in enumerate(network.subnets):
            if subnet.azs and seat.az not in subnet.azs:
                continue
            number = next((n for n in self._stream(network, place) if n not in self.owners), None)
            if number is not None:
                self.put(seat, network, text_of(number))
                return
        self.short.setdefault((seat.group.name, network.name, seat.az), []).append(seat.label)

    def _stream(self, network: Network, place: int) -> Iterator[int]:
        """One pass over a subnet for all seats: what was once taken stays taken, so it never looks back."""
        is_vip = network.type is NetworkType.VIP
        key = (network.name, place, is_vip)
        if key not in self.streams:
            subnet = network.subnets[place]
            self.streams[key] = _statics(subnet) if is_vip else free_numbers(subnet)
        return self.streams[key]

    def report(self) -> None:
        self.problems.extend(_no_room(key, labels) for key, labels in self.short.items())

    def reservations(self, seat: Seat) -> tuple[Reservation, ...]:
        keys = ((seat.id, joined.name) for joined in seat.group.networks)
        return tuple(self.found[key] for key in keys if key in self.found)


def _statics(subnet: Subnet) -> Iterator[int]:
    for span in sorted(subnet.static, key=lambda span: span.first):
        yield from range(span.first, span.last + 1)


def _may_stay(network: Network, az: AzName | None, number: int) -> bool:
    """Whether an address given automatically still could be: on vip networks those come from the static ranges."""
    subnets = subnets_in(network, az)
    if network.type is NetworkType.VIP:
        return any(is_static(subnet, number) for subnet in subnets)
    home = next((subnet for subnet in subnets if contains(subnet, number)), None)
    return home is not None and not is_restricted(home, number) and not is_static(home, number)


def _in_use(seat: Seat, network: NetworkName, ip: str, label: str | None, owner: InstanceId) -> Problem:
    who = f"instance {label} of this deployment" if label else f"instance {owner} of another deployment"
    return Problem(
        code="address.already-in-use",
        summary="Static address is already in use",
        detail=f'Instance group "{seat.group.name}" asks for static address {ip} on network "{network}", '
        f"which {who} has.",
        fix="choose another address, or first deploy its owner without it.",
        mark=seat.group.mark,
        number=130008,
    )


def _no_vip(seat: Seat, joined: GroupNetwork) -> Problem:
    return Problem(
        code="address.vip-without-address",
        summary="Vip network without addresses",
        detail=f'Instance group "{seat.group.name}" joins vip network "{joined.name}" without static_ips, '
        "and the cloud config gives that network no subnets.",
        fix="list static_ips for it, or give the network subnets with static addresses.",
        mark=joined.mark or seat.group.mark,
        number=130014,
    )


def _no_room(key: tuple[str, NetworkName, AzName | None], labels: Sequence[str]) -> Problem:
    group, network, az = key
    zone = f' in zone "{az}"' if az else ""
    others = f" and {len(labels) - 1} more of its group" if len(labels) > 1 else ""
    return Problem(
        code="address.no-room",
        summary="Network has no free address left",
        detail=f'Network "{network}" has no free address{zone} for instance {labels[0]}{others}.',
        fix=f'widen the range of "{network}", reserve less of it, or ask for fewer instances of {group}.',
        number=130011,
    )
