"""Where recorded stacks and their fabrics differ: network objects lost, changed, failed, or recorded by nobody.

Compares; it may not ask, change or repair anything. Stacks that a task is at must be left out by the caller.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from director.model.fabric import (
    OUTLIVING,
    FabricSighting,
    Member,
    NetworkObject,
    ObjectState,
    SeenObject,
    StackRecord,
    StackState,
)
from director.model.names import DeploymentName, ObjectId, StackName
from director.model.record import InstanceRecord
from director.model.wanted import Want
from director.planning.drift import Drift, DriftKind

ABSENT = frozenset({None, ObjectState.ABSENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedFabric:
    """``found`` is all that bears our tag there. ``sighting`` was made for all READY stacks of that CPI."""

    cpi: str
    sighting: FabricSighting = field(default_factory=FabricSighting)
    found: Sequence[SeenObject] = ()


def find_network_drift(
    stacks: Sequence[StackRecord],
    instances: Sequence[InstanceRecord],
    looked: Sequence[LookedFabric],
    changing: frozenset[StackName] = frozenset(),
    deployment: DeploymentName | None = None,
) -> tuple[Drift, ...]:
    """Of all deployments, or of what one of them uses. ``changing`` are stacks that a task is at: not judged.

    Sorted by deployment, subject and kind.
    """
    found: list[Drift] = []
    for fabric in looked:
        own = [record for record in stacks if record.stack.cpi == fabric.cpi]
        steady = [r for r in own if r.state is StackState.READY and r.stack.name not in changing]
        shown = [r for r in steady if deployment is None or deployment in r.users]
        found += _of_stacks(fabric, shown)
        found += [_unused(r) for r in own if not r.users and r.stack.name not in changing and deployment is None]
        found += _unrecorded(fabric, stacks, changing, deployment)
        found += _members(fabric, shown, instances, deployment)
    return tuple(sorted(found, key=lambda d: (d.deployment, d.instance, d.subject, d.kind.value)))


def _of_stacks(fabric: LookedFabric, records: Sequence[StackRecord]) -> Iterator[Drift]:
    seen = {one.id: one for one in fabric.sighting.objects}
    for record in records:
        for one in record.stack.objects:
            yield from _of_object(fabric.cpi, record, one, seen.get(one.id))


def _of_object(cpi: str, record: StackRecord, one: NetworkObject, seen: SeenObject | None) -> Iterator[Drift]:
    judged = _judged(record, seen)
    if judged is not None:
        kind, how, fix = judged
        yield Drift(
            kind=kind,
            deployment=_owner(record),
            instance="",
            subject=f"{one.kind} {one.name}",
            cpi=cpi,
            recorded=f"in {record.stack.name}",
            seen=how,
            fix=fix,
            stack=record.stack.name,
        )


def _unused(record: StackRecord) -> Drift:
    """Its last users left at the same time, each because of the other."""
    return Drift(
        kind=DriftKind.NETWORK_UNUSED,
        deployment="",
        instance="",
        subject=f"stack {record.stack.name}",
        cpi=record.stack.cpi,
        recorded=f"{len(record.stack.objects)} objects",
        seen="no deployment uses it",
        fix="`director clean-up` removes it.",
    )


def _judged(record: StackRecord, seen: SeenObject | None) -> tuple[DriftKind, str, str] | None:
    """What is wrong with an object of a READY stack, as it is seen, and what to do; None when it is well."""
    again = _again(record)
    if seen is None or seen.state in {ObjectState.ABSENT, ObjectState.LEAVING}:
        return DriftKind.NETWORK_MISSING, "gone", f"{again} makes it again."
    if seen.is_foreign:
        fix = f"Find out who made it. Once it is gone, {again[0].lower()}{again[1:]} makes ours."
        return DriftKind.NETWORK_FOREIGN, "somebody else's object has its id", fix
    if seen.state is ObjectState.FAILED:
        fix = f"Put right what it says; NSX then tries again by itself, or {again[0].lower()}{again[1:]} does."
        return DriftKind.NETWORK_FAILED, f"failed: {seen.error}", fix
    if seen.differences:
        fix = f"{again} sets it back. To keep the change, write it into the config it comes from."
        return DriftKind.NETWORK_CHANGED, "; ".join(seen.differences), fix
    return None


def _again(record: StackRecord) -> str:
    owner = _owner(record)
    return f"The next deploy of {owner}, or `director drift --fix`," if owner else "`director apply-networks`"


def _owner(record: StackRecord) -> str:
    """Its owner while that uses it still, else the first that does; empty for what outlives deployments."""
    users = [user for user in record.users if user != OUTLIVING]
    if record.stack.owner == OUTLIVING or not users:
        return ""
    return record.stack.owner if record.stack.owner in users else users[0]


def _unrecorded(
    fabric: LookedFabric,
    stacks: Sequence[StackRecord],
    changing: frozenset[StackName],
    deployment: DeploymentName | None,
) -> Iterator[Drift]:
    for one in unrecorded_of(fabric.found, stacks):
        if one.stack in changing or deployment not in {None, one.owner}:
            continue
        yield Drift(
            kind=DriftKind.NETWORK_UNRECORDED,
            deployment=one.owner if one.owner and one.owner != OUTLIVING else "",
            instance="",
            subject=f"{one.kind} {one.name}",
            cpi=fabric.cpi,
            recorded="nothing",
            seen=f"tagged as ours, of {one.stack or 'no stack'}",
            fix="`director clean-up --all` removes it, when it finds it twice with an hour in between.",
        )


def unrecorded_of(found: Sequence[SeenObject], stacks: Sequence[StackRecord]) -> tuple[SeenObject, ...]:
    """What has our tag, is not going, and is in no stack at all; sorted by id."""
    known: set[ObjectId] = {one.id for record in stacks for one in record.stack.objects}
    strange = (o for o in found if o.id not in known and not o.is_foreign and o.state is not ObjectState.LEAVING)
    return tuple(sorted(strange, key=lambda o: (o.id, o.kind)))


def _members(
    fabric: LookedFabric,
    records: Sequence[StackRecord],
    instances: Sequence[InstanceRecord],
    deployment: DeploymentName | None,
) -> Iterator[Drift]:
    """Settled instances that should be running, but are not in a pool of ours that is there."""
    pools = {one.id for one in fabric.sighting.objects if one.state is ObjectState.REALISED}
    ours: Mapping[str, str] = {
        one.id: one.name for record in records for one in record.stack.objects if one.id in pools
    }
    there = {(one.pool, one.label, one.ip, one.port) for one in fabric.sighting.members}
    for instance in instances:
        if not instance.is_settled or instance.want is not Want.STARTED:
            continue
        if deployment is not None and instance.deployment != deployment:
            continue
        for member in instance.members:
            if member.pool.to in ours and (member.pool.to, member.label, member.ip, member.port) not in there:
                yield _absent(fabric.cpi, instance, member, ours[member.pool.to])


def _absent(cpi: str, instance: InstanceRecord, member: Member, pool: str) -> Drift:
    port = f":{member.port}" if member.port else ""
    return Drift(
        kind=DriftKind.MEMBER_MISSING,
        deployment=instance.deployment,
        instance=instance.label,
        subject=f"server pool {pool}",
        cpi=cpi,
        recorded=f"{member.ip}{port} is a member",
        seen="not in it",
        fix=f"The next deploy of {instance.deployment}, or `director drift --fix`, announces it again.",
    )
