"""The tasks of cloud-check: scan, apply what was chosen, scan and fix at once.

Whatever is done is done by a plan, or is a change of the record alone. Afterwards the instances are examined again: a
problem counts as solved only when it is not found any more.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.execution.world import World
from director.manifest.values import parse_count
from director.model.health import Remedy
from director.model.names import DeploymentName, InstanceId
from director.model.problem import Refused
from director.model.problem_found import OpenProblem, ProblemFound, ProblemType, Resolution
from director.model.record import Record
from director.planning.cloudcheck import remedy_of
from director.ports.failure import Failure
from director.reconcile.cloudcheck import OF_VMS, PATIENCE_S, Examination, close, examine, keep, open_problems
from director.reconcile.cloudcheck_refuse import chosen_of, paused
from director.reconcile.driver import Job
from director.reconcile.encode import Encode
from director.reconcile.let_go import LetGo
from director.reconcile.refuse import no_deployment
from director.reconcile.requests import ApplyResolutions, Repair, ScanAndFix, ScanProblems
from director.reconcile.resurrection import SETTING

BY: Final = "cloud-check"
STAGE: Final = "Applying problem resolutions"

Chosen = tuple[OpenProblem, Resolution]
Repairs = Callable[[Repair, Job], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudCheck:
    """``repair`` carries out a Repair within the same task; ``patience_s`` is what a silent agent is given."""

    world: World
    encode: Encode
    repair: Repairs
    patience_s: float = PATIENCE_S

    async def scan(self, request: ScanProblems, job: Job) -> str:
        record = await self._record(request.deployment)
        found = await self._examine(record, job)
        await keep(request.deployment, found.problems, self.world.store)
        return f"scan complete: {len(found.problems)} problem(s)"

    async def apply(self, request: ApplyResolutions, job: Job) -> str:
        """Raises Refused for what cannot have been chosen, Failure with everything that did not work."""
        known = await open_problems(request.deployment, self.world.store)
        chosen = chosen_of(request, known)
        skipped = [one.id for one, resolution in chosen if resolution is Resolution.IGNORE]
        await close(request.deployment, skipped, self.world.store)
        errors = await self._solve(request, [one for one in chosen if one[0].id not in skipped], job)
        if errors:
            raise Failure("\n".join(errors))
        return f"{len(chosen) - len(skipped)} problem(s) resolved, {len(skipped)} skipped"

    async def scan_and_fix(self, request: ScanAndFix, job: Job) -> str:
        """Raises Refused while resurrection is paused."""
        if (await self.world.store.setting(SETTING) or {}).get("paused", False):
            raise Refused([paused()])
        record = await self._record(request.deployment)
        only = frozenset(InstanceId(one) for one in request.instances)
        found = await self._examine(record, job, only=only, with_disks=False)
        sick = [one for one in found.problems if Resolution.RECREATE_VM in one.resolutions]
        numbered = await keep(request.deployment, sick, self.world.store)
        apply = ApplyResolutions(deployment=request.deployment, resolutions=())
        errors = await self._solve(apply, [(one, Resolution.RECREATE_VM) for one in numbered], job)
        if errors:
            raise Failure("\n".join(errors))
        return f"{len(sick)} problem(s) resolved"

    async def _record(self, name: str) -> Record:
        record = await self.world.store.record(DeploymentName(name))
        if record is None:
            raise Refused([no_deployment(name)])
        return record

    async def _examine(
        self, record: Record, job: Job, *, only: frozenset[InstanceId] | None = None, with_disks: bool = True
    ) -> Examination:
        """Told in BOSH's stages (5.5)."""
        stage = f"Scanning {len([v for v in record.vms if only is None or v.instance in only])} VMs"
        job.stages.event(stage, "Checking VM states", "started")
        found = await examine(record, self.world, only=only, with_disks=with_disks, patience_s=self.patience_s)
        job.stages.event(stage, "Checking VM states", "finished")
        count = {kind: sum(one.type is kind for one in found.problems) for kind in ProblemType}
        missing, silent = count[ProblemType.MISSING_VM], count[ProblemType.UNRESPONSIVE_AGENT]
        lost = sum(one.type is ProblemType.MISSING_VM and one.subject != "" for one in found.problems)
        _tell(job, stage, f"{found.vms - lost - silent} OK, {silent} unresponsive, {missing} missing")
        if with_disks:
            bad = sum(one.type not in OF_VMS for one in found.problems)
            _tell(job, f"Scanning {found.disks} persistent disks", _disk_words(found.disks - bad, count))
        for words in found.unseen:
            job.stages.warn(words)
        return found

    async def _solve(self, request: ApplyResolutions, chosen: Sequence[Chosen], job: Job) -> list[str]:
        """What did not work, in words. What solved itself in the meantime is left alone."""
        if not chosen:
            return []
        only = frozenset(one.found.instance for one, _ in chosen)
        now = await self._again(request.deployment, only)
        for one, resolution in chosen:
            if not _stands(one, resolution, now):
                _tell(job, STAGE, f"{one.found.label}: no longer so ({one.found.type.value})")
        standing = [(_as_it_is(one, now), resolution) for one, resolution in chosen if _stands(one, resolution, now)]
        errors = [error for batch in batches(standing, request) for error in await self._batch(request, batch, job)]
        after = await self._again(request.deployment, only) if standing else now
        left = {one.id: problem for one, resolution in standing if (problem := _left(one, resolution, after))}
        errors += [f"Problem {number} is not solved: {problem.description}" for number, problem in left.items()]
        await close(request.deployment, [one.id for one, _ in chosen if one.id not in left], self.world.store)
        return list(dict.fromkeys(errors))

    async def _again(self, deployment: str, only: frozenset[InstanceId]) -> Examination:
        return await examine(await self._record(deployment), self.world, only=only, patience_s=self.patience_s)

    async def _batch(self, request: ApplyResolutions, batch: Sequence[Chosen], job: Job) -> list[str]:
        """What is let go of goes first, one by one: a VM is not made again with a disk that is gone."""
        job.check()
        errors: list[str] = []
        for one, resolution in batch:
            if remedy_of(one.found, resolution) is Remedy.NOTHING:
                errors += await self._let_go(one.found, resolution, request.deployment, job)
        remedies = remedies_of(batch)
        if remedies:
            pairs = tuple((instance, remedy.value) for instance, remedy in sorted(remedies.items()))
            repair = Repair(deployment=request.deployment, remedies=pairs, by=BY)
            errors += await _tried(lambda: self.repair(repair, job))
        return errors

    async def _let_go(self, found: ProblemFound, resolution: Resolution, deployment: str, job: Job) -> list[str]:
        task = f"{found.label}: {resolution.value}"
        letting = LetGo(world=self.world, encode=self.encode, deployment=DeploymentName(deployment))
        job.stages.event(STAGE, task, "started")
        errors = await _tried(lambda: letting.of(found, resolution, job))
        if errors:
            job.stages.event(STAGE, task, "failed", data={"error": errors[0]})
        else:
            job.stages.event(STAGE, task, "finished")
        return errors


