"""Arithmetic of address ranges for ipam.py: whole numbers, both ends included. Knows no NSX."""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `first` to `last`; `version` is that of IP."""

    version: int
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{text(self.version, self.first)}-{text(self.version, self.last)}"

    def holds(self, other: "Span") -> bool:
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def meets(self, other: "Span") -> bool:
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def text(version: int, number: int) -> str:
    return str(ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number))


def of_cidr(cidr: str) -> Span:
    """Raises ValueError."""
    network = ipaddress.ip_network(cidr, strict=False)
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


def of_range(start: str, end: str) -> Span:
    """Raises ValueError."""
    first = ipaddress.ip_address(start)
    return Span(first.version, int(first), int(ipaddress.ip_address(end)))


def of_ranges(listed: Iterable[dict[str, Any]] | None) -> list[Span]:
    """Of IpPoolRange objects; those without an end are one address."""
    return [of_range(each["start"], each.get("end") or each["start"]) for each in listed or ()]


def cidr_of(span: Span) -> str:
    """Of an aligned span whose size is a power of two."""
    bits = 32 if span.version == 4 else 128
    return f"{text(span.version, span.first)}/{bits - span.size.bit_length() + 1}"


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same addresses in order, in as few spans as can be."""
    made: list[Span] = []
    for each in sorted(spans):
        if made and made[-1].version == each.version and each.first <= made[-1].last + 1:
            made[-1] = Span(each.version, made[-1].first, max(made[-1].last, each.last))
        else:
            made.append(each)
    return made


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What is left of the first when the second are taken out."""
    left = merged(spans)
    for hole in merged(holes):
        left = [piece for each in left for piece in _cut(each, hole)]
    return left


def _cut(span: Span, hole: Span) -> Iterator[Span]:
    if not span.meets(hole):
        yield span
        return
    if span.first < hole.first:
        yield Span(span.version, span.first, hole.first - 1)
    if hole.last < span.last:
        yield Span(span.version, hole.last + 1, span.last)


def count(spans: Iterable[Span]) -> int:
    return sum(each.size for each in merged(spans))


def fits(free: Iterable[Span], size: int) -> Iterator[tuple[Span, int]]:
    """(the first aligned span of `size` in a free one, how many of them it holds); `size` is a power of two."""
    for each in free:
        first = -(-each.first // size) * size
        if first + size - 1 <= each.last:
            yield Span(each.version, first, first + size - 1), (each.last + 1 - first) // size
