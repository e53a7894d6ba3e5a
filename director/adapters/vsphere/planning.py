"""What placement must know, gathered from vCenter in a few bulk reads. Weighs nothing: ``place`` does."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.disk_stores import Stores
from director.adapters.vsphere.disks import Disks
from director.adapters.vsphere.facts import DiskAt, Facts, Standing, StemcellAt
from director.adapters.vsphere.inventory import read_inventory
from director.adapters.vsphere.joining import Joining
from director.adapters.vsphere.known import Known
from director.adapters.vsphere.place import asked_of, place, policies_of
from director.adapters.vsphere.seen import ON
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.stemcells import Stemcells
from director.adapters.vsphere.vms import Vms
from director.model.names import DeploymentName, DiskCid, DiskName, StemcellCid, VmName
from director.model.placement import DiskWish, Placements, VmWish

_NETS: Final = ("name", "config.instanceUuid", "guest.net", "runtime.powerState")


class Planning:
    def __init__(
        self,
        session: Session,
        vms: Vms,
        known: Known,
        stemcells: Stemcells,
        disks: Disks,
        stores: Stores,
        joining: Joining,
        settings: Settings,
    ) -> None:
        self._session, self._vms, self._known, self._stemcells = session, vms, known, stemcells
        self._disks, self._stores, self._joining, self._settings = disks, stores, joining, settings

    async def place(self, vms: Sequence[VmWish], disks: Sequence[DiskWish]) -> Placements:
        inventory = await read_inventory(self._session, self._settings, asked_of(vms, disks, self._settings))
        if inventory.datacenter is None:
            return place(vms, disks, inventory, self._settings)
        policies, lying, stemcells, (standing, own_macs), (strangers, their_macs) = await asyncio.gather(
            self._policies(vms, disks, [store.moid for store in inventory.datastores]),
            self._lying(vms),
            self._replicas(),
            self._standing(),
            self._strangers(vms, inventory.vm_folder),
        )
        facts = Facts(
            policies=policies,
            disks=lying,
            stemcells=stemcells,
            standing=standing,
            strangers=strangers,
            macs=own_macs | their_macs,
        )
        return place(vms, disks, inventory, self._settings, facts)

    async def _policies(
        self, vms: Sequence[VmWish], disks: Sequence[DiskWish], stores: Sequence[str]
    ) -> Mapping[str, frozenset[str]]:
        names = policies_of(vms, disks, self._settings)
        return await self._joining.compatible(names, stores) if names else {}

    async def _lying(self, vms: Sequence[VmWish]) -> Mapping[DiskCid, DiskAt]:
        """Where the disks are that these VMs will have; nothing is asked when they have none."""
        wanted = {cid for vm in vms for cid in vm.disks}
        if not wanted:
            return {}
        await self._vms.folder(is_made=False)
        places = await self._disks.places()
        found = {}
        for cid in sorted(wanted):
            name = DiskName(cid)
            at = places.get(name) or await self._disks.place(name)
            if at is not None:
                store = await self._stores.get(at.path.store)
                found[cid] = DiskAt(datastore=store.moid, size_mb=at.size_mb)
        return found

    async def _replicas(self) -> Mapping[StemcellCid, StemcellAt]:
        return {
            cid: StemcellAt(
                size_mb=max((one.replica.size_mb for one in seen if one.replica), default=0),
                datastores=frozenset(store for one in seen for store in one.datastores),
            )
            for cid, seen in (await self._stemcells.known()).items()
        }

    async def _standing(self) -> tuple[Sequence[Standing], frozenset[str]]:
        """All VMs of ours, of every deployment, and the MAC addresses they were given."""
        vms = await self._vms.all()
        identities = await self._known.identities([vm.moid for vm in vms])
        standing = [
            Standing(
                name=VmName(vm.name),
                deployment=DeploymentName(identities[vm.moid].deployment) or None,
                label=identities[vm.moid].label,
                host=vm.host or None,
                ram_mb=vm.ram_mb if vm.power == ON else 0,
            )
            for vm in vms
        ]
        return standing, frozenset(mac for identity in identities.values() for mac in identity.macs)

    async def _strangers(self, vms: Sequence[VmWish], folder: str) -> tuple[Mapping[str, str], frozenset[str]]:
        """Addresses of these VMs for which a VM answers that is not ours, and the MAC addresses of all VMs; seen only
        where VMware Tools run (3.6).
        """
        wanted = {str(net["ip"]) for vm in vms for net in vm.shape.networks.values() if net.get("ip")}
        if not wanted or not self._settings.refuses_ip_conflicts:
            return {}, frozenset()
        below = self._session.of(vim.Folder, folder)
        read = await self._session.read("read the addresses of VMs", vim.VirtualMachine, _NETS, under=below)
        ours = {vm.instance_uuid for vm in await self._vms.all()}
        strangers = [one for one in read.values() if one.get("config.instanceUuid") not in ours]
        macs = frozenset(str(nic.macAddress).lower() for one in read.values() for nic in one.get("guest.net") or ())
        return {address: str(one["name"]) for one in strangers for address in wanted & _addresses(one)}, macs


def _addresses(vm: Mapping[str, Any]) -> set[str]:
    if vm.get("runtime.powerState") != "poweredOn":
        return set()
    return {str(address) for nic in vm.get("guest.net") or () for address in nic.ipAddress or ()}
