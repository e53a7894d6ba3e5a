"""Decides who each instance of a group is and in which zone it stands (bosh-director.md sections 3.2, 3.3, 1.9).

Identity comes from the record where an instance is known, else from a name-based uuid: no chance is involved.
It may not choose addresses; where static addresses bind the zones, ``static`` chooses in its stead.
"""

import uuid
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count as naturals

from director.model.cloud import Network, NetworkType
from director.model.deployment import InstanceGroup, MigratedFrom
from director.model.names import AzName, DeploymentName, GroupName, InstanceId, NetworkName
from director.model.problem import Problem
from director.model.record import InstanceRecord, Record
from director.planning.seat import Choice, Seat
from director.planning.static import spread_statics

Zone = AzName | None


def place_groups(
    groups: Sequence[InstanceGroup],
    record: Record | None,
    networks: Mapping[NetworkName, Network],
    deployment: DeploymentName,
    seed: str,
    problems: list[Problem],
) -> tuple[Seat, ...]:
    """The seats of all groups, in their order, each group's by index. Recorded instances without a seat are obsolete.

    Adds problems 190018 (migrated_from), 190020 and 190021 (ignored instances), and those of ``static``.
    """
    recorded = [i for i in record.instances if not i.is_compilation] if record else []
    owners = frozenset(disk.instance for disk in record.disks if disk.instance) if record else frozenset()
    by_group: dict[GroupName, list[InstanceRecord]] = {}
    for instance in recorded:
        by_group.setdefault(instance.group, []).append(instance)
    origin = f"director:instance:{seed}:{deployment}:{record.deployment.serial if record else 0}"
    seats: list[Seat] = []
    for group in groups:
        existing = existing_of(group, by_group, problems)
        choices = choose(group, existing, owners if _wants_disk(group) else frozenset(), networks, problems)
        used = frozenset(i.index for i in by_group.get(group.name, ()))
        seats += _seats(group, choices, used, origin)
    _check_ignored(recorded, seats, groups, problems)
    return tuple(seats)


def _wants_disk(group: InstanceGroup) -> bool:
    """BOSH lets any disk hold its instance in its zone, also one about to go, and so moves instances a deploy late."""
    return group.persistent_disk_mb > 0 or group.persistent_disk_type is not None


def choose(
    group: InstanceGroup,
    existing: Sequence[InstanceRecord],
    disk_owners: frozenset[InstanceId],
    networks: Mapping[NetworkName, Network],
    problems: list[Problem],
) -> tuple[Choice, ...]:
    """A choice for each wanted instance, in the order in which they were placed."""
    zones: tuple[Zone, ...] = group.azs or (None,)
    inside = [i for i in existing if i.az in zones]
    if any(joined.static_ips and not _is_vip(networks[joined.name]) for joined in group.networks):
        choices = spread_statics(group, inside, disk_owners, networks, problems)
    else:
        choices = spread(group.instances, zones, inside, disk_owners)
    return _with_vips(group, choices, networks)


def spread(
    count: int, zones: Sequence[Zone], existing: Sequence[InstanceRecord], disk_owners: frozenset[InstanceId]
) -> tuple[Choice, ...]:
    """Fills the emptiest zone first; instances that may not move are placed before those that may.

    Among equally filled zones one with an instance to keep goes first, then the one that had most, then by name.
    """
    placed: dict[Zone, int] = dict.fromkeys(zones, 0)
    had = Counter(instance.az for instance in existing)
    choices: list[Choice] = []
    for some, makes_new in _in_turn(existing, disk_owners):
        queues = _queues(zones, some)
        while len(choices) < count:
            open_ = [zone for zone in zones if makes_new or queues[zone]]
            if not open_:
                break
            zone = min(open_, key=lambda z: (placed[z], not queues[z], -had[z], z or ""))
            placed[zone] += 1
            choices.append(Choice(az=zone, recorded=queues[zone].popleft() if queues[zone] else None))
    return tuple(choices)


def _in_turn(
    existing: Sequence[InstanceRecord], disk_owners: frozenset[InstanceId]
) -> Iterable[tuple[list[InstanceRecord], bool]]:
    ignored = [i for i in existing if i.is_ignored]
    with_disk = [i for i in existing if not i.is_ignored and i.id in disk_owners]
    rest = [i for i in existing if not i.is_ignored and i.id not in disk_owners]
    return (ignored, False), (with_disk, False), (rest, True)


def _queues(zones: Sequence[Zone], some: Sequence[InstanceRecord]) -> dict[Zone, deque[InstanceRecord]]:
    queues: dict[Zone, deque[InstanceRecord]] = {zone: deque() for zone in zones}
    for instance in some:
        queues[instance.az].append(instance)
    return queues


