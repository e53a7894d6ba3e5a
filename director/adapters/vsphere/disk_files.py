"""What is done to the files of persistent disks on datastores. Each is repeatable; knows nothing of VMs."""

from collections.abc import Callable
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.disk_paths import DiskHome, DiskId, FilePath
from director.adapters.vsphere.disk_stores import Store, Stores
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.session import Session
from director.model.names import DeploymentName
from director.ports.failure import InfrastructureFailure

COPY_S: Final = 24 * 3600.0
"""A disk of terabytes that goes to another datastore over a slow network takes most of a day."""
CHANGE_S: Final = 4 * 3600.0
"""Zeroing a large eagerZeroedThick disk takes hours."""


class DiskFiles:
    def __init__(self, session: Session, stores: Stores, home: DiskHome) -> None:
        self._session = session
        self._stores = stores
        self._home = home
        self._folders: set[tuple[str, DeploymentName]] = set()

    async def create(self, disk: DiskId, store: Store, *, kind: str, size_mb: int, policy: str | None) -> FilePath:
        """One that is there already is adopted: its name is this disk's alone. ``policy`` is a storage profile's id."""
        path = self._home.file(store.name, disk)
        spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
            adapterType="lsiLogic", diskType=kind, capacityKb=size_mb * 1024
        )
        if policy is not None:
            spec.profile = [vim.vm.DefinedProfileSpec(profileId=policy)]
        await self.make_folder(store, disk.deployment)
        datacenter = await self._stores.datacenter()
        try:
            await self._do(
                f'create disk "{disk.name}" on datastore "{store.name}"',
                lambda: self._manager.CreateVirtualDisk(str(path), datacenter, spec),
                CHANGE_S,
                store,
            )
        except Fault as fault:
            if not fault.is_a(vim.fault.FileAlreadyExists):
                self._folders.discard((store.moid, disk.deployment))
                raise
        return path

    async def make_folder(self, store: Store, deployment: DeploymentName) -> None:
        if (store.moid, deployment) in self._folders:
            return
        folder = str(self._home.folder(store.name, deployment))
        datacenter = await self._stores.datacenter()
        try:
            await self._session.call(
                f'make folder "{folder}"',
                lambda: self._session.content.fileManager.MakeDirectory(folder, datacenter, True),
            )
        except Fault as fault:
            if not fault.is_a(vim.fault.FileAlreadyExists):
                raise
        self._folders.add((store.moid, deployment))

    async def delete(self, path: FilePath) -> None:
        """What is not there is deleted; asked once, as nothing is gained by asking again (3.8)."""
        datacenter = await self._stores.datacenter()
        try:
            await self._do(f'delete "{path}"', lambda: self._manager.DeleteVirtualDisk(str(path), datacenter), CHANGE_S)
        except Fault as fault:
            if not fault.is_a(vim.fault.FileNotFound):
                raise

    async def extend(self, path: FilePath, size_mb: int) -> None:
        datacenter = await self._stores.datacenter()
        await self._do(
            f'grow "{path}" to {size_mb} MB',
            lambda: self._manager.ExtendVirtualDisk(str(path), datacenter, size_mb * 1024, None),
            CHANGE_S,
        )

    async def uuid_if_there(self, path: FilePath) -> str | None:
        """The disk's uuid in vSphere's writing; None when no disk lies there."""
        datacenter = await self._stores.datacenter()
        try:
            return await self._session.call(
                f'ask for the uuid of "{path}"', lambda: self._manager.QueryVirtualDiskUuid(str(path), datacenter)
            )
        except Fault as fault:
            if fault.is_a(vim.fault.FileNotFound):
                return None
            raise

    async def carry(self, disk: DiskId, source: FilePath, store: Store) -> FilePath:
        """Moves a free disk's file to its own path on a datastore, another one or the same.

        The bytes land under the name of a disk that is moving, which is never taken for the disk while the source
        is there: a director that ends halfway finds the whole one.
        """
        target = self._home.file(store.name, disk)
        if source == target:
            return target
        await self.make_folder(store, disk.deployment)
        if source.store != store.name:
            moving = self._home.file(store.name, disk.moving)
            await self._land(f'move disk "{disk.name}" to datastore "{store.name}"', self._move, source, moving, store)
            source = moving
        await self._rename(source, target, store)
        return target

    async def copy(self, source: FilePath, copy: DiskId, store: Store) -> None:
        """As ``carry``, of a copy under another name: a snapshot's."""
        target = self._home.file(store.name, copy)
        if await self.uuid_if_there(target) is not None:
            return
        moving = self._home.file(store.name, copy.moving)
        await self._land(f'copy "{source}" to "{target}"', self._copy, source, moving, store)
        await self._rename(moving, target, store)

    async def _land(
        self,
        what: str,
        start: Callable[[FilePath, FilePath, vim.Datacenter], Any],
        source: FilePath,
        moving: FilePath,
        store: Store,
    ) -> None:
        datacenter = await self._stores.datacenter()
        try:
            await self._do(what, lambda: start(source, moving, datacenter), COPY_S, store)
        except Fault as fault:
            if not fault.is_a(vim.fault.FileAlreadyExists):
                raise
            # An earlier try left half a copy. It is one only while its source is there: else it is the whole disk.
            if await self.uuid_if_there(source) is None:
                raise
            await self.delete(moving)  # one that is still being written is locked, and fails here
            await self._do(what, lambda: start(source, moving, datacenter), COPY_S, store)

    async def _rename(self, source: FilePath, target: FilePath, store: Store) -> None:
        datacenter = await self._stores.datacenter()
        try:
            await self._do(
                f'rename "{source}" to "{target}"', lambda: self._move(source, target, datacenter), COPY_S, store
            )
        except Fault as fault:
            if not fault.is_a(vim.fault.FileAlreadyExists, vim.fault.FileNotFound):
                raise
            await self._check_renamed(source, target, fault)

    async def _check_renamed(self, source: FilePath, target: FilePath, fault: Fault) -> None:
        """A lost reply's rename has been done. On vSAN both names can lead to one disk, which is well too (3.8)."""
        there = await self.uuid_if_there(target)
        if there is None:
            raise fault
        if await self.uuid_if_there(source) not in {None, there}:
            raise InfrastructureFailure(
                f'"{source}" cannot be renamed to "{target}", as another disk lies there. '
                "Look at both, and remove or rename the one that is not wanted."
            ) from fault

    async def _do(self, what: str, start: Callable[[], Any], timeout_s: float, store: Store | None = None) -> Any:
        slots = () if store is None else (f"datastore:{store.moid}",)
        return await self._session.task(what, start, timeout_s=timeout_s, slots=slots)

    def _move(self, source: FilePath, target: FilePath, datacenter: vim.Datacenter) -> Any:
        return self._manager.MoveVirtualDisk(str(source), datacenter, str(target), datacenter, False, [])

    def _copy(self, source: FilePath, target: FilePath, datacenter: vim.Datacenter) -> Any:
        return self._manager.CopyVirtualDisk(str(source), datacenter, str(target), datacenter, None, False)

    @property
    def _manager(self) -> Any:
        return self._session.content.virtualDiskManager
