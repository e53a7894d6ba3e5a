"""How much may happen at once: canaries, max in flight, creates; and which instances go first (section 4.1)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from director.model.deployment import AzStrategy, Count, UpdateRules
from director.model.names import InstanceId
from director.model.plan import Limit
from director.model.step import (
    AttachDisk,
    ClearEnrolment,
    CreateDisk,
    CreateVm,
    DeleteVm,
    DetachDisk,
    GrowDisk,
    RebootVm,
    Step,
)
from director.model.wanted import WantedInstance

CALLS = "infrastructure calls"
"""Bounds what the infrastructure is asked at once. Waiting for a VM to boot asks it nothing, so it is not bound."""
SCRIPTS = "scripts"

CALLING = (CreateVm, ClearEnrolment, DeleteVm, RebootVm, CreateDisk, GrowDisk, AttachDisk, DetachDisk)


def limits_of(step: Step) -> tuple[str, ...]:
    """The limits a step holds by itself, while it is performed."""
    return (CALLS,) if isinstance(step, CALLING) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Instances that may be updated side by side; the next wave waits for all of them."""

    name: str
    instances: tuple[WantedInstance, ...]
    are_canaries: bool = False


def group_limit_name(group: str) -> str:
    return f"in flight of {group}"


def group_limit(group: str, rules: UpdateRules, size: int, override: Count | None) -> Limit:
    """max_in_flight of a group of ``size``, at least 1. The first failure lets nothing new begin."""
    count = (override or rules.max_in_flight).of(size)
    return Limit(name=group_limit_name(group), max=max(1, count), stops_on_failure=True)


def waves(
    group: str,
    changed: Sequence[WantedInstance],
    size: int,
    rules: UpdateRules,
    *,
    canaries: Count | None,
    is_first_deploy: bool,
    away: Collection[InstanceId] = (),
) -> tuple[Wave, ...]:
    """Zone after zone (bootstrap's first, then by name), canaries of the first zone before all else.

    Those ``away`` serve nothing, or badly: they come before anybody who serves is taken away, and canaries are of them.
    Else a group of three, one of them dead, would lose its majority by an update.

    On a first deploy with ``initial_deploy_az_update_strategy: parallel`` all zones are one.
    """
    if not changed:
        return ()
    serving = [instance for instance in changed if instance.id not in away]
    zones = _zones(serving, is_merged=is_first_deploy and rules.az_strategy is AzStrategy.PARALLEL)
    named = [(f"{group} in {zone[0].az or 'no zone'}", zone) for zone in zones]
    back = _in_turn(instance for instance in changed if instance.id in away)
    (name, first), *others = [*([(f"{group} that are away", back)] if back else []), *named]
    count = (canaries or rules.canaries).of(size)
    canary_wave = [Wave(name=f"canaries of {group}", instances=first[:count], are_canaries=True)] if count else []
    rest = [(name, first[count:]), *others]
    return (*canary_wave, *(Wave(name=name, instances=instances) for name, instances in rest if instances))


def _zones(changed: Sequence[WantedInstance], *, is_merged: bool) -> list[tuple[WantedInstance, ...]]:
    if not changed:
        return []
    ordered = _in_turn(changed)
    if is_merged:
        return [ordered]
    first = ordered[0].az if ordered[0].is_bootstrap else None
    names = sorted({i.az or "" for i in ordered}, key=lambda az: (az != first, az))
    return [tuple(i for i in ordered if (i.az or "") == az) for az in names]


def _in_turn(instances: Iterable[WantedInstance]) -> tuple[WantedInstance, ...]:
    return tuple(sorted(instances, key=lambda i: (not i.is_bootstrap, i.index, i.id)))
