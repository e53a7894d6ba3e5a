"""Persistent disks in a vCenter: VMDK files of their own, plugged into VMs and unplugged, found wherever they are.

Nothing is remembered outside of vCenter; what is kept here only saves questions, and is checked where it matters.
Every call may be repeated after any of its requests lost its reply. ``disk_paths`` says where files lie,
``disk_devices`` what a VM remembers, ``disk_files`` does what is done to files, ``disk_stores`` searches datastores
and ``disk_holders`` VMs.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from pyVmomi import vim

from director.adapters.vsphere.choices import DiskKind
from director.adapters.vsphere.disk_devices import (
    DEVICES,
    DisksOfVm,
    Held,
    Stray,
    attach_spec,
    detach_spec,
    forget_spec,
    plain_uuid,
)
from director.adapters.vsphere.disk_files import DiskFiles
from director.adapters.vsphere.disk_holders import DiskPlace, Holders
from director.adapters.vsphere.disk_paths import DiskHome, DiskId, FilePath
from director.adapters.vsphere.disk_stores import FoundDisk, Store, Stores
from director.adapters.vsphere.session import Session
from director.model.names import DeploymentName, DiskCid, DiskName, VmCid
from director.model.sighting import SeenDisk
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import DiskRequest

RECONFIGURE_S: Final = 900.0


class Disks:
    """VMs are named by moid here. Every method raises InfrastructureFailure."""

    def __init__(self, session: Session, stores: Stores, home: DiskHome, *, default_kind: DiskKind) -> None:
        self._session = session
        self._stores = stores
        self._home = home
        self._default_kind = default_kind
        self._files = DiskFiles(session, stores, home)
        self._holders = Holders(session, home)
        self._lying: dict[DiskName, FilePath] = {}
        self._busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, request: DiskRequest, *, policy: str | None = None) -> DiskCid:
        """On the datastore of ``request.where``; where it lies, if an earlier attempt made it by another plan.

        ``policy`` is a storage profile's id.
        """
        if request.is_again and await self.place(request.name) is not None:
            return DiskCid(request.name)
        kind = str(request.cloud_properties.get("type") or self._default_kind.value)
        known = sorted(one.value for one in DiskKind)
        if kind not in known:
            raise InfrastructureFailure(f'"{kind}" is no type of disk; there are: {", ".join(known)}.')
        store = await self._stores.get(str(request.where["datastore"]))
        disk = DiskId(deployment=request.deployment, name=request.name)
        path = await self._files.create(disk, store, kind=kind, size_mb=request.size_mb, policy=policy)
        self._lying[disk.name] = path
        return DiskCid(disk.name)

    async def find(self, name: DiskName) -> SeenDisk | None:
        place = await self.place(name)
        return None if place is None else self._seen(place)

    async def place(self, name: DiskName) -> DiskPlace | None:
        """Wherever it lies, also on datastores that the pattern does not take (any more)."""
        return (await self._holders.places()).get(name) or _free_place(await self._files_of(name))

    async def find_all(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, SeenDisk]:
        """Free ones on the datastores for persistent disks; attached ones wherever they are."""
        return {name: self._seen(place) for name, place in (await self.places(deployment)).items()}

    async def places(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, DiskPlace]:
        """As ``find_all``, with where each file lies. Sorted by name."""
        stores = [one for one in await self._stores.all() if one.is_persistent]
        found, on_vms = await asyncio.gather(self._stores.search(stores, deployment), self._holders.places())
        free = {name: _free_place(files) for name, files in _by_name(found).items()}
        ours = {name: place for name, place in on_vms.items() if deployment in {None, place.disk.deployment}}
        return {name: place for name, place in sorted((free | ours).items()) if place is not None}

    async def attached(self) -> Mapping[str, tuple[DiskName, ...]]:
        """The disks of each VM of ours that has any, by moid. Asks only about VMs that changed since the last time."""
        return await self._holders.attached()

    async def attach(self, vm: str, name: DiskName, *, planned: str | None = None) -> Tree:
        """Moves the disk first when the VM cannot have it where it lies: to datastore ``planned`` (a moid), or, if the
        VM came where that is not reached either, to the one with most room. Returns ``{"id": uuid}``.
        """
        await self._let_go(name, "attaching", besides=vm)
        async with self._alone(vm):
            here, seen = await self._holders.now(vm, ("datastore", "runtime.host"))
            if name in here.held:
                return {"id": here.held[name].uuid}
            lying, uuid = await self._free_file(name)
            path = await self._within_reach(lying, seen, planned)
            if path != lying:
                # A disk that went to another datastore may have become another one to the guest.
                uuid = await self._uuid(name, path)
            spec = attach_spec(self._home, self._disk_at(path), path, uuid, seen.get(DEVICES) or (), here.remembered)
            await self._reconfigure(f'attach disk "{name}" to {self._holders.called(vm)}', vm, spec)
            return {"id": uuid}

    async def detach(self, vm: str, names: Iterable[DiskName]) -> None:
        """Files stay, at their own paths: one that Storage vMotion had renamed is named back."""
        async with self._alone(vm):
            await self._detach(vm, frozenset(names))

    async def detach_all(self, vm: str) -> tuple[DiskName, ...]:
        """Before the VM is destroyed, which would take the disks along. Returns those that were attached."""
        async with self._alone(vm):
            return await self._detach(vm, None)

    async def move(self, name: DiskName, datastore: str) -> None:
        """A free disk, to the datastore of this name or moid."""
        await self._let_go(name, "moving")
        place = await self._whole(name)
        await self._carry(place.disk, place.path, await self._stores.get(datastore))

    async def delete(self, name: DiskName) -> None:
        """One that is not there is deleted. Refused for one that somebody has given to a VM of his own."""
        await self._let_go(name, "deleting")
        files = await self._files_of(name)
        place = _free_place(files)
        if place is not None:
            await self._keep_from_strangers(name, place.path)
        for path in [one.path for one in files if one.disk.is_moving] + ([place.path] if place else []):
            await self._files.delete(path)
        self._lying.pop(name, None)

    async def grow(self, name: DiskName, size_mb: int) -> None:
        """In place. One that has the size is well."""
        await self._let_go(name, "growing")
        place = await self._whole(name)
        if place.size_mb > size_mb:
            raise InfrastructureFailure(
                f'Disk "{name}" has {place.size_mb} MB, and a disk cannot shrink to {size_mb} MB: ask for at least '
                "what it has."
            )
        if place.size_mb < size_mb:
            await self._files.extend(place.path, size_mb)

    async def snapshot(self, name: DiskName, snapshot: str) -> str:
        """A full copy beside the disk; returns its cid. A running VM's disk is locked by its host, so it is refused."""
        place = (await self._holders.places()).get(name)
        if place is None or place.vm is None:
            await self._let_go(name, "taking a snapshot of")
            place = await self._whole(name)
        elif self._session.watch.vms[place.vm].power == "poweredOn":
            raise InfrastructureFailure(
                f'Disk "{name}" is attached to {self._holders.called(place.vm)}, which runs: stop the VM, or '
                "detach the disk, before a snapshot is taken."
            )
        copy = place.disk.snapshot(snapshot)
        await self._files.copy(place.path, copy, await self._stores.get(place.path.store))
        return copy.name

    async def delete_snapshot(self, cid: str) -> None:
        for found in await self._files_of(DiskName(cid)):
            await self._files.delete(found.path)

    async def _detach(self, vm: str, names: frozenset[DiskName] | None) -> tuple[DiskName, ...]:
        here = await self._holders.held_now(vm)
        held = [one for name, one in sorted(here.held.items()) if names is None or name in names]
        if held:
            await self._unplug(vm, held, here)
        strays = [one for name, one in sorted(here.strays.items()) if names is None or name in names]
        strays += [Stray(disk=one.disk, path=one.path, size_mb=one.size_mb) for one in held if not one.is_home]
        for stray in strays:
            await self._bring_home(vm, stray)
        return tuple(one.disk.name for one in held)

    async def _unplug(self, vm: str, held: Sequence[Held], here: DisksOfVm) -> None:
        listed = ", ".join(f'"{one.disk.name}"' for one in held)
        await self._reconfigure(
            f"detach {listed} from {self._holders.called(vm)}", vm, detach_spec(self._home, held, here.remembered)
        )
        self._lying |= {one.disk.name: one.path for one in held if one.is_home}

    async def _bring_home(self, vm: str, stray: Stray) -> None:
        await self._carry(stray.disk, stray.path, await self._stores.get(stray.path.store))
        await self._reconfigure(
            f'forget disk "{stray.disk.name}" on {self._holders.called(vm)}', vm, forget_spec(stray.disk)
        )

    async def _let_go(self, name: DiskName, doing: str, *, besides: str | None = None) -> None:
        """Refuses for a disk that a VM holds; brings home one that a detachment cut off halfway left elsewhere."""
        place = (await self._holders.places()).get(name)
        if place is not None and place.vm not in {None, besides}:
            holder = self._holders.called(str(place.vm))
            raise InfrastructureFailure(f'Disk "{name}" is attached to {holder}: detach it there before {doing} it.')
        if place is not None and place.stray_on is not None:
            await self.detach(place.stray_on, (name,))

    async def _keep_from_strangers(self, name: DiskName, path: FilePath) -> None:
        store = await self._stores.get(path.store)
        holder = await self._holders.stranger(path, self._session.of(vim.Datastore, store.moid))
        if holder is not None:
            raise InfrastructureFailure(
                f'Disk "{name}" is attached to VM "{holder}", which is not of this director: detach it there before '
                "deleting it."
            )

    async def _free_file(self, name: DiskName) -> tuple[FilePath, str]:
        """Path and uuid of a free disk; searched for only when it is not where it was left."""
        path = self._lying.get(name)
        uuid = None if path is None else await self._files.uuid_if_there(path)
        if path is not None and uuid is not None:
            return path, plain_uuid(uuid)
        path = (await self._whole(name)).path
        return path, await self._uuid(name, path)

    async def _uuid(self, name: DiskName, path: FilePath) -> str:
        uuid = await self._files.uuid_if_there(path)
        if uuid is None:
            raise InfrastructureFailure(f'Disk "{name}" was removed from "{path}" while it was being attached.')
        return plain_uuid(uuid)

    async def _whole(self, name: DiskName) -> DiskPlace:
        """A free disk, at its own path: a move that ended before its last step is finished."""
        place = _free_place(await self._files_of(name))
        if place is None:
            raise InfrastructureFailure(
                f'Disk "{name}" is on no datastore of the datacenter and on no VM of this director. If it was moved or '
                "renamed by hand, put it back under its name; if it is lost, restore it from a backup: its data is "
                "nowhere else."
            )
        path = place.path
        if place.disk.is_moving:
            disk = DiskId(deployment=place.disk.deployment, name=name)
            path = await self._carry(disk, path, await self._stores.get(path.store))
        return DiskPlace(disk=self._disk_at(path), path=path, size_mb=place.size_mb)

    async def _files_of(self, name: DiskName) -> Sequence[FoundDisk]:
        """Likely datastores first; the others only when nothing is there."""
        stores = await self._stores.all()
        left_on = self._lying[name].store if name in self._lying else None
        likely = [one for one in stores if one.is_persistent or one.name == left_on]
        others = [one for one in stores if one not in likely and one.is_accessible]
        return await self._stores.search(likely, name=name) or await self._stores.search(others, name=name)

    async def _within_reach(self, path: FilePath, seen: Mapping[str, Any], planned: str | None) -> FilePath:
        """Where the disk is usable for the VM's host: there already, or moved. Asks nothing of a VM beside the disk."""
        store = await self._stores.get(path.store)
        if planned is None and store.moid in {_moid(one) for one in seen.get("datastore") or ()}:
            return path
        host = seen.get("runtime.host")
        if host is None:
            raise InfrastructureFailure(f'"{path}" cannot be attached: the VM is gone, or on no host.')
        read = await self._session.read("read the datastores of the VM's host", vim.HostSystem, ("datastore",), [host])
        reached = {_moid(one) for one in read[_moid(host)].get("datastore") or ()}
        usable = {one.moid: one for one in await self._stores.usable(is_fresh=planned is not None)}
        if store.moid in reached and (planned is None or store.moid in usable):
            return path
        target = usable[planned] if planned in reached and planned in usable else await self._roomiest(reached, path)
        return await self._carry(self._disk_at(path), path, target)

    async def _roomiest(self, reached: Iterable[str], path: FilePath) -> Store:
        fit = [one for one in await self._stores.usable(is_fresh=True) if one.moid in reached and one.is_persistent]
        if not fit:
            raise InfrastructureFailure(
                f'The VM\'s host does not reach datastore "{path.store}" of "{path}", nor any other for persistent '
                "disks: mount one of them on the host, or widen the pattern for persistent datastores."
            )
        return min(fit, key=lambda one: (-one.free_mb, one.name))

    async def _carry(self, disk: DiskId, path: FilePath, store: Store) -> FilePath:
        self._lying[disk.name] = await self._files.carry(disk, path, store)
        return self._lying[disk.name]

    async def _reconfigure(self, what: str, vm: str, spec: vim.vm.ConfigSpec) -> None:
        machine = self._session.of(vim.VirtualMachine, vm)
        try:
            await self._session.task(what, lambda: machine.Reconfigure(spec), timeout_s=RECONFIGURE_S)
        finally:
            self._holders.forget(vm)

    def _disk_at(self, path: FilePath) -> DiskId:
        disk = self._home.disk_at(path)
        assert disk is not None, f"{path} is no disk's own path"
        return disk

    def _seen(self, place: DiskPlace) -> SeenDisk:
        known = None if place.vm is None else self._session.watch.vms.get(place.vm)
        name = place.disk.name
        vm = None if known is None else VmCid(known.name)
        return SeenDisk(name=name, cid=DiskCid(name), size_mb=place.size_mb, vm=vm)

    def _alone(self, vm: str) -> asyncio.Lock:
        """Two changes of one VM's disks would choose the same free unit."""
        return self._busy.setdefault(vm, asyncio.Lock())


def _by_name(found: Iterable[FoundDisk]) -> Mapping[DiskName, Sequence[FoundDisk]]:
    grouped: dict[DiskName, list[FoundDisk]] = {}
    for one in found:
        if not one.disk.is_snapshot:
            grouped.setdefault(one.disk.name, []).append(one)
    return grouped


def _free_place(files: Sequence[FoundDisk]) -> DiskPlace | None:
    """The disk's whole file. One that is moving is whole when its source is gone."""
    for one in sorted(files, key=lambda file: file.disk.is_moving):
        return DiskPlace(disk=one.disk, path=one.path, size_mb=one.size_mb)
    return None


def _moid(entity: Any) -> str:
    return str(entity._moId)  # noqa: SLF001  the only name pyVmomi has for it
