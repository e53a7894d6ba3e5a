"""Decides how a group's static addresses, and with them its instances, are spread over zones (section 3.4).

Each slot takes one address of every network that lists any, all of them in the slot's zone. Which numbers of
instances per zone are possible follows from Hall's theorem: for every set of zones, a network must have enough
addresses that fit there. So the search goes over numbers per zone, not over addresses.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from director.model.cloud import Network, NetworkType
from director.model.deployment import GroupNetwork, InstanceGroup
from director.model.names import AzName, InstanceId, NetworkName
from director.model.problem import Problem
from director.model.record import InstanceRecord
from director.planning.address import contains, is_restricted, is_static, number_of
from director.planning.seat import Choice

Zone = AzName | None
Zones = frozenset[Zone]

SEARCH_MAX = 100_000
"""Vectors looked at before giving up: far more than any real cloud config needs, and still under a second or so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The static addresses of one network, in manifest order, with the zones of this group each may serve."""

    network: NetworkName
    zones_of: Mapping[str, Zones]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """A recorded instance that keeps its zone because of the addresses it holds."""

    instance: InstanceRecord
    held: Mapping[NetworkName, str]


def spread_statics(
    group: InstanceGroup,
    existing: Sequence[InstanceRecord],
    disk_owners: frozenset[InstanceId],
    networks: Mapping[NetworkName, Network],
    problems: list[Problem],
) -> tuple[Choice, ...]:
    """A choice with addresses for each instance; none when that is impossible.

    Adds problems 130010, 130012, 130013, 150002, 150007 and 150008.
    """
    faults: list[Problem] = []
    zones: tuple[Zone, ...] = group.azs or (None,)
    pools = [_pool(group, joined, networks[joined.name], faults) for joined in group.networks if joined.static_ips]
    pools = [pool for pool in pools if networks[pool.network].type is NetworkType.MANUAL]
    keepers = _keepers(group, existing, pools, faults)
    found = None if faults else _solve(group.instances, zones, pools, keepers, existing)
    if found is None:
        problems.extend(faults or [_impossible(group)])
        return ()
    counts, kept = found
    choices = _slots(zones, counts, kept, existing, disk_owners)
    for pool in pools:
        choices = _hand_out(choices, pool)
    return tuple(choices)


def _pool(group: InstanceGroup, joined: GroupNetwork, network: Network, faults: list[Problem]) -> Pool:
    if network.type is NetworkType.DYNAMIC:
        faults.append(
            _fault(group, joined, "has static_ips, but is a dynamic network", "leave out static_ips.", 150008)
        )
    elif network.type is NetworkType.MANUAL and len(joined.static_ips) != group.instances:
        said = f"has {len(joined.static_ips)} static_ips for {group.instances} instances"
        faults.append(_fault(group, joined, said, "list exactly one address for each instance.", 150002))
    is_manual = network.type is NetworkType.MANUAL
    zones_of = {ip: _zones_of(group, joined, network, ip, faults) for ip in joined.static_ips} if is_manual else {}
    return Pool(network=joined.name, zones_of=zones_of)


def _zones_of(group: InstanceGroup, joined: GroupNetwork, network: Network, ip: str, faults: list[Problem]) -> Zones:
    """The group's zones that the address's subnet serves; none, and a fault, when nobody here may have it."""
    number = number_of(ip)
    subnet = next((subnet for subnet in network.subnets if contains(subnet, number)), None)
    if subnet is None:
        said, fix, code = (
            f"asks for {ip}, which no subnet of it contains",
            "choose an address of its static range.",
            130012,
        )
    elif is_restricted(subnet, number):
        said, fix, code = f"asks for {ip}, which is reserved there", "choose an address of its static range.", 130013
    elif not is_static(subnet, number):
        said = f"asks for {ip}, which is in {subnet.range} but not among its static addresses"
        fix, code = f"add {ip} to static of that subnet, or choose one that is.", 150002
    else:
        zones: Zones = frozenset(group.azs or (None,))
        if not subnet.azs or zones & frozenset(subnet.azs):
            return zones & frozenset(subnet.azs) if subnet.azs else zones
        said = f"asks for {ip}, which belongs to zone {', '.join(subnet.azs)}"
        fix, code = f"add that zone to azs of {group.name}, or choose an address of its zones.", 150007
    faults.append(_fault(group, joined, said, fix, code))
    return frozenset()


def _keepers(
    group: InstanceGroup, existing: Sequence[InstanceRecord], pools: Sequence[Pool], faults: list[Problem]
) -> list[Keeper]:
    """Those holding a listed address, ignored ones first, then those holding most."""
    keepers = []
    for instance in existing:
        ips = [a.ip for a in instance.addresses if a.ip]
        held = {pool.network: ip for pool in pools for ip in ips if ip in pool.zones_of}
        moved = [pool for pool in pools if held.get(pool.network) and not _fits(pool, held[pool.network], instance.az)]
        faults.extend(_moved(group, instance, held[pool.network]) for pool in moved)
        if held and not moved:
            keepers.append(Keeper(instance=instance, held=held))
    return sorted(keepers, key=lambda k: (not k.instance.is_ignored, -len(k.held)))


def _fits(pool: Pool, ip: str, zone: Zone) -> bool:
    return not pool.zones_of[ip] or zone in pool.zones_of[ip]


class _Bounds:
    """How many instances each set of zones must and may have, given who keeps which address."""

    def __init__(self, total: int, zones: Sequence[Zone], pools: Sequence[Pool], keepers: Sequence[Keeper]) -> None:
        self.sets = [
            frozenset(some) for size in range(1, len(zones) + 1) for some in combinations(range(len(zones)), size)
        ]
        self.total = total
        everywhere = frozenset(range(len(zones)))
        reach = [_Reach(zones, pool, keepers) for pool in pools]
        self.most = {some: min(r.of(some) for r in reach) for some in self.sets}
        self.least = {some: max(total - r.of(everywhere - some) for r in reach) for some in self.sets}

    def allow(self, counts: tuple[int, ...]) -> bool:
        """Whether the numbers so far may still grow into a full placement, as far as one network can tell."""
        left = self.total - sum(counts)
        for some in self.sets:
            here = sum(counts[zone] for zone in some)
            if here > self.most[some] or here + left < self.least[some] or self.least[some] > self.most[some]:
                return False
        return left >= 0


class _Reach:
    """How many slots of one network lie in a set of zones: those of keepers, and every other address that could."""

    def __init__(self, zones: Sequence[Zone], pool: Pool, keepers: Sequence[Keeper]) -> None:
        place = {zone: number for number, zone in enumerate(zones)}
        held = {k.held[pool.network]: k.instance.az for k in keepers if pool.network in k.held}
        self.kept = Counter(place[zone] for zone in held.values())
        free = [served for ip, served in pool.zones_of.items() if ip not in held]
        self.classes = Counter(frozenset(place[zone] for zone in served) for served in free)

    def of(self, some: frozenset[int]) -> int:
        kept = sum(self.kept[zone] for zone in some)
        return kept + sum(number for served, number in self.classes.items() if served & some)


def _solve(
    total: int,
    zones: Sequence[Zone],
    pools: Sequence[Pool],
    keepers: Sequence[Keeper],
    existing: Sequence[InstanceRecord],
) -> tuple[dict[Zone, int], tuple[Keeper, ...]] | None:
    """Numbers per zone, as even as can be, and who keeps what; keepers give way before the whole fails."""
    kept: tuple[Keeper, ...] = ()
    for keeper in keepers:
        tried = (*kept, keeper)
        if _Bounds(total, zones, pools, tried).allow(_counts(zones, tried)):
            kept = tried
    had = Counter(instance.az for instance in existing)
    for some in (kept, ()) if kept else ((),):
        bounds = _Bounds(total, zones, pools, some)
        counts = _search(_counts(zones, some), zones, had, bounds)
        if counts is not None:
            return dict(zip(zones, counts, strict=True)), some
    return None


def _counts(zones: Sequence[Zone], keepers: Sequence[Keeper]) -> tuple[int, ...]:
    placed = Counter(keeper.instance.az for keeper in keepers)
    return tuple(placed[zone] for zone in zones)


def _search(
    start: tuple[int, ...], zones: Sequence[Zone], had: Mapping[Zone, int], bounds: _Bounds
) -> tuple[int, ...] | None:
    """Depth first, adding an instance where there are fewest; backs out of what cannot be completed."""
    stack, seen = ([start] if bounds.allow(start) else []), {start}
    while stack and len(seen) < SEARCH_MAX:
        counts = stack.pop()
        if sum(counts) == bounds.total:
            return counts
        by_need = sorted(range(len(zones)), key=_by_need(counts, zones, had))
        bumped = [tuple(n + (place == zone) for place, n in enumerate(counts)) for zone in by_need]
        fresh = [b for b in bumped if b not in seen and bounds.allow(b)]
        seen.update(fresh)
        stack.extend(reversed(fresh))
    return None


def _by_need(
    counts: Sequence[int], zones: Sequence[Zone], had: Mapping[Zone, int]
) -> Callable[[int], tuple[int, bool, int, str]]:
    def need(place: int) -> tuple[int, bool, int, str]:
        here = had[zones[place]]
        return counts[place], counts[place] >= here, -here, zones[place] or ""

    return need


def _slots(
    zones: Sequence[Zone],
    counts: Mapping[Zone, int],
    kept: Sequence[Keeper],
    existing: Sequence[InstanceRecord],
    disk_owners: frozenset[InstanceId],
) -> list[Choice]:
    """Keepers first; then, zone by turns, recorded instances of that zone (with disks first) and new ones."""
    choices = [Choice(az=k.instance.az, recorded=k.instance, statics=dict(k.held)) for k in kept]
    chosen = {keeper.instance.id for keeper in kept}
    rest = sorted(
        (i for i in existing if i.id not in chosen), key=lambda i: (not i.is_ignored, i.id not in disk_owners)
    )
    placed = Counter(choice.az for choice in choices)
    while open_ := [zone for zone in zones if placed[zone] < counts[zone]]:
        zone = min(open_, key=lambda z: (placed[z], z or ""))
        instance = next((i for i in rest if i.az == zone), None)
        if instance:
            rest.remove(instance)
        placed[zone] += 1
        choices.append(Choice(az=zone, recorded=instance))
    return choices


def _hand_out(choices: Sequence[Choice], pool: Pool) -> list[Choice]:
    """One address of the pool for each choice without: the first listed that leaves enough for the others."""
    held = {c.statics[pool.network] for c in choices if pool.network in c.statics}
    free = [ip for ip in pool.zones_of if ip not in held]
    supply = Counter(pool.zones_of[ip] for ip in free)
    demand = Counter(c.az for c in choices if pool.network not in c.statics)
    done = []
    for choice in choices:
        if pool.network in choice.statics:
            done.append(choice)
            continue
        demand[choice.az] -= 1
        ip = next(ip for ip in free if choice.az in pool.zones_of[ip] and _is_enough(supply, demand, pool.zones_of[ip]))
        free.remove(ip)
        supply[pool.zones_of[ip]] -= 1
        done.append(Choice(az=choice.az, recorded=choice.recorded, statics={**choice.statics, pool.network: ip}))
    return done


def _is_enough(supply: Mapping[Zones, int], demand: Mapping[Zone, int], taken: Zones) -> bool:
    """Hall's condition for those still waiting, once an address of the class ``taken`` is gone."""
    waiting = [zone for zone, number in demand.items() if number]
    for size in range(1, len(waiting) + 1):
        for some in combinations(waiting, size):
            left = sum(number - (served == taken) for served, number in supply.items() if served & frozenset(some))
            if left < sum(demand[zone] for zone in some):
                return False
    return True


def _fault(group: InstanceGroup, joined: GroupNetwork, said: str, fix: str, number: int) -> Problem:
    return Problem(
        code="placement.bad-static-ip",
        summary="Static address that cannot be used",
        detail=f'Network "{joined.name}" of instance group "{group.name}" {said}.',
        fix=fix,
        mark=joined.mark or group.mark,
        number=number,
    )


def _moved(group: InstanceGroup, instance: InstanceRecord, ip: str) -> Problem:
    return Problem(
        code="placement.static-ip-moved",
        summary="Static address moved to another zone while in use",
        detail=f'Instance {instance.label} in zone "{instance.az}" has static address {ip}, '
        "whose subnet is now in another zone.",
        fix=f"deploy {group.name} with another address first, or move the subnet back.",
        mark=group.mark,
        number=130010,
    )


def _impossible(group: InstanceGroup) -> Problem:
    return Problem(
        code="placement.static-ips-do-not-match",
        summary="Static addresses cannot be spread over the zones",
        detail=f'The static_ips of instance group "{group.name}" give no way to place {group.instances} instances '
        "so that each has, in its own zone, one address of every network.",
        fix="list for each zone the same number of addresses on every network.",
        mark=group.mark,
        number=150002,
    )
