"""One handler per kind of task: what each request comes to. Deploy-like ones make a plan and converge."""

from collections.abc import Mapping
from dataclasses import dataclass

from director.execution.world import World
from director.model.names import InstanceId, StepKey
from director.model.outcome import Outcome
from director.model.wanted import Content
from director.planning.errand import Runs, make_errand, planned_runs, runs_of
from director.planning.explain import explain, summary
from director.reconcile.apply_networks import OutlivingNetworks
from director.reconcile.cloudcheck_apply import CloudCheck
from director.reconcile.converge import again_when_outdated, converge
from director.reconcile.drift_fix import DriftFixer
from director.reconcile.driver import Handler, Job
from director.reconcile.encode import Decode, Encode
from director.reconcile.errand_memory import fingerprint_of, has_succeeded, remember
from director.reconcile.export import Exporter
from director.reconcile.placement import with_placements
from director.reconcile.prepare import Prepared, Preparer
from director.reconcile.refuse import refuse_beyond
from director.reconcile.repairs import prepare_repair
from director.reconcile.requests import (
    ApplyNetworks,
    ApplyResolutions,
    CleanUp,
    DeleteDeployment,
    DeleteDisk,
    DeleteRelease,
    DeleteStemcell,
    Deploy,
    ExportRelease,
    FetchLogs,
    FixDrift,
    ListInstances,
    Repair,
    RunErrand,
    ScanAndFix,
    ScanProblems,
    UpdateRelease,
    UpdateStemcell,
)
from director.reconcile.resume import Resume
from director.reconcile.software import Software
from director.reconcile.tidy import Tidy
from director.reconcile.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployments:
    """Tasks that change a deployment."""

    preparer: Preparer
    world: World
    encode: Encode
    decode: Decode

    @property
    def _resume(self) -> Resume:
        return Resume(preparer=self.preparer, world=self.world, decode=self.decode)

    async def deploy(self, request: Deploy, job: Job) -> str:
        if request.dry_run:
            prepared = await self._prepare(request, job)
            job.stages.say(explain(prepared.plan))
            return f"/deployments/{request.deployment} (dry run)"
        await again_when_outdated(lambda: self._deploy(request, job), job, self.world.clock)
        return f"/deployments/{request.deployment}"

    async def _deploy(self, request: Deploy, job: Job) -> None:
        prepared = await self._resume.interrupted(request, job) or await self._prepare(request, job)
        refuse_beyond(prepared.plan, request)
        job.check()
        await converge(prepared, job, self.world, self.encode)
        job.stages.say(summary(prepared.plan))

    async def _prepare(self, request: Deploy, job: Job) -> Prepared:
        job.stages.event("Preparing deployment", "Preparing deployment", "started")
        prepared = await self.preparer.deploy(request, keeps=not request.dry_run)
        job.stages.event("Preparing deployment", "Preparing deployment", "finished")
        return prepared

    async def delete(self, request: DeleteDeployment, job: Job) -> str:
        if not await self._resume.is_deleted(request, job):
            await again_when_outdated(lambda: self._delete(request, job), job, self.world.clock)
        return f"/deployments/{request.deployment}"

    async def _delete(self, request: DeleteDeployment, job: Job) -> None:
        prepared = await self._resume.interrupted(request, job) or await self.preparer.deletion(request)
        await converge(prepared, job, self.world, self.encode)

    async def repair(self, request: Repair, job: Job) -> str:
        await again_when_outdated(lambda: self._repair(request, job), job, self.world.clock)
        return f"/deployments/{request.deployment}"

    async def _repair(self, request: Repair, job: Job) -> None:
        prepared = await self._resume.interrupted(request, job) or await self._prepare_repair(request, job)
        job.check()
        if prepared.plan.changes:
            await converge(prepared, job, self.world, self.encode)
        else:
            for hold in prepared.plan.holds:
                job.stages.warn(f"Held back: {hold.reason}")
        job.stages.say(summary(prepared.plan))

    async def _prepare_repair(self, request: Repair, job: Job) -> Prepared:
        job.stages.event("Preparing repair", "Preparing repair", "started")
        prepared = await prepare_repair(self.preparer, request)
        job.stages.event("Preparing repair", "Preparing repair", "finished")
        return prepared

    async def run_errand(self, request: RunErrand, job: Job) -> str:
        if interrupted := await self._resume.interrupted(request, job):
            prepared, ran = interrupted, planned_runs(interrupted.plan, interrupted.wanted)
        else:
            job.stages.event("Preparing deployment", "Preparing deployment", "started")
            prepared, ran = await self._errand(request)
            job.stages.event("Preparing deployment", "Preparing deployment", "finished")
        if not ran:
            job.stages.warn(f"Errand {request.errand} was not run: nothing has changed since it last succeeded.")
            return ""
        outcomes = await converge(prepared, job, self.world, self.encode)
        for key, run in ran.items():
            line = _errand_line(request.errand, run, outcomes[key])
            job.stages.result(line)
            fingerprint = fingerprint_of(run.instance, run.job, prepared.contents)
            await remember(request.errand, run.instance.id, fingerprint, self.world, exit_code=line["exit_code"])
        return ""

    async def _errand(self, request: RunErrand) -> tuple[Prepared, Mapping[StepKey, Runs]]:
        read = await self.preparer.read(Deploy(deployment=request.deployment))
        named = self.preparer.named(request.instances, read.record) if request.instances else None
        runs = runs_of(read.wanted, request.errand, named)
        values = await self.preparer.values_of(read.loaded.deployment, keeps=True)
        contents = await self.preparer.render(read.wanted, values, errands=True)
        if request.when_changed:
            runs = await self._changed(request.errand, runs, contents)
        seen = await self.preparer.look(read.record)
        plan, ran = make_errand(read.inputs(contents, seen), runs, keep_alive=request.keep_alive)
        plan = await with_placements(plan, read.record, values, self.world.infrastructures)
        return read.prepared(plan, contents, values), ran

    async def _changed(
        self, errand: str, runs: tuple[Runs, ...], contents: Mapping[InstanceId, Content]
    ) -> tuple[Runs, ...]:
        """Those whose packages, configuration or job are not what they last succeeded with."""
        left = []
        for run in runs:
            fingerprint = fingerprint_of(run.instance, run.job, contents)
            if not await has_succeeded(errand, run.instance.id, fingerprint, self.world):
                left.append(run)
        return tuple(left)


