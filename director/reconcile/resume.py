"""Goes on with the plan of a task whose director stopped, where that plan still holds.

It holds when it was adopted, nothing was adopted after it, and what was asked comes to the same content again. It is
walked again under its own id: done steps are passed over, agents answer from what they remember of the others, and
what is found done on an infrastructure is adopted. Nothing is done twice that is asked for once.
"""

from dataclasses import dataclass, replace

from director.execution.progress import done_of
from director.execution.world import World
from director.model.names import DeploymentName
from director.model.plan import Plan
from director.model.problem import Refused
from director.model.record import Record
from director.model.step import ApplySpec, CompilePackage, PrepareInstance, RecordDeployment
from director.model.wanted import Wanted
from director.ports.failure import Failure
from director.reconcile.driver import Job
from director.reconcile.encode import Decode
from director.reconcile.prepare import Prepared, Preparer
from director.reconcile.requests import DeleteDeployment, Deploy, ExportRelease, Overrides, Repair, RunErrand
from director.reconcile.take_up import AGAIN, STOPPED

Planned = Deploy | DeleteDeployment | RunErrand | Repair | ExportRelease
"""Requests that come to a plan for one deployment."""


class NoLongerHolds(Exception):
    """Why the plan of an interrupted task cannot be gone on with, in words that follow "it cannot go on: "."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    preparer: Preparer
    world: World
    decode: Decode

    async def interrupted(self, request: Planned, job: Job) -> Prepared | None:
        """The task's own plan with what is done of it; None when one is to be made as for a new task.

        Raises Failure when the plan does not hold and the request may not be planned anew: part of it is done.
        """
        if not job.takes_up():
            return None
        stored = await self.world.store.plan_of_task(job.task.id)
        if stored is None:
            return None
        try:
            prepared = await self._prepared(request, self.decode(stored.body))
            prepared = replace(prepared, done=await done_of(job.task.id, prepared.plan, self.world.store))
        except (NoLongerHolds, Refused, KeyError, TypeError, ValueError) as why:
            words = str(why) if isinstance(why, NoLongerHolds | Refused) else "its plan cannot be read any more"
            if not may_be_planned_anew(request):
                raise Failure(f"{STOPPED} It cannot go on: {words.rstrip('.')}. {AGAIN}") from why
            job.stages.warn(
                f"The plan of before does not hold any more: {words.rstrip('.')}. Looking and planning again."
            )
            return None
        job.stages.debug(f"goes on with plan {prepared.plan.id}: {len(prepared.done or {})} steps are done")
        return prepared

    async def is_deleted(self, request: DeleteDeployment, job: Job) -> bool:
        """The director stopped between the last step of a deletion and the end of its task."""
        return job.is_resumed and await self.world.store.deployment(DeploymentName(request.deployment)) is None

    async def _prepared(self, request: Planned, plan: Plan) -> Prepared:
        record = await self.preparer.record_of(request.deployment)
        _check_serial(plan, record)
        if isinstance(request, DeleteDeployment):
            catalog, wanted = await self.world.store.catalog(), Wanted(deployment=record.deployment.name, groups=())
            return Prepared(plan=plan, record=record, catalog=catalog, wanted=wanted, manifest=None, config_ids=())
        read = await self.preparer.read(_as_deploy(request, plan))
        values = await self.preparer.values_of(read.loaded.deployment, keeps=True)
        if isinstance(request, ExportRelease):
            return replace(read.prepared(plan, {}, values), record=record)
        contents = await self.preparer.render(read.wanted, values, errands=isinstance(request, RunErrand))
        prepared = replace(read.prepared(plan, contents, values), record=record)
        _check_content(prepared)
        return prepared


def may_be_planned_anew(request: Planned) -> bool:
    """It says how things are to be, so that a second plan does what the first left. The others say what is to happen,
    of which part has happened.
    """
    match request:
        case Deploy(overrides=Overrides(recreate=False, recreate_persistent_disks=False, state=state)):
            return state not in {"recreate", "restart"}
        case DeleteDeployment() | ExportRelease():
            return True
        case _:
            return False


def _as_deploy(request: Deploy | RunErrand | Repair | ExportRelease, plan: Plan) -> Deploy:
    """What is to be read again, with the configs that the plan was made with."""
    if not isinstance(request, Deploy):
        return Deploy(deployment=request.deployment)
    records = [one.step for one in plan.steps if isinstance(one.step, RecordDeployment)]
    if request.manifest is None or not records:
        return request
    return replace(request, config_ids=records[0].config_ids)


def _check_serial(plan: Plan, record: Record) -> None:
    if record.deployment.serial != plan.parent + 1:
        raise NoLongerHolds(f'another plan for "{plan.deployment}" was begun since')


def _check_content(prepared: Prepared) -> None:
    """What steps refer to by hash and name is what they were planned with."""
    for planned in prepared.plan.steps:
        match planned.step:
            case ApplySpec(instance=instance, spec=spec) | PrepareInstance(instance=instance, spec=spec):
                content = prepared.contents.get(instance)
                if content is None or content.configuration_hash != spec.configuration_hash:
                    raise NoLongerHolds(f"the configuration of {planned.subject} has changed since")
            case CompilePackage(fingerprint=fingerprint, package=package):
                packages = (p for release in prepared.catalog.releases for p in release.packages)
                sources = {p.fingerprint for p in packages if p.blob is not None}
                if fingerprint not in sources:
                    raise NoLongerHolds(f"package {package} is not uploaded any more")
            case _:
                pass