def remedies_of(batch: Sequence[Chosen]) -> Mapping[InstanceId, Remedy]:
    """By instance; of several the one that takes more away, which mends what the others would."""
    order = list(Remedy)
    found: dict[InstanceId, Remedy] = {}
    for one, resolution in batch:
        remedy, other = remedy_of(one.found, resolution), found.get(one.found.instance, Remedy.NOTHING)
        found[one.found.instance] = max(remedy, other, key=order.index)
    return {instance: remedy for instance, remedy in found.items() if remedy.is_action}


def batches(chosen: Sequence[Chosen], request: ApplyResolutions) -> Iterator[Sequence[Chosen]]:
    """What is done side by side. What does not serve is brought back all at once, unless its group was given another
    number; what may still serve, with a disk that is not as recorded, one instance after the other.
    """
    limits = dict(request.max_in_flight)
    lost = [one for one in chosen if one[0].found.group not in limits and one[0].found.type in OF_VMS]
    if lost:
        yield lost
    rest: dict[str, dict[InstanceId, list[Chosen]]] = {}
    for one in chosen:
        if one not in lost:
            rest.setdefault(one[0].found.group, {}).setdefault(one[0].found.instance, []).append(one)
    for group, instances in sorted(rest.items()):
        each = list(instances.values())
        size = max(1, parse_count(limits[group]).of(len(each))) if group in limits else 1
        for start in range(0, len(each), size):
            yield [one for same in each[start : start + size] for one in same]


async def _tried(act: Callable[[], Awaitable[object]]) -> list[str]:
    """What went wrong, in words; the other problems are gone on with."""
    try:
        await act()
    except (Failure, Refused) as failure:
        return [str(failure)]
    return []


def _stands(one: OpenProblem, resolution: Resolution, now: Examination) -> bool:
    """What was chosen still is a way out of what there is now."""
    found = now.find(one.found)
    return found is not None and resolution in found.resolutions


def _as_it_is(one: OpenProblem, now: Examination) -> OpenProblem:
    return OpenProblem(id=one.id, found=now.find(one.found) or one.found)


def _left(one: OpenProblem, resolution: Resolution, after: Examination) -> ProblemFound | None:
    """A VM that was to be taken away has left none behind; whoever was repaired has one that answers."""
    found = after.find(one.found)
    is_gone = found is not None and found.key != one.found.key and not remedy_of(one.found, resolution).is_action
    return None if is_gone else found


def _tell(job: Job, stage: str, task: str) -> None:
    job.stages.event(stage, task, "started")
    job.stages.event(stage, task, "finished")


def _disk_words(well: int, count: Mapping[ProblemType, int]) -> str:
    missing, inactive = count[ProblemType.MISSING_DISK], count[ProblemType.INACTIVE_DISK]
    mismatched = count[ProblemType.MOUNT_INFO_MISMATCH]
    return f"{well} OK, {missing} missing, {inactive} inactive, {mismatched} mount-info mismatch"
