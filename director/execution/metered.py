"""An infrastructure that is counted: every call goes through, and how long it took and how it ended is told."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from time import perf_counter
from typing import TypeVar

from director.model.deployment import VmResources
from director.model.names import DeploymentName, DiskCid, DiskName, StemcellCid, VmCid, VmName
from director.model.placement import DiskWish, Placements, VmWish
from director.model.sighting import SeenDisk, SeenVm
from director.model.tree import Tree
from director.ports.failure import Failure
from director.ports.infrastructure import (
    DiskRequest,
    Finding,
    Infrastructure,
    InfrastructureInfo,
    StemcellRequest,
    VmRequest,
)
from director.ports.meter import NO_METER, Meter

T = TypeVar("T")


def metered(infrastructure: Infrastructure, cpi: str, meter: Meter) -> Infrastructure:
    """The same one when nobody counts."""
    return infrastructure if meter is NO_METER else Metered(infrastructure, cpi, meter)


class Metered:
    """Implements ``ports.infrastructure.Infrastructure``."""

    def __init__(self, inner: Infrastructure, cpi: str, meter: Meter) -> None:
        self._inner = inner
        self._cpi = cpi
        self._meter = meter

    async def _timed(self, call: str, answer: Awaitable[T]) -> T:
        began, outcome = perf_counter(), "cancelled"
        try:
            value = await answer
            outcome = "done"
        except Failure:
            outcome = "failed"
            raise
        finally:
            took = perf_counter() - began
            self._meter.observe("infrastructure_seconds", took, cpi=self._cpi, call=call, outcome=outcome)
        return value

    async def info(self) -> InfrastructureInfo:
        return await self._inner.info()

    async def diagnose(self) -> Sequence[Finding]:
        return await self._timed("diagnose", self._inner.diagnose())

    async def cloud_properties_for(self, resources: VmResources) -> Tree:
        return await self._timed("cloud_properties_for", self._inner.cloud_properties_for(resources))

    async def place(self, vms: Sequence[VmWish], disks: Sequence[DiskWish]) -> Placements:
        return await self._timed("place", self._inner.place(vms, disks))

    async def create_stemcell(self, request: StemcellRequest) -> StemcellCid:
        return await self._timed("create_stemcell", self._inner.create_stemcell(request))

    async def delete_stemcell(self, cid: StemcellCid) -> None:
        return await self._timed("delete_stemcell", self._inner.delete_stemcell(cid))

    async def create_vm(self, request: VmRequest) -> VmCid:
        return await self._timed("create_vm", self._inner.create_vm(request))

    async def clear_enrolment(self, cid: VmCid) -> None:
        return await self._timed("clear_enrolment", self._inner.clear_enrolment(cid))

    async def delete_vm(self, cid: VmCid) -> None:
        return await self._timed("delete_vm", self._inner.delete_vm(cid))

    async def find_vm(self, name: VmName) -> SeenVm | None:
        return await self._timed("find_vm", self._inner.find_vm(name))

    async def find_vms(
        self,
        deployment: DeploymentName | None = None,
        *,
        doubted: Collection[VmName] | None = None,
        in_detail: bool = False,
    ) -> Mapping[VmName, SeenVm]:
        found = self._inner.find_vms(deployment, doubted=doubted, in_detail=in_detail)
        return await self._timed("find_vms", found)

    async def reboot_vm(self, cid: VmCid) -> None:
        return await self._timed("reboot_vm", self._inner.reboot_vm(cid))

    async def create_disk(self, request: DiskRequest) -> DiskCid:
        return await self._timed("create_disk", self._inner.create_disk(request))

    async def delete_disk(self, cid: DiskCid) -> None:
        return await self._timed("delete_disk", self._inner.delete_disk(cid))

    async def grow_disk(self, cid: DiskCid, size_mb: int) -> None:
        return await self._timed("grow_disk", self._inner.grow_disk(cid, size_mb))

    async def find_disk(self, name: DiskName) -> SeenDisk | None:
        return await self._timed("find_disk", self._inner.find_disk(name))

    async def find_disks(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, SeenDisk]:
        return await self._timed("find_disks", self._inner.find_disks(deployment))

    async def attach_disk(self, vm: VmCid, disk: DiskCid) -> Tree:
        return await self._timed("attach_disk", self._inner.attach_disk(vm, disk))

    async def detach_disk(self, vm: VmCid, disk: DiskCid) -> None:
        return await self._timed("detach_disk", self._inner.detach_disk(vm, disk))

    async def close(self) -> None:
        await self._inner.close()
