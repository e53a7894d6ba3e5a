"""Removes what nothing needs any more, and only that: orphaned disks, software no deployment uses (section 4.6),
network objects no stack needs, VMs and disks nobody knows.
"""

from dataclasses import dataclass, replace

from director.execution.world import World
from director.model.problem import Problem, Refused
from director.model.record import DiskRecord, DiskState
from director.ports.blobs import Blobs
from director.ports.store import DropDisk, DropStemcell, PutDisk
from director.reconcile.compiled import drops
from director.reconcile.driver import Job
from director.reconcile.exported import exported_blobs
from director.reconcile.fabric_tidy import tidy_networks
from director.reconcile.requests import CleanUp, DeleteDisk
from director.reconcile.sweep import Swept, sweep
from director.reconcile.unused import KEPT, ORPHANS_KEPT_S, expired, unused


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """``orphans_kept_s``: so long an orphaned disk is kept, unless everything is to go."""

    world: World
    blobs: Blobs
    orphans_kept_s: float = ORPHANS_KEPT_S

    async def delete_disk(self, request: DeleteDisk, job: Job) -> str:
        orphans = await self.world.store.disks(orphaned=True)
        disk = next((d for d in orphans if request.cid in {d.cid, d.name}), None)
        if disk is None:
            raise Refused([_no_orphan(request.cid)])
        await self._delete(disk, job)
        return f"disk {request.cid} deleted"

    async def clean_up(self, request: CleanUp, job: Job) -> str:
        """With ``remove_all`` every unused version and every orphaned disk; else all but the newest two unused, and
        disks that have been orphans for long.
        """
        catalog, deployments = await self.world.store.catalog(), await self.world.store.deployments()
        releases, stemcells = unused(catalog, deployments, keep=0 if request.remove_all else KEPT)
        kept_s = 0.0 if request.remove_all else self.orphans_kept_s
        orphans = await self.world.store.disks(orphaned=True)
        disks = () if request.keep_orphaned_disks else expired(orphans, self.world.clock.now(), kept_s)
        await self.world.store.commit(*drops(releases, catalog))
        exported = await exported_blobs(self.world.store, self.world.tasklog, self.blobs)
        for blob in exported:
            await self.blobs.delete(blob)
        for stemcell in stemcells:
            await self.world.infrastructures.of(stemcell.cpi).delete_stemcell(stemcell.cid)
            drop = DropStemcell(name=stemcell.name, version=stemcell.version, cpi=stemcell.cpi)
            await self.world.store.commit(drop)
        for disk in disks:
            job.check()
            await self._delete(disk, job)
        takes_disks = not request.keep_orphaned_disks
        swept = await sweep(self.world, job, takes_disks=takes_disks) if request.remove_all else Swept()
        networks = await tidy_networks(self.world, job, takes_unrecorded=request.remove_all)
        counts = f"{len(releases)} release(s), {len(stemcells)} stemcell(s), {len(disks)} orphaned disk(s)"
        counts += f", {len(exported)} exported release(s)" if exported else ""
        return f"Deleted {counts}{networks.words}{swept.words}"

    async def _delete(self, disk: DiskRecord, job: Job) -> None:
        job.stages.event("Deleting orphaned disks", disk.name, "started")
        await self.world.store.commit(PutDisk(record=replace(disk, state=DiskState.DELETING)))
        if disk.cid is not None:
            await self.world.infrastructures.of(disk.cpi).delete_disk(disk.cid)
        await self.world.store.commit(DropDisk(name=disk.name))
        job.stages.event("Deleting orphaned disks", disk.name, "finished")


def _no_orphan(cid: str) -> Problem:
    return Problem(
        code="disk.not-orphaned",
        summary="No such orphaned disk",
        detail=f'There is no orphaned disk "{cid}"; a disk that an instance owns is not deleted.',
        fix="list orphaned disks with `director disks --orphaned`.",
        number=100002,
    )
