"""Puts right what drift showed and somebody confirmed, as far as a repair can. Looks before and after.

Differences that came up since they were shown are not touched: nobody confirmed them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.execution.world import World
from director.model.health import Remedy
from director.model.names import DeploymentName, InstanceId
from director.model.problem import Problem, Refused
from director.model.record import Record
from director.planning.drift import Drift, DriftKind
from director.planning.drift_fix import Way, way_of
from director.ports.failure import Failure
from director.reconcile.cloudcheck_apply import Repairs
from director.reconcile.converge import again_when_outdated
from director.reconcile.drift import look_for_drift
from director.reconcile.driver import Job
from director.reconcile.encode import Encode
from director.reconcile.network_fix import NetworkFixer
from director.reconcile.refuse import no_deployment
from director.reconcile.requests import FixDrift, Repair

BY: Final = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFixer:
    world: World
    repair: Repairs
    encode: Encode

    async def fix(self, request: FixDrift, job: Job) -> str:
        """Raises Refused for what no repair can put right, Failure when a difference is still there afterwards."""
        name = DeploymentName(request.deployment)
        confirmed = confirmed_of(request)
        record = await self.world.store.record(name)
        if record is None:
            raise Refused([no_deployment(name)])
        found = [one for one in await self._look(name) if (one.kind, one.subject) in confirmed]
        refused = [_by_hand(one) for one in found if not way_of(one).is_repair]
        if refused:
            raise Refused(refused)
        if not found:
            return "nothing left to fix"
        if any(way_of(one) is Way.SET_BACK for one in found):
            # First, for VMs that are made again stand on them.
            await again_when_outdated(lambda: self._set_back(name, confirmed, job), job, self.world.clock)
        remedies = remedies_for(found, record)
        if remedies:
            pairs = tuple((instance, remedy.value) for instance, remedy in sorted(remedies.items()))
            await self.repair(Repair(deployment=name, remedies=pairs, by=BY), job)
        subjects = {(one.kind, one.subject) for one in found}
        left = [one for one in await self._look(name) if (one.kind, one.subject) in subjects]
        if left:
            raise Failure("\n".join(_still(one) for one in left))
        return f"{len(found)} difference(s) fixed"

    async def _set_back(self, name: DeploymentName, confirmed: Collection[tuple[DriftKind, str]], job: Job) -> None:
        """By a look of its own: what has changed since the last try is neither confirmed nor forgotten."""
        now = await self._look(name)
        mine = [one for one in now if (one.kind, one.subject) in confirmed and way_of(one) is Way.SET_BACK]
        others = [one for one in now if (one.kind, one.subject) not in confirmed]
        if mine:
            await NetworkFixer(world=self.world, encode=self.encode).set_back(name, mine, others, job)

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
        if instance is not None and way_of(one).remedy.is_action:
            remedies[instance] = max(way_of(one).remedy, remedies.get(instance, Remedy.NOTHING), key=order.index)
    return remedies


def _still(drift: Drift) -> str:
    owner = f" of {drift.instance}" if drift.instance else ""
    return f"{drift.subject}{owner} is still so: {drift.kind.value}."


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
