"""Decides which place in a block or pool is taken next: the first free one, aligned to its size.

It may not decide who keeps what: those who ask have looked at the record before. Addresses are integers here, as in
``address``.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from director.model.fabric import IpBlock, IpPool, Ref, Room, StackRecord
from director.model.names import StackName
from director.model.network_config import NetworkConfig
from director.model.problem import Mark, Problem
from director.planning.address import number_of, text_of
from director.planning.fabric_names import Namer

BLOCK, POOL = "block", "pool"
_KINDS = {BLOCK: IpBlock.kind, POOL: IpPool.kind}
_WORDS = {BLOCK: "IP block", POOL: "IP pool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A block or pool as somebody names it, in the fabric of ``cpi``. ``config`` declares it, if any does."""

    kind: str
    name: str
    cpi: str
    ref: Ref
    config: NetworkConfig | None = None

    @property
    def key(self) -> str:
        """What ``Fabric.rooms`` is asked for."""
        return f"{self.kind}:{self.ref.to}"

    def claim(self, what: str) -> str:
        return f"{self.owner}|{what}"

    @property
    def owner(self) -> str:
        return f"{self.cpi}:{self.ref.to}" if self.cpi else self.ref.to

    def room(self) -> Room | None:
        """As the config declares it; None for one of others."""
        if self.config is None:
            return None
        blocks = [_span(b.cidr) for b in self.config.blocks if self.kind == BLOCK and b.name == self.name]
        pools = [p.ranges for p in self.config.pools if self.kind == POOL and p.name == self.name]
        ranges = [(number_of(first), number_of(last)) for some in pools for first, last in some]
        return Room(name=self.name, ranges=(*blocks, *ranges), taken=())

    def holds(self, what: str) -> bool:
        """Whether an address or block chosen before still lies in it; of one of others nobody here knows."""
        room, (first, last) = self.room(), _span(what)
        return room is None or any(a <= first and last <= b for a, b in room.ranges)


def source_of(kind: str, name: str, cpi: str, configs: Iterable[NetworkConfig], names: Namer) -> Source:
    """The block or pool a network config of the same CPI declares under this name, else one of others."""
    for config in configs:
        declared = config.blocks if kind == BLOCK else config.pools
        if config.cpi == cpi and any(one.name == name for one in declared):
            ref = Ref(to=names.id(_KINDS[kind], config.name, name))
            return Source(kind=kind, name=name, cpi=cpi, ref=ref, config=config)
    return Source(kind=kind, name=name, cpi=cpi, ref=Ref(to=name, is_ours=False))


def is_applied(source: Source, recorded: Iterable[StackRecord]) -> bool:
    """Whether it is there: blocks and pools of others are, as far as we know."""
    return not source.ref.is_ours or any(o.id == source.ref.to for r in recorded for o in r.stack.objects)


class Book:
    """What of each block and pool is taken. Not a value: it lives only while ranges are chosen."""

    def __init__(self, rooms: Mapping[str, Mapping[str, Room]], recorded: Sequence[StackRecord]) -> None:
        self.rooms = rooms
        self.claims = [(r.stack.name, claim) for r in recorded for claim in r.stack.claims]
        self.given: dict[str, list[tuple[int, int]]] = {}

    def keep(self, source: Source, what: str) -> None:
        """A choice made before is taken for all others of this pass."""
        self.given.setdefault(source.owner, []).append(_span(what))

    def room_of(self, source: Source) -> Room | None:
        return self.rooms.get(source.cpi, {}).get(source.key)

    def take(self, source: Source, room: Room, size: int, stack: StackName) -> tuple[int, int] | None:
        """The first free place of ``size`` addresses; None when there is none."""
        spans = merged([*room.taken, *self._claimed(source, stack)])
        for first, last in sorted(room.ranges):
            found = _first_free(first, last, size, spans)
            if found is not None:
                self.given.setdefault(source.owner, []).append((found, found + size - 1))
                return found, found + size - 1
        return None

    def _claimed(self, source: Source, stack: StackName) -> list[tuple[int, int]]:
        """By other stacks, and by this pass. What a stack itself claims without having made it, it may choose anew."""
        prefix = f"{source.owner}|"
        held = [
            _span(claim[len(prefix) :]) for owner, claim in self.claims if owner != stack and claim.startswith(prefix)
        ]
        return [*held, *self.given.get(source.owner, [])]


def full(source: Source, room: Room, what: str, whose: str, mark: Mark | None) -> Problem:
    """Nothing fits; ``what`` was looked for."""
    size = sum(last - first + 1 for first, last in room.ranges)
    spans = merged(room.taken)
    taken = sum(max(0, min(b, d) - max(a, c) + 1) for a, b in room.ranges for c, d in spans)
    return Problem(
        code="fabric.no-room",
        summary="Block or pool is full",
        detail=f'The {_WORDS[source.kind]} "{source.name}" has no free {what} for {whose}: '
        f"{taken} of its {size} addresses are taken there, and others may be planned already.",
        fix=f"free some of it, widen it, or name another {_WORDS[source.kind]}.",
        mark=mark,
        number=130011,
    )


def not_applied(source: Source, whose: str, mark: Mark | None) -> Problem:
    config = source.config.name if source.config else ""
    return Problem(
        code="fabric.not-applied",
        summary="Network config is not applied yet",
        detail=f'{whose} takes from the {_WORDS[source.kind]} "{source.name}", which the network config "{config}" '
        "declares, but which has not been made yet.",
        fix="run `director apply-networks` first.",
        mark=mark,
    )


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same addresses in as few ranges as can be, in order."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def cidr_text(first: int, last: int) -> str:
    """A block of a power of two addresses."""
    return str(ip_network(f"{text_of(first)}/{_bits(first) - (last - first).bit_length()}"))


def size_of(prefix: int, room: Room) -> int:
    """How many addresses a subnet of that length has, in such a room."""
    return 1 << max(0, _bits(room.ranges[0][0] if room.ranges else 0) - prefix)


def _bits(number: int) -> int:
    return 32 if number < 2**32 else 128


def _span(cidr: str) -> tuple[int, int]:
    network = ip_network(cidr, strict=False)
    return int(network.network_address), int(network.broadcast_address)


def _first_free(first: int, last: int, size: int, spans: Sequence[tuple[int, int]]) -> int | None:
    """``spans`` are merged and sorted: none touches another."""
    start = _aligned(first, size)
    position = max(0, bisect_left(spans, (start, start)) - 1)
    for taken_first, taken_last in spans[position:]:
        if taken_first > start + size - 1:
            break
        if taken_last >= start:
            start = _aligned(taken_last + 1, size)
    return start if start + size - 1 <= last else None


def _aligned(number: int, size: int) -> int:
    return -(-number // size) * size