def existing_of(
    group: InstanceGroup, by_group: Mapping[GroupName, Sequence[InstanceRecord]], problems: list[Problem]
) -> tuple[InstanceRecord, ...]:
    """The group's recorded instances, and those it takes over from groups it migrated from, lowest index first."""
    own = sorted(by_group.get(group.name, ()), key=_rank)
    taken: list[InstanceRecord] = []
    for source in group.migrated_from:
        if source.name != group.name:
            taken += _migrated(group, source, sorted(by_group.get(source.name, ()), key=_rank), problems)
    return (*own, *taken)


def _rank(instance: InstanceRecord) -> tuple[int, str]:
    return instance.index, instance.id


def _migrated(
    group: InstanceGroup, source: MigratedFrom, instances: Sequence[InstanceRecord], problems: list[Problem]
) -> list[InstanceRecord]:
    given = [_with_az(instance, source.az) for instance in instances]
    if any(i.az is None for i in given) and group.azs:
        said = f'Instances of "{source.name}" were deployed without a zone, and "{group.name}" has zones.'
        problems.append(_migration(group, said, f'name the zone of "{source.name}" as az under migrated_from.'))
    others = sorted({i.az for i in given if source.az and i.az and i.az != source.az})
    if others:
        said = (
            f'migrated_from puts "{source.name}" into zone "{source.az}", but it was deployed in {", ".join(others)}.'
        )
        problems.append(_migration(group, said, "leave out az, or name the zone it was deployed in."))
    return given


def _with_az(instance: InstanceRecord, az: Zone) -> InstanceRecord:
    return replace(instance, az=az) if instance.az is None and az is not None else instance


def _migration(group: InstanceGroup, detail: str, fix: str) -> Problem:
    return Problem(
        code="placement.bad-migrated-from",
        summary="Impossible migrated_from",
        detail=detail,
        fix=fix,
        mark=group.mark,
        number=190018,
    )


def _with_vips(
    group: InstanceGroup, choices: Sequence[Choice], networks: Mapping[NetworkName, Network]
) -> tuple[Choice, ...]:
    """Gives out the static addresses of vip networks: what an instance has it keeps, the rest in the order listed."""
    for joined in group.networks:
        if joined.static_ips and _is_vip(networks[joined.name]):
            held = [_held(choice.recorded, joined.static_ips) for choice in choices]
            rest = iter([ip for ip in joined.static_ips if ip not in held])
            ips = [ip or next(rest, None) for ip in held]
            choices = [
                replace(choice, statics={**choice.statics, joined.name: ip}) if ip else choice
                for choice, ip in zip(choices, ips, strict=True)
            ]
    return tuple(choices)


def _held(instance: InstanceRecord | None, ips: Sequence[str]) -> str | None:
    return next((a.ip for a in instance.addresses if a.ip in ips), None) if instance else None


def _is_vip(network: Network) -> bool:
    return network.type is NetworkType.VIP


def _seats(group: InstanceGroup, choices: Sequence[Choice], used: frozenset[int], origin: str) -> list[Seat]:
    """Indexes of instances about to go count as used, so that no two VMs ever go by one name at once."""
    free = (index for index in naturals() if index not in used)
    indexed = [(c.recorded.index if c.recorded and c.recorded.group == group.name else next(free), c) for c in choices]
    indexed.sort(key=lambda pair: pair[0])
    leaders = [index for index, c in indexed if c.recorded and c.recorded.is_bootstrap]
    leader = min(leaders or [index for index, _ in indexed], default=None)
    return [
        Seat(
            id=c.recorded.id if c.recorded else _new_id(f"{origin}:{group.name}:{index}"),
            group=group,
            index=index,
            az=c.az,
            is_bootstrap=index == leader,
            recorded=c.recorded,
            statics=c.statics,
        )
        for index, c in indexed
    ]


def _new_id(name: str) -> InstanceId:
    return InstanceId(str(uuid.uuid5(uuid.NAMESPACE_URL, name)))


def _check_ignored(
    recorded: Sequence[InstanceRecord],
    seats: Sequence[Seat],
    groups: Sequence[InstanceGroup],
    problems: list[Problem],
) -> None:
    """An ignored instance is never touched, so nothing may be asked for that would remove it."""
    seated = {seat.id for seat in seats}
    kept_names = {name for group in groups for name in (group.name, *(m.name for m in group.migrated_from))}
    lost = sorted((i for i in recorded if i.is_ignored and i.id not in seated), key=lambda i: (i.group, i.index))
    problems.extend(_ignored(instance, is_group_kept=instance.group in kept_names) for instance in lost)


def _ignored(instance: InstanceRecord, *, is_group_kept: bool) -> Problem:
    how = "leaves no place for it in its group and zone" if is_group_kept else "no longer has its instance group"
    return Problem(
        code="placement.ignored-instance",
        summary="Ignored instance would be deleted",
        detail=f"Instance {instance.label} is ignored, and the manifest {how}.",
        fix=f"unignore {instance.label} first, or keep its group, zone and number of instances.",
        number=190020 if is_group_kept else 190021,
    )
