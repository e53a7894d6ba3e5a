"""Looks at every infrastructure and fabric, and compares with the whole record.

Reads only: repairing is a deploy's work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from director.execution.world import World
from director.model.names import DeploymentName
from director.model.record import DiskRecord, VmRecord
from director.planning.drift import Drift, Looked, Recorded, find_drift, is_settling
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import Infrastructure
from director.reconcile.fabric_drift import look_at_fabrics, network_drift

LOOK_S: Final = 45.0
"""For one infrastructure's bulk reads: less than the minute that clients wait for an answer."""

Refresh = Callable[[], Awaitable[None]]

_R = TypeVar("_R", VmRecord, DiskRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """An infrastructure that could not be looked at, and why: nothing is known of what lies there."""

    cpi: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """``vms``, ``disks`` and ``objects`` (of networks) count what was seen."""

    drifts: tuple[Drift, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    vms: int = 0
    disks: int = 0
    objects: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.drifts and not self.unseen


async def nothing_to_refresh() -> None:
    pass


async def look_for_drift(
    world: World, deployment: DeploymentName | None = None, *, refresh: Refresh = nothing_to_refresh
) -> DriftReport:
    """One bulk read of each infrastructure, side by side, between two reads of the record.

    What the record says differently before and after, or an open intent names, is being changed by a task, and is not
    judged.
    ``refresh`` brings the infrastructures up to the CPI configs.
    """
    await refresh()
    before, busy = await _record(world), await _busy(world)
    named, unknown = _named(world, before)
    each = list({id(one): one for one in named.values()}.values())
    stacks = await world.store.stacks()
    answers, fabrics = await asyncio.gather(
        asyncio.gather(*(_look(one) for one in each)), look_at_fabrics(world, stacks, before.instances)
    )
    seen = {id(one): answer for one, answer in zip(each, answers, strict=True)}
    busy, after = busy | await _busy(world), await _record(world)
    networks = network_drift(fabrics, stacks, await world.store.stacks(), after.instances, busy, deployment)
    changing = busy | _changing(before.vms, after.vms) | _changing(before.disks, after.disks)
    looked, unseen = [], [_unknown(cpi) for cpi in unknown]
    for cpi, infrastructure in named.items():
        answer = seen[id(infrastructure)]
        if isinstance(answer, str):
            unseen.append(Unseen(cpi=cpi, reason=answer))
        else:
            looked.append(_without(answer, cpi, changing))
    return DriftReport(
        drifts=(*find_drift(_steady(after, changing), looked, deployment), *networks),
        unseen=(*unseen, *(Unseen(cpi=cpi, reason=f"NSX-T: {why}") for cpi, why in fabrics.unseen)),
        vms=sum(len(one.vms) for one in answers if isinstance(one, Looked)),
        disks=sum(len(one.disks) for one in answers if isinstance(one, Looked)),
        objects=sum(len(one.sighting.objects) for one in fabrics.looked),
    )


def _named(world: World, recorded: Recorded) -> tuple[Mapping[str, Infrastructure], Sequence[str]]:
    """Infrastructures by every name there is for them, former ones too; and recorded names of none."""
    there, recorded_on = set(world.infrastructures.by_cpi), _cpis(recorded)
    named: dict[str, Infrastructure] = {}
    unknown: list[str] = []
    for cpi in sorted(there | recorded_on):
        try:
            named[cpi] = world.infrastructures.of(cpi)
        except InfrastructureFailure:
            unknown.append(cpi)
    return named, unknown


async def _record(world: World) -> Recorded:
    store = world.store
    vms, disks, deployments = await asyncio.gather(store.vms(), store.disks(), store.deployments())
    records = await asyncio.gather(*(store.record(one.name) for one in deployments))
    instances = [instance for record in records if record is not None for instance in record.instances]
    return Recorded(instances=instances, vms=vms, disks=disks)


async def _busy(world: World) -> set[str]:
    """VMs and disks that a task is at."""
    return {intent.target for intent in await world.store.open_intents()}


async def _look(infrastructure: Infrastructure) -> Looked | str:
    """All it shows, or why it shows nothing."""
    try:
        async with asyncio.timeout(LOOK_S):
            vms, disks = await asyncio.gather(infrastructure.find_vms(in_detail=True), infrastructure.find_disks())
    except InfrastructureFailure as failure:
        return str(failure)
    except TimeoutError:
        return f"It did not show its VMs and disks within {LOOK_S:g} s."
    return Looked(cpi="", vms=vms, disks=disks)


def _unknown(cpi: str) -> Unseen:
    reason = f'VMs or disks are recorded on "{cpi}", but no CPI config has a CPI of that name (any more): add it again.'
    return Unseen(cpi=cpi, reason=reason)


def _cpis(recorded: Recorded) -> set[str]:
    return {vm.shape.cpi for vm in recorded.vms} | {disk.cpi for disk in recorded.disks}


def _changing(before: Sequence[_R], after: Sequence[_R]) -> set[str]:
    """Names of what came, went or changed between two reads, or was half made in the last one."""
    old: Mapping[str, _R] = {record.name: record for record in before}
    new: Mapping[str, _R] = {record.name: record for record in after}
    moved = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    return moved | {name for name, record in new.items() if is_settling(record)}


def _steady(recorded: Recorded, changing: set[str]) -> Recorded:
    return Recorded(
        instances=recorded.instances,
        vms=[vm for vm in recorded.vms if vm.name not in changing],
        disks=[disk for disk in recorded.disks if disk.name not in changing and disk.vm not in changing],
    )


def _without(looked: Looked, cpi: str, changing: set[str]) -> Looked:
    return Looked(
        cpi=cpi,
        vms={name: vm for name, vm in looked.vms.items() if name not in changing},
        disks={name: disk for name, disk in looked.disks.items() if name not in changing},
    )
