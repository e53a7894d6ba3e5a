"""A vCenter infrastructure for tests: it places what it is asked to make, as a plan would have done before."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from director.adapters.vsphere.infrastructure import VsphereInfrastructure
from director.model.names import DiskCid, StemcellCid, VmCid, VmName
from director.model.placement import DiskWish, Placements, VmWish
from director.model.tree import Tree
from director.model.wanted import VmShape
from director.ports.infrastructure import DiskRequest, StemcellRequest, VmRequest
from tests.support.tinyovf import tiny_image

VM_TYPE: Tree = {"cpu": 1, "ram": 512, "disk": 1024}


class Address(Protocol):
    """A simulator, or a proxy in front of one."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def ca(self) -> Path | None: ...


def properties(at: Address, **more: object) -> dict[str, object]:
    """BOSH's properties for the simulator's inventory."""
    return {
        "host": at.host,
        "port": at.port,
        "user": at.user,
        "password": at.password,
        "connection_options": {"ca_cert": at.ca.read_text()} if at.ca else {},
        "default_disk_type": "thin",
        "datacenters": [
            {
                "name": "DC0",
                "vm_folder": "VMs",
                "template_folder": "Templates",
                "disk_path": "Disks",
                "datastore_pattern": "LocalDS_0",
                "persistent_datastore_pattern": "LocalDS",
                "clusters": ["DC0_C0", "DC0_C1", "DC0_C2"],
            }
        ],
        **more,
    }


class PlacedVsphere(VsphereInfrastructure):
    """Gives every VM a small size, port group DC0_DVPG0 and one stemcell, which it uploads at the first."""

    _stemcell: StemcellCid | None = None

    async def create_vm(self, request: VmRequest) -> VmCid:
        return await super().create_vm(request if request.where else await self.placed(request))

    async def placed(self, request: VmRequest) -> VmRequest:
        shape = await self._shape(request.shape)
        wish = VmWish(name=request.name, deployment=request.deployment, label="web/0", shape=shape, az=None)
        placements = await super().place([wish], [])
        assert not placements.problems, placements.problems
        return replace(request, shape=shape, where=placements.vms[request.name].where)

    async def create_disk(self, request: DiskRequest) -> DiskCid:
        wish = DiskWish(name=request.name, size_mb=request.size_mb, vm=VmName(request.vm or "nobody"))
        placements = await super().place([], [wish])
        assert not placements.problems, placements.problems
        return await super().create_disk(replace(request, where=placements.disks[request.name].where))

    async def place(self, vms: Sequence[VmWish], disks: Sequence[DiskWish]) -> Placements:
        return await super().place([replace(wish, shape=await self._shape(wish.shape)) for wish in vms], disks)

    async def stemcell(self) -> StemcellCid:
        if self._stemcell is None:
            with tempfile.TemporaryDirectory() as directory:
                image = tiny_image(Path(directory))
                self._stemcell = await self.create_stemcell(StemcellRequest(key="tiny/1", image=image))
        return self._stemcell

    async def _shape(self, shape: VmShape) -> VmShape:
        networks: Mapping[str, Tree] = {
            name: {**network, "cloud_properties": {"name": "DC0_DVPG0"}} for name, network in shape.networks.items()
        }
        size = {**VM_TYPE, **shape.cloud_properties}
        return replace(shape, stemcell_cid=await self.stemcell(), cloud_properties=size, networks=networks)
