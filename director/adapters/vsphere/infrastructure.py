"""VMs and disks in one vCenter, behind the ``Infrastructure`` port. Names are cids; vCenter's own ids stay in here.

Decides in which order the parts do their work; each knows its own module. Nothing is asked of vCenter before the first
call that needs it, so a director starts without one.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from director.adapters.vsphere.cloud import read_disk_properties
from director.adapters.vsphere.creation import Creation
from director.adapters.vsphere.detail import read_details, with_details
from director.adapters.vsphere.disk_paths import DiskHome
from director.adapters.vsphere.disk_stores import Stores
from director.adapters.vsphere.disks import Disks
from director.adapters.vsphere.enrol import CLEARED
from director.adapters.vsphere.joining import Joining
from director.adapters.vsphere.known import Known
from director.adapters.vsphere.planning import Planning
from director.adapters.vsphere.preflight import diagnose
from director.adapters.vsphere.seen import seen_vm
from director.adapters.vsphere.session import Login, Session
from director.adapters.vsphere.settings import Settings, read_settings
from director.adapters.vsphere.stemcells import Stemcells
from director.adapters.vsphere.vms import Vms
from director.adapters.vsphere.watch import WatchedVm
from director.model.deployment import VmResources
from director.model.names import DeploymentName, DiskCid, DiskName, StemcellCid, VmCid, VmName
from director.model.placement import DiskWish, Placements, VmWish
from director.model.sighting import SeenDisk, SeenVm
from director.model.tree import Tree
from director.ports.bundle import Bundle
from director.ports.clock import Clock
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import (
    DiskRequest,
    Finding,
    InfrastructureInfo,
    StemcellRequest,
    VmRequest,
)

FORMATS: Final = ("vsphere-ova", "vsphere-ovf")


class VsphereInfrastructure:
    """``properties`` are BOSH's vSphere CPI properties (agent-cpi-vsphere.md 3.1); raises Refused with all wrong ones.

    ``bundle`` is how cloud images, and templates that only know SSH, get an agent.
    ``session`` is open to be looked at: requests sent, connections open at most, logins.
    """

    def __init__(
        self,
        properties: Tree,
        *,
        director_uuid: str,
        name: str = "vsphere",
        bundle: Bundle | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._settings = settings = read_settings(properties)
        login = _login(settings)
        limits = {
            "vcenter": settings.in_flight.vcenter,
            "host": settings.in_flight.host,
            "datastore": settings.in_flight.datastore,
        }
        self.session = session = Session(login, clock=clock, slots=limits)
        home = DiskHome(disk_path=settings.datacenter.disk_path, director=director_uuid)
        stores = Stores(session, settings.datacenter, home)
        folder = (settings.datacenter.name, "vm", *settings.datacenter.vm_folder.strip("/").split("/"), director_uuid)
        self._vms = Vms(session, folder, director_uuid=director_uuid)
        self._disks = Disks(session, stores, home, default_kind=settings.default_disk)
        self._stemcells = Stemcells(session, login, settings, director_uuid=director_uuid)
        self._joining = Joining(session, settings, director_uuid=director_uuid)
        self._known = Known(session)
        self._creation = Creation(
            session,
            self._vms,
            self._stemcells,
            self._joining,
            settings,
            director_uuid=director_uuid,
            bundle=bundle,
        )
        self._planning = Planning(
            session, self._vms, self._known, self._stemcells, self._disks, stores, self._joining, settings
        )

    async def open(self) -> None:
        """Logs in, which the first call does by itself."""
        await self.session.open()

    async def info(self) -> InfrastructureInfo:
        return InfrastructureInfo(name=self._name, stemcell_formats=FORMATS, can_grow_disks=True, leaves_enrolment=True)

    async def diagnose(self) -> Sequence[Finding]:
        return await diagnose(self.session, self._settings)

    async def cloud_properties_for(self, resources: VmResources) -> Tree:
        return {"cpu": resources.cpu, "ram": resources.ram_mb, "disk": resources.ephemeral_disk_mb}

    async def place(self, vms: Sequence[VmWish], disks: Sequence[DiskWish]) -> Placements:
        await self.session.open()
        return await self._planning.place(vms, disks)

    async def create_stemcell(self, request: StemcellRequest) -> StemcellCid:
        await self.session.open()
        return await self._stemcells.create(request)

    async def delete_stemcell(self, cid: StemcellCid) -> None:
        await self.session.open()
        await self._stemcells.delete(cid)

    async def create_vm(self, request: VmRequest) -> VmCid:
        await self.session.open()
        moid, identity = await self._creation.create(request)
        self._known.remember(moid, identity)
        return VmCid(request.name)

    async def clear_enrolment(self, cid: VmCid) -> None:
        await self.session.open()
        vm = await self._vms.known_or_found(cid)
        if vm is not None:
            await self._vms.write_options(f'clear the enrolment of VM "{cid}"', vm.moid, CLEARED)

    async def delete_vm(self, cid: VmCid) -> None:
        await self.session.open()
        async with self._vms.alone(cid):
            vm = await self._vms.known_or_found(cid)
            if vm is None:
                return
            identity = (await self._known.identities([vm.moid]))[vm.moid]
            await self._vms.remove(vm, self._disks.detach_all)
            self._known.forget(vm.moid)
            if identity.cluster:
                await self._joining.leave(identity.cluster, vm.moid)

    async def find_vm(self, name: VmName) -> SeenVm | None:
        await self.session.open()
        vm = await self._vms.find(name)
        if vm is None:
            return None
        return next(iter((await self._seen([vm], await self._disks.attached())).values()))

    async def find_vms(
        self,
        deployment: DeploymentName | None = None,
        *,
        doubted: Collection[VmName] | None = None,
        in_detail: bool = False,
    ) -> Mapping[VmName, SeenVm]:
        """What changed since the last time, in one request; ``doubted`` makes no difference to that. Details take one
        more, in which all is read.
        """
        del doubted
        await self.session.open()
        if await self._vms.folder(is_made=False) is None:
            return {}
        disks = await self._disks.attached()
        every = self._vms.all_known()
        identities = await self._known.identities([vm.moid for vm in every])
        vms = [vm for vm in every if deployment in {None, identities[vm.moid].deployment}]
        seen = await self._seen(vms, disks)
        if not in_detail:
            return seen
        details = await read_details(self.session, vms)
        return {VmName(vm.name): with_details(seen[VmName(vm.name)], vm, details.get(vm.moid, {})) for vm in vms}

    async def _seen(self, vms: Sequence[WatchedVm], disks: Mapping[str, Sequence[DiskName]]) -> Mapping[VmName, SeenVm]:
        identities = await self._known.identities([vm.moid for vm in vms])
        places = await self._known.places({vm.host for vm in vms})
        seen = (seen_vm(vm, identities[vm.moid], disks.get(vm.moid, ()), places) for vm in vms)
        return {vm.name: vm for vm in seen}

    async def reboot_vm(self, cid: VmCid) -> None:
        await self.session.open()
        async with self._vms.alone(cid):
            vm = await self._vms.find(cid)
            if vm is None:
                raise InfrastructureFailure(f'VM "{cid}" does not exist, so it cannot be rebooted.')
            await self._vms.reboot(vm)

    async def create_disk(self, request: DiskRequest) -> DiskCid:
        await self.session.open()
        policy = read_disk_properties(request.cloud_properties, f'disk "{request.name}"', []).storage_policy
        profile = await self._joining.policy_id(policy) if policy else None
        return await self._disks.create(request, policy=profile)

    async def delete_disk(self, cid: DiskCid) -> None:
        await self._watched()
        await self._disks.delete(DiskName(cid))

    async def grow_disk(self, cid: DiskCid, size_mb: int) -> None:
        await self._watched()
        await self._disks.grow(DiskName(cid), size_mb)

    async def find_disk(self, name: DiskName) -> SeenDisk | None:
        await self._watched()
        return await self._disks.find(name)

    async def find_disks(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, SeenDisk]:
        await self._watched()
        return await self._disks.find_all(deployment)

    async def attach_disk(self, vm: VmCid, disk: DiskCid) -> Tree:
        await self.session.open()
        async with self._vms.alone(vm):
            there = await self._vms.known_or_found(vm)
            if there is None:
                raise InfrastructureFailure(f'VM "{vm}" does not exist, so disk "{disk}" cannot be attached to it.')
            identity = (await self._known.identities([there.moid]))[there.moid]
            return await self._disks.attach(there.moid, DiskName(disk), planned=identity.moves.get(disk))

    async def detach_disk(self, vm: VmCid, disk: DiskCid) -> None:
        await self.session.open()
        async with self._vms.alone(vm):
            there = await self._vms.known_or_found(vm)
            if there is not None:
                await self._disks.detach(there.moid, [DiskName(disk)])

    async def _watched(self) -> None:
        """Which VM holds which disk is known of the VMs in the director's folder."""
        await self.session.open()
        await self._vms.folder(is_made=False)

    async def close(self) -> None:
        """VMs outlive the director; only the session ends."""
        await self.session.close()


def _login(settings: Settings) -> Login:
    return Login(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password,
        ca_certificate=settings.ca_certificate,
        is_verified=settings.is_verified,
    )
