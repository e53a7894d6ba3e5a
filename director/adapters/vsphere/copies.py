"""The VMs of stemcells in our folder: listed, copied, given their snapshot, removed. Each call is repeatable.

What a crash left is found again by its name (see replicas.py) and its snapshot.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pyVmomi import vim, vmodl

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.folders import ensure_folder, find_folder
from director.adapters.vsphere.observe import observe
from director.adapters.vsphere.replicas import PATHS, SNAPSHOT, SeenReplica, cid_of, seen_replicas, snapshot_of
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import Settings
from director.model.names import StemcellCid
from director.ports.failure import Retry

COPY_S: Final = 4 * 3600.0
"""A full copy between datastores of different arrays goes over the hosts' management network."""
FREE_S: Final = 360.0
"""vCenter ends a lease that nobody cares for after 300 s; until then its VM cannot be removed."""
_FULL: Final = "moveAllDiskBackingsAndDisallowSharing"
"""A replica must not depend on the disks of the one it was copied from."""


class Copies:
    def __init__(self, session: Session, settings: Settings, *, director_uuid: str) -> None:
        self._session = session
        place = settings.datacenter
        self._path = (place.name, "vm", *place.template_folder.strip("/").split("/"), director_uuid)

    async def folder(self) -> Any:
        """Ours, made when it is not there."""
        return await ensure_folder(self._session, self._path)

    def vm(self, one: SeenReplica) -> Any:
        return self._session.of(vim.VirtualMachine, one.moid)

    async def all_of(self, cid: StemcellCid) -> Sequence[SeenReplica]:
        return [one for one in await self.all() if cid_of(one.name) == cid]

    async def all(self) -> Sequence[SeenReplica]:
        folder = await find_folder(self._session, self._path)
        if folder is None:
            return ()
        return seen_replicas(await self._session.read("list stemcells", vim.VirtualMachine, PATHS, under=folder))

    async def remove(self, one: SeenReplica) -> None:
        what = f'remove stemcell "{one.name}"'
        vm = self.vm(one)
        seen = await observe(self._session, what, vm, ("disabledMethod",), _is_removable, timeout_s=FREE_S)
        if seen is None:
            return
        try:
            await self._session.task(
                what, vm.Destroy, slots=tuple(f"datastore:{store}" for store in sorted(one.datastores))
            )
        except Fault as fault:
            if not fault.is_a(vmodl.fault.ManagedObjectNotFound):
                raise

    def full_copy(self, datastore: str, pool: str, host: str | None) -> Any:
        location = vim.vm.RelocateSpec(
            datastore=self._session.of(vim.Datastore, datastore),
            pool=self._session.of(vim.ResourcePool, pool),
            host=self._session.of(vim.HostSystem, host) if host is not None else None,
            diskMoveType=_FULL,
        )
        return vim.vm.CloneSpec(location=location, powerOn=False, template=False)

    async def clone(
        self,
        what: str,
        source: Any,
        folder: vim.Folder,
        name: str,
        spec: Any,
        datastore: str,
        progress: Callable[[int], None] | None = None,
    ) -> Any:
        """The new VM; or the one of that name that an earlier try of ours or another director process makes."""
        try:
            return await self._session.task(
                what,
                lambda: source.Clone(folder, name, spec),
                timeout_s=COPY_S,
                slots=(f"datastore:{datastore}",),
                progress=progress,
            )
        except Fault as fault:
            if not (fault.is_a(vim.fault.DuplicateName) or fault.is_reply_lost):
                raise
            for one in await self.all():
                if one.name == name:
                    return self.vm(one)
            raise

    async def ensure_snapshot(self, cid: StemcellCid, vm: Any) -> None:
        """Once ``vm`` is whole: while it is copied, vCenter lets nobody take a snapshot of it."""
        what = f'take the snapshot of stemcell "{cid}"'
        seen = await observe(self._session, what, vm, ("snapshot", "disabledMethod"), _is_whole, timeout_s=COPY_S)
        if seen is None:
            raise Fault(f"{what}: the VM is gone; somebody removed it, or its copying failed.", retry=Retry.BOUNDED)
        if snapshot_of(seen.get("snapshot")) is None:
            await self._session.task(
                what,
                lambda: vm.CreateSnapshot(
                    name=SNAPSHOT, description="VMs of this stemcell are cloned from it", memory=False, quiesce=False
                ),
            )


def _is_whole(seen: Mapping[str, Any]) -> bool:
    return snapshot_of(seen.get("snapshot")) is not None or "CreateSnapshot_Task" not in seen.get("disabledMethod", ())


def _is_removable(seen: Mapping[str, Any]) -> bool:
    """Not while a lease that a crash left holds it."""
    return "Destroy_Task" not in seen.get("disabledMethod", ())
