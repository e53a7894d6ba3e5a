"""Exports a release compiled: what is missing is compiled by the same pass as in any deploy, then it is packed."""

from dataclasses import dataclass, replace

from director.execution.world import World
from director.model.names import DeploymentName
from director.model.record import DeploymentRecord
from director.model.release import Catalog
from director.model.wanted import Wanted
from director.planning.build import compiles_on
from director.planning.export import Export, compiled_release, find_export, make_export
from director.planning.package import missing_for
from director.ports.archives import Archives
from director.reconcile.converge import again_when_outdated, converge
from director.reconcile.driver import Job
from director.reconcile.encode import Decode, Encode
from director.reconcile.exported import result_of
from director.reconcile.placement import with_placements
from director.reconcile.prepare import Prepared, Preparer
from director.reconcile.requests import Deploy, ExportRelease
from director.reconcile.resume import Resume

STAGE = "Exporting release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    preparer: Preparer
    world: World
    archives: Archives
    encode: Encode
    decode: Decode

    async def export(self, request: ExportRelease, job: Job) -> str:
        """The result names the archive's blob and its digest, for whoever downloads it."""
        await again_when_outdated(lambda: self._compile(request, job), job, self.world.clock)
        job.check()
        task = f"Packing {request.what} for {request.stemcell}"
        job.stages.event(STAGE, task, "started")
        catalog, record = await self.world.store.catalog(), await self.preparer.record_of(request.deployment)
        compiled = compiled_release(_found(request, catalog, record.deployment), catalog)
        written = await self.archives.write_release(compiled, sha2=request.sha2)
        if not self.world.tasklog.size(job.task.id, "result"):  # a director that died after this line wrote it
            job.stages.result(result_of(written))
        job.stages.event(STAGE, task, "finished")
        return f"Exported release: {request.what} for {request.stemcell}"

    async def _compile(self, request: ExportRelease, job: Job) -> None:
        resume = Resume(preparer=self.preparer, world=self.world, decode=self.decode)
        prepared = await resume.interrupted(request, job) or await self._prepare(request, job)
        job.check()
        await converge(prepared, job, self.world, self.encode)

    async def _prepare(self, request: ExportRelease, job: Job) -> Prepared:
        job.stages.event("Preparing deployment", "Preparing deployment", "started")
        read = await self.preparer.read(Deploy(deployment=request.deployment))
        cpi = compiles_on(read.networks.clouds)
        export = _found(request, read.catalog, read.record.deployment, cpi=cpi)
        missing = missing_for(export.release, export.jobs, export.stemcell, read.catalog)
        values = await self.preparer.values_of(read.loaded.deployment, keeps=True)
        seen = await self.preparer.look(read.record)
        nobody = Wanted(deployment=DeploymentName(request.deployment), groups=())
        plan = make_export(replace(read.inputs({}, seen), wanted=nobody), missing)
        plan = await with_placements(plan, read.record, values, self.world.infrastructures)
        job.stages.event("Preparing deployment", "Preparing deployment", "finished")
        return read.prepared(plan, {}, values)


def _found(request: ExportRelease, catalog: Catalog, deployment: DeploymentRecord, *, cpi: str = "") -> Export:
    release, stemcell = (request.release, request.version), (request.stemcell_os, request.stemcell_version)
    return find_export(catalog, deployment, release, stemcell, request.jobs, cpi=cpi)
