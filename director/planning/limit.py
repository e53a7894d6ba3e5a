"""How much may happen at once: canaries, max in flight, creates; and which instances go first (section 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from director.model.deployment import AzStrategy, Count, UpdateRules
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
) -> tuple[Wave, ...]:
    """Zone after zone (bootstrap's first, then by name), canaries of the first zone before all else.

    On a first deploy with ``initial_deploy_az_update_strategy: parallel`` all zones are one.
    """
    if not changed:
        return ()
    zones = _zones(changed, is_merged=is_first_deploy and rules.az_strategy is AzStrategy.PARALLEL)
    count = (canaries or rules.canaries).of(size)
    first = zones[0]
    canary_wave = [Wave(name=f"canaries of {group}", instances=first[:count], are_canaries=True)] if count else []
    rest = [zone for zone in (first[count:], *zones[1:]) if zone]
    return (*canary_wave, *(Wave(name=f"{group} in {z[0].az or 'no zone'}", instances=z) for z in rest))


def _zones(changed: Sequence[WantedInstance], *, is_merged: bool) -> list[tuple[WantedInstance, ...]]:
    ordered = sorted(changed, key=lambda i: (not i.is_bootstrap, i.index, i.id))
    if is_merged:
        return [tuple(ordered)]
    first = ordered[0].az if ordered[0].is_bootstrap else None
    names = sorted({i.az or "" for i in ordered}, key=lambda az: (az != first, az))
    return [tuple(i for i in ordered if (i.az or "") == az) for az in names]
