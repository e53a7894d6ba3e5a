"""Addresses, ranges and CIDR blocks as BOSH writes them (bosh-director.md 1.8, 2.1). Syntax and arithmetic only."""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from director.model.cloud import Span

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

EXPANDED_MAX: Final = 65_536
"""More static addresses than this in one place are a mistake, and would be a large list."""


def read_address(text: str) -> Address | None:
    """One address, or None when ``text`` is none."""
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None


def read_network(text: str) -> Network | None:
    """A CIDR block; host bits may be set, as BOSH allows. None when ``text`` is none."""
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def read_span(text: str) -> Span | None:
    """``10.0.0.1``, ``10.0.0.1-10.0.0.9`` (spaces allowed) or ``10.0.0.0/28``; None when it is none of them."""
    network = read_network(text)
    if network is not None:
        return span_of(network)
    first_text, dash, last_text = text.partition("-")
    first = read_address(first_text)
    last = read_address(last_text) if dash else first
    if first is None or last is None or first.version != last.version or int(first) > int(last):
        return None
    return Span(first=int(first), last=int(last))


def span_of(network: Network) -> Span:
    return Span(first=int(network.network_address), last=int(network.broadcast_address))


def size_of(spans: Iterable[Span]) -> int:
    return sum(span.last - span.first + 1 for span in spans)


def is_within(inner: Span, outer: Span) -> bool:
    return outer.first <= inner.first and inner.last <= outer.last


def overlaps(one: Span, other: Span) -> bool:
    return one.first <= other.last and other.first <= one.last


def overlapping(spans: Sequence[Span], others: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """For each of ``spans`` that overlaps one of ``others``: its index, and one that it overlaps."""
    in_order = sorted(others, key=lambda span: (span.first, span.last))
    firsts = [span.first for span in in_order]
    reaching = list(accumulate(in_order, _farther))
    for index, span in enumerate(spans):
        before = bisect_right(firsts, span.last)
        if before and overlaps(span, reaching[before - 1]):
            yield index, reaching[before - 1]


def _farther(one: Span, other: Span) -> Span:
    return one if one.last >= other.last else other


def address_text(number: int, *, is_v6: bool) -> str:
    return str(ipaddress.IPv6Address(number) if is_v6 else ipaddress.IPv4Address(number))


def span_text(span: Span, *, is_v6: bool) -> str:
    first = address_text(span.first, is_v6=is_v6)
    return first if span.first == span.last else f"{first}-{address_text(span.last, is_v6=is_v6)}"


def expand(texts: Iterable[str]) -> Iterator[str]:
    """Every single address of ``texts``, in order; what cannot be read, or is more than the bound, is left out."""
    left = EXPANDED_MAX
    for text in texts:
        span = read_span(text)
        if span is None or size_of([span]) > left:
            continue
        left -= size_of([span])
        yield from (address_text(number, is_v6=":" in text) for number in range(span.first, span.last + 1))
