"""Puts right what drift showed and somebody confirmed, as far as a repair can. Looks before and after.

Differences that came up since they were shown are not touched: nobody confirmed them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.execution.world import World
from director.model.health import Remedy
from director.model.names import DeploymentName, InstanceId
from director.model.problem import Problem, Refused
from director.model.record import Record
from director.planning.drift import Drift, DriftKind
from director.planning.drift_fix import way_of
from director.ports.failure import Failure
from director.reconcile.cloudcheck_apply import Repairs
from director.reconcile.drift import look_for_drift
from director.reconcile.driver import Job
from director.reconcile.refuse import no_deployment
from director.reconcile.requests import FixDrift, Repair

BY: Final = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFixer:
    world: World
    repair: Repairs

    async def fix(self, request: FixDrift, job: Job) -> str:
        """Raises Refused for what no repair can put right, Failure when a difference is still there afterwards."""
        name = DeploymentName(request.deployment)
        confirmed = confirmed_of(request)
        record = await self.world.store.record(name)
        if record is None:
            raise Refused([no_deployment(name)])
        found = [one for one in await self._look(name) if (one.kind, one.subject) in confirmed]
        refused = [_by_hand(one) for one in found if not way_of(one).remedy.is_action]
        if refused:
            raise Refused(refused)
        remedies = remedies_for(found, record)
        if not remedies:
            return "nothing left to fix"
        pairs = tuple((instance, remedy.value) for instance, remedy in sorted(remedies.items()))
        await self.repair(Repair(deployment=name, remedies=pairs, by=BY), job)
        subjects = {(one.kind, one.subject) for one in found}
        left = [one for one in await self._look(name) if (one.kind, one.subject) in subjects]
        if left:
            raise Failure("\n".join(f"{one.subject} of {one.instance} is still so: {one.kind.value}." for one in left))
        return f"{len(found)} difference(s) fixed"

    async def _look(self, name: DeploymentName) -> Sequence[Drift]:
        return (await look_for_drift(self.world, name)).drifts


def confirmed_of(request: FixDrift) -> frozenset[tuple[DriftKind, str]]:
    """Raises Refused for kinds there are none of."""
    known = {kind.value: kind for kind in DriftKind}
    unknown = sorted({kind for kind, _ in request.differences if kind not in known})
    if unknown:
        raise Refused([_unknown(kind) for kind in unknown])
    return frozenset((known[kind], subject) for kind, subject in request.differences)


def remedies_for(found: Sequence[Drift], record: Record) -> Mapping[InstanceId, Remedy]:
    """By the instance whose VM or disk it is; of two remedies the greater one."""
    owners: dict[str, InstanceId] = {vm.name: vm.instance for vm in record.vms}
    owners |= {disk.name: disk.instance for disk in record.disks if disk.instance is not None}
    order = list(Remedy)
    remedies: dict[InstanceId, Remedy] = {}
    for one in found:
        instance = owners.get(one.subject)
        if instance is not None:
            remedies[instance] = max(way_of(one).remedy, remedies.get(instance, Remedy.NOTHING), key=order.index)
    return remedies


def _by_hand(drift: Drift) -> Problem:
    return Problem(
        code="drift.by-hand",
        summary="Only a person can decide this",
        detail=f"{drift.subject}: {drift.kind.value} is not put right by a repair ({way_of(drift).value}).",
        fix=drift.fix,
        number=440001,
    )


def _unknown(kind: str) -> Problem:
    return Problem(
        code="drift.unknown-kind",
        summary="Unknown kind of difference",
        detail=f'There is no kind of difference "{kind}".',
        fix="use the kinds that `director drift` shows.",
        number=440001,
    )
