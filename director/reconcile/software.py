"""Releases and stemcells come and go: uploaded archives are read, recorded, or removed when nothing uses them."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from director.execution.world import World
from director.model.problem import Problem, Refused
from director.model.record import DeploymentRecord
from director.model.release import Catalog, Release, Stemcell
from director.ports.archives import Archives, ReadStemcell
from director.ports.infrastructure import StemcellRequest
from director.ports.store import Change, DropStemcell, PutCompiled, PutRelease, PutStemcell
from director.reconcile.compiled import drops, with_builds
from director.reconcile.driver import Job
from director.reconcile.requests import DeleteRelease, DeleteStemcell, UpdateRelease, UpdateStemcell


@contextmanager
def _consumed(path: Path) -> Iterator[None]:
    """An uploaded file belongs to its task and goes with it."""
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """``scratch`` is where a stemcell is unpacked while the infrastructure takes it."""

    world: World
    archives: Archives
    scratch: Path

    async def update_release(self, request: UpdateRelease, job: Job) -> str:
        """Reads the archive and records it. Uploading what is there already changes nothing."""
        with _stage(job, "Extracting release", "Extracting release"), _consumed(Path(request.path)):
            catalog = await self.world.store.catalog()
            known = _all_parts(catalog)
            read = await self.archives.read_release(Path(request.path), known=known, built=catalog.compiled.keys())
        release = with_builds(read.release, catalog, is_fix=request.fix) if read.is_compiled else read.release
        with _stage(job, "Processing release", f"Recording {release.name}/{release.version}"):
            changes: list[Change] = [PutRelease(release=release)]
            new = (package for package in read.compiled if request.fix or package.key not in catalog.compiled)
            changes += [PutCompiled(package=package) for package in new]
            await self.world.store.commit(*changes)
        return f"Created release '{release.name}/{release.version}'"

    async def update_stemcell(self, request: UpdateStemcell, job: Job) -> str:
        """Hands the image to the infrastructure, then records what it was given as."""
        target = self.scratch / f"stemcell-{job.task.id}"
        await asyncio.to_thread(target.mkdir, mode=0o700)
        try:
            with _stage(job, "Update stemcell", "Extracting stemcell archive"), _consumed(Path(request.path)):
                read = await self.archives.read_stemcell(Path(request.path), target)
            for cpi in await self._takers(read):
                await self._take(read, cpi, job, is_fix=request.fix)
        finally:
            await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
        return f"/stemcells/{read.stemcell.name}/{read.stemcell.version}"

    async def _takers(self, read: ReadStemcell) -> Sequence[str]:
        """CPIs it is made for. One that names no format is taken; the infrastructure says what it cannot use."""
        by_cpi = self.world.infrastructures.by_cpi
        infos = [await by_cpi[cpi].info() for cpi in sorted(by_cpi)]
        fitting = [
            cpi
            for cpi, info in zip(sorted(by_cpi), infos, strict=True)
            if not read.formats or set(read.formats) & set(info.stemcell_formats)
        ]
        if not fitting:
            raise Refused([_unsupported(read, sorted({form for info in infos for form in info.stemcell_formats}))])
        return fitting

    async def _take(self, read: ReadStemcell, cpi: str, job: Job, *, is_fix: bool) -> None:
        """Fixing makes it anew, under a name of its own: VMs of the old one are recreated from it."""
        stemcell = replace(read.stemcell, cpi=cpi)
        name = f"{stemcell.name}/{stemcell.version}"
        task = f"Uploading {name}" + (f" to {cpi}" if cpi else "")
        with _stage(job, "Update stemcell", task):
            if _same_stemcell(stemcell, await self.world.store.catalog()) and not is_fix:
                return
            key = f"{name} fixed by task {job.task.id}" if is_fix else name
            request = StemcellRequest(
                key=key,
                image=read.image,
                properties=read.cloud_properties,
                progress=lambda percent: job.stages.event("Update stemcell", task, "in_progress", progress=percent),
            )
            cid = await self.world.infrastructures.of(cpi).create_stemcell(request)
            await self.world.store.commit(PutStemcell(stemcell=replace(stemcell, cid=cid)))

    async def delete_release(self, request: DeleteRelease, job: Job) -> str:
        catalog = await self.world.store.catalog()
        found = [r for r in catalog.releases if r.name == request.name and request.version in {"", r.version}]
        users = await self._users(lambda d: any((str(r.name), r.version) in d.releases for r in found))
        what = f"{request.name}/{request.version}".rstrip("/")
        _refuse_missing(found, "release", what, 30005)
        _refuse_used(users, "release", what, 30007, is_forced=request.force)
        with _stage(job, "Deleting release", what):
            await self.world.store.commit(*drops(found, catalog))
        return f"/releases/{request.name}"

    async def delete_stemcell(self, request: DeleteStemcell, job: Job) -> str:
        catalog = await self.world.store.catalog()
        found = [s for s in catalog.stemcells if (s.name, s.version) == (request.name, request.version)]
        users = await self._users(lambda d: (request.name, request.version) in d.stemcells)
        what = f"{request.name}/{request.version}"
        _refuse_missing(found, "stemcell", what, 50003)
        _refuse_used(users, "stemcell", what, 50004, is_forced=request.force)
        with _stage(job, "Deleting stemcell", what):
            for stemcell in found:
                await self.world.infrastructures.of(stemcell.cpi).delete_stemcell(stemcell.cid)
            await self.world.store.commit(*(DropStemcell(name=s.name, version=s.version, cpi=s.cpi) for s in found))
        return f"/stemcells/{what}"

    async def _users(self, uses: Callable[[DeploymentRecord], bool]) -> list[str]:
        return [d.name for d in await self.world.store.deployments() if uses(d)]


@contextmanager
def _stage(job: Job, stage: str, task: str) -> Iterator[None]:
    """One line of the event log when it begins and one when it has ended well; a failure is told by the task."""
    job.stages.event(stage, task, "started")
    yield
    job.stages.event(stage, task, "finished")


def _all_parts(catalog: Catalog) -> Release | None:
    """Every job and package known, as one release: an upload leaves out the packages the director has."""
    jobs = {job.fingerprint: job for release in catalog.releases for job in release.jobs}
    packages = {p.fingerprint: p for release in catalog.releases for p in release.packages if p.blob}
    if not catalog.releases:
        return None
    return replace(catalog.releases[0], jobs=tuple(jobs.values()), packages=tuple(packages.values()))


def _same_stemcell(stemcell: Stemcell, catalog: Catalog) -> Stemcell | None:
    wanted = (stemcell.name, stemcell.version, stemcell.cpi)
    return next((s for s in catalog.stemcells if (s.name, s.version, s.cpi) == wanted), None)


def _unsupported(read: ReadStemcell, offered: Sequence[str]) -> Problem:
    stemcell, of = read.stemcell, ", ".join(read.formats)
    return Problem(
        code="stemcell.unsupported",
        summary="Unsupported stemcell",
        detail=f"The stemcell {stemcell.name}/{stemcell.version} is made as {of}, which cannot be used here.",
        fix=f"upload one made as {' or '.join(offered)}.",
        number=50008,
    )


def _refuse_missing(found: object, kind: str, what: str, number: int) -> None:
    if not found:
        fix = f"list what there is with `director {kind}s`."
        raise Refused(
            [
                Problem(
                    code=f"{kind}.not-found",
                    summary=f"Unknown {kind}",
                    detail=f"There is no {kind} {what}.",
                    fix=fix,
                    number=number,
                )
            ]
        )


def _refuse_used(users: list[str], kind: str, what: str, number: int, *, is_forced: bool) -> None:
    if users and not is_forced:
        detail = f"The {kind} {what} is in use by: {', '.join(sorted(users))}."
        fix = "move those deployments to another version first."
        raise Refused(
            [Problem(code=f"{kind}.in-use", summary=f"The {kind} is in use", detail=detail, fix=fix, number=number)]
        )