def _errand_line(errand: str, run: Runs, outcome: Outcome) -> dict[str, object]:
    """One line of the result, as BOSH writes it (4.5)."""
    return {
        "instance": {"group": run.instance.group, "id": run.instance.id},
        "errand_name": errand,
        "exit_code": outcome.result["exit_code"],
        "stdout": outcome.result["stdout"],
        "stderr": outcome.result["stderr"],
        "logs": {"blobstore_id": None, "sha1": None},
    }


def handlers(
    deployments: Deployments, software: Software, visit: Visit, tidy: Tidy, networks: OutlivingNetworks
) -> Mapping[type, Handler]:
    """By request class; every class of Request is here, or the driver would fail its task."""
    world, repair = deployments.world, deployments.repair
    exporter = Exporter(
        preparer=deployments.preparer,
        world=world,
        archives=software.archives,
        encode=deployments.encode,
        decode=deployments.decode,
    )
    check = CloudCheck(world=world, encode=deployments.encode, repair=repair)
    table: dict[type, object] = {
        Deploy: deployments.deploy,
        DeleteDeployment: deployments.delete,
        Repair: deployments.repair,
        RunErrand: deployments.run_errand,
        ExportRelease: exporter.export,
        UpdateRelease: software.update_release,
        UpdateStemcell: software.update_stemcell,
        DeleteRelease: software.delete_release,
        DeleteStemcell: software.delete_stemcell,
        FetchLogs: visit.fetch_logs,
        ListInstances: visit.list_instances,
        CleanUp: tidy.clean_up,
        DeleteDisk: tidy.delete_disk,
        ApplyNetworks: networks.apply,
        ScanProblems: check.scan,
        ApplyResolutions: check.apply,
        ScanAndFix: check.scan_and_fix,
        FixDrift: DriftFixer(world=world, repair=repair, encode=deployments.encode).fix,
    }
    return table  # type: ignore[return-value]  # each takes the request its key names
