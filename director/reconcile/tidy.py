"""Removes what nothing needs any more, and only that: orphaned disks, software no deployment uses (section 4.6)."""

from dataclasses import dataclass, replace
from functools import cmp_to_key
from typing import TypeVar

from director.execution.world import World
from director.manifest.version import compare_versions
from director.model.problem import Problem, Refused
from director.model.record import DiskRecord, DiskState
from director.model.release import Release, Stemcell
from director.ports.store import DropDisk, DropRelease, DropStemcell, PutDisk
from director.reconcile.driver import Job
from director.reconcile.requests import CleanUp, DeleteDisk

T = TypeVar("T", Release, Stemcell)

KEPT = 2
"""Newest unused versions of each release and stemcell that an ordinary clean-up leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    world: World

    async def delete_disk(self, request: DeleteDisk, job: Job) -> str:
        orphans = await self.world.store.disks(orphaned=True)
        disk = next((d for d in orphans if request.cid in {d.cid, d.name}), None)
        if disk is None:
            raise Refused([_no_orphan(request.cid)])
        await self._delete(disk, job)
        return f"disk {request.cid} deleted"

    async def clean_up(self, request: CleanUp, job: Job) -> str:
        """With ``remove_all`` every unused version and every orphaned disk; else all but the newest two unused."""
        releases, stemcells = await self._unused(keep=0 if request.remove_all else KEPT)
        orphans = await self.world.store.disks(orphaned=True) if request.remove_all else ()
        disks = () if request.keep_orphaned_disks else orphans
        await self.world.store.commit(*(DropRelease(name=r.name, version=r.version) for r in releases))
        for stemcell in stemcells:
            await self.world.infrastructure.delete_stemcell(stemcell.cid)
            drop = DropStemcell(name=stemcell.name, version=stemcell.version, cpi=stemcell.cpi)
            await self.world.store.commit(drop)
        for disk in disks:
            job.check()
            await self._delete(disk, job)
        return f"Deleted {len(releases)} release(s), {len(stemcells)} stemcell(s), {len(disks)} orphaned disk(s)"

    async def _unused(self, *, keep: int) -> tuple[list[Release], list[Stemcell]]:
        catalog = await self.world.store.catalog()
        deployments = await self.world.store.deployments()
        used_releases = {pair for d in deployments for pair in d.releases}
        used_stemcells = {pair for d in deployments for pair in d.stemcells}
        releases = [r for r in catalog.releases if (str(r.name), r.version) not in used_releases]
        stemcells = [s for s in catalog.stemcells if (s.name, s.version) not in used_stemcells]
        return _all_but_newest(releases, keep), _all_but_newest(stemcells, keep)

    async def _delete(self, disk: DiskRecord, job: Job) -> None:
        job.stages.event("Deleting orphaned disks", disk.name, "started")
        await self.world.store.commit(PutDisk(record=replace(disk, state=DiskState.DELETING)))
        if disk.cid is not None:
            await self.world.infrastructure.delete_disk(disk.cid)
        await self.world.store.commit(DropDisk(name=disk.name))
        job.stages.event("Deleting orphaned disks", disk.name, "finished")


def _all_but_newest(found: list[T], keep: int) -> list[T]:
    names = sorted({item.name for item in found})
    gone: list[T] = []
    for name in names:
        of_name = {item.version: item for item in found if item.name == name}
        newest_first = sorted(of_name, key=cmp_to_key(compare_versions), reverse=True)
        gone += [of_name[version] for version in newest_first[keep:]]
    return gone


def _no_orphan(cid: str) -> Problem:
    return Problem(
        code="disk.not-orphaned",
        summary="No such orphaned disk",
        detail=f'There is no orphaned disk "{cid}"; a disk that an instance owns is not deleted.',
        fix="list orphaned disks with `director disks --orphaned`.",
        number=100002,
    )
