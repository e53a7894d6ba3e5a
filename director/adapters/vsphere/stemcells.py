"""Stemcells in vCenter: uploaded or copied from a template of the operator's, replicated where needed, deleted.

Every call is repeatable. Names follow from what was asked, so what a crash left is found again: a VM with the snapshot
``initial`` is complete and adopted, an upload without it is removed and done again, a copy without it gets it.

Note: light stemcells. ``cloud_properties {template: PATH}`` names a VM or template that is in vCenter already. It
is cloned once into our folder, and that clone is the stemcell: the operator's own is never changed, never deleted, and
what happens to it later does not change VMs of this stemcell.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

from pyVmomi import vim

from director.adapters.vsphere.choices import DiskKind
from director.adapters.vsphere.copies import Copies
from director.adapters.vsphere.enrol import Install
from director.adapters.vsphere.home import Home, asked_for_home, choose_home
from director.adapters.vsphere.inventory import read_inventory
from director.adapters.vsphere.lease import Import, import_image
from director.adapters.vsphere.ovf import Image, open_image
from director.adapters.vsphere.replicas import (
    AGENT_KEY,
    Replica,
    SeenReplica,
    cid_of,
    name_of,
)
from director.adapters.vsphere.scsi import with_scsi
from director.adapters.vsphere.session import Login, Session
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.single import SingleFlight
from director.adapters.vsphere.where import VmWhere
from director.model.names import StemcellCid
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import StemcellRequest

_UPLOADED_PERCENT: Final = 95
_DISK_KINDS: Final[Mapping[DiskKind, str]] = {
    DiskKind.THIN: "thin",
    DiskKind.THICK: "thick",
    DiskKind.PREALLOCATED: "thick",
    DiskKind.EAGER_ZEROED_THICK: "eagerZeroedThick",
}


class Stemcells:
    def __init__(self, session: Session, login: Login, settings: Settings, *, director_uuid: str) -> None:
        self._session = session
        self._login = login
        self._settings = settings
        self._uuid = director_uuid
        self._copies = Copies(session, settings, director_uuid=director_uuid)
        self._creating: SingleFlight[StemcellCid, StemcellCid] = SingleFlight()
        self._copying: SingleFlight[tuple[StemcellCid, str], Replica] = SingleFlight()
        self._known: dict[tuple[StemcellCid, str], Replica] = {}

    async def create(self, request: StemcellRequest) -> StemcellCid:
        """Uploads, or copies the template that ``properties`` name. Raises InfrastructureFailure with what to do."""
        cid = StemcellCid(f"sc-{uuid5(UUID(self._uuid), request.key)}")
        return await self._creating.do(cid, lambda: self._create(cid, request))

    async def delete(self, cid: StemcellCid) -> None:
        """With all its replicas, half-made ones too. One that is gone is no error."""
        gone = [self._copies.remove(one) for one in await self._copies.all_of(cid)]
        results = await asyncio.gather(*gone, return_exceptions=True)
        self.forget(cid)
        for failure in (result for result in results if result is not None):
            raise failure

    async def ensure_replica(self, cid: StemcellCid, where: VmWhere) -> Replica:
        """What to clone a VM from on the datastore of ``where``; copied there first when it is not there yet.

        Costs no request when it was asked before. Of many who ask at once one copies.
        """
        known = self._known.get((cid, where.datastore))
        if known is not None:
            return known
        return await self._copying.do((cid, where.datastore), lambda: self._ensure(cid, where))

    def forget(self, cid: StemcellCid) -> None:
        """Somebody found a replica gone: the next ``ensure_replica`` looks at vCenter again."""
        for key in [key for key in self._known if key[0] == cid]:
            del self._known[key]

    async def known(self) -> Mapping[StemcellCid, Sequence[SeenReplica]]:
        """All complete replicas of this director's stemcells, in one bulk read: for placement."""
        found: dict[StemcellCid, list[SeenReplica]] = {}
        for one in await self._copies.all():
            if one.replica is not None:
                found.setdefault(cid_of(one.name), []).append(one)
        return found

    # -- creation

    async def _create(self, cid: StemcellCid, request: StemcellRequest) -> StemcellCid:
        install = _install(request.properties)
        folder = await self._copies.folder()
        for one in await self._copies.all_of(cid):
            if one.name == cid and one.replica is not None:
                request.progress(100)
                return cid
            if one.name == cid:
                await self._copies.remove(one)
        template = request.properties.get("template")
        if template:
            vm = await self._copy_template(cid, str(template), folder, install, request)
        else:
            vm = await self._upload(cid, folder, install, request)
        await self._copies.ensure_snapshot(cid, vm)
        request.progress(100)
        return cid

    async def _upload(self, cid: StemcellCid, folder: vim.Folder, install: Install, request: StemcellRequest) -> Any:
        image = await asyncio.to_thread(open_image, request.image)
        home = await self._home(-(-image.capacity_bytes // (1 << 20)))
        pool, host = self._session.of(vim.ResourcePool, home.pool), self._session.of(vim.HostSystem, home.host)
        result = await self._import_spec(cid, image, home)
        config = result.importSpec.configSpec
        _prepare(config, install, _words(request.properties))
        config.deviceChange = with_scsi(config.deviceChange, self._settings.default_scsi)
        wish = Import(
            name=cid, image=image, spec=result.importSpec, files=result.fileItem, folder=folder, pool=pool, host=host
        )
        return await import_image(self._session, self._login, wish, _scaled(request))

    async def _import_spec(self, cid: StemcellCid, image: Image, home: Home) -> Any:
        """Raises InfrastructureFailure with everything that vCenter has against the descriptor."""
        parameters = vim.OvfManager.CreateImportSpecParams(
            locale="US",
            deploymentOption="",
            entityName=cid,
            diskProvisioning=_DISK_KINDS[self._settings.default_disk],
            hostSystem=self._session.of(vim.HostSystem, home.host),
        )
        pool, store = self._session.of(vim.ResourcePool, home.pool), self._session.of(vim.Datastore, home.datastore)
        result = await self._session.call(
            "read the stemcell's OVF",
            lambda: self._session.content.ovfManager.CreateImportSpec(image.descriptor, pool, store, parameters),
        )
        if result.error or result.importSpec is None:
            faults, warnings = _said(result.error), _said(result.warning)
            raise InfrastructureFailure(
                f"vCenter cannot import the stemcell's image {image.path.name}: {faults or 'it makes no VM of it'}."
                f"{f' It also says: {warnings}.' if warnings else ''} Use a stemcell for vSphere, or build one again."
            )
        return result

    async def _copy_template(
        self, cid: StemcellCid, template: str, folder: vim.Folder, install: Install, request: StemcellRequest
    ) -> Any:
        source = await self._find_template(template)
        rows = await self._session.read(
            f'read template "{template}"', vim.VirtualMachine, ("config.hardware.device",), [source]
        )
        devices = next(iter(rows.values()), {}).get("config.hardware.device") or ()
        size_kb = sum(device.capacityInKB for device in devices if isinstance(device, vim.vm.device.VirtualDisk))
        home = await self._home(-(-size_kb // 1024))
        spec = self._copies.full_copy(home.datastore, home.pool, home.host)
        spec.config = vim.vm.ConfigSpec(deviceChange=[], extraConfig=[])
        _prepare(spec.config, install, _words(request.properties) or f"Stemcell from {template}")
        spec.config.deviceChange = [_without(device) for device in devices if _is_nic(device)]
        what = f'copy template "{template}" to stemcell "{cid}"'
        return await self._copies.clone(what, source, folder, cid, spec, home.datastore, _scaled(request))

    async def _find_template(self, template: str) -> Any:
        path = template.strip("/") if "/" in template else f"{self._settings.datacenter.name}/vm/{template}"
        found = await self._session.call(
            f'find template "{template}"', lambda: self._session.content.searchIndex.FindByInventoryPath(path)
        )
        if not isinstance(found, vim.VirtualMachine):
            raise InfrastructureFailure(
                f'vCenter has no VM or template at "/{path}", which the stemcell\'s cloud_properties name: give its '
                "inventory path, as /DATACENTER/vm/FOLDER/NAME."
            )
        return found

    async def _home(self, size_mb: int) -> Home:
        inventory = await read_inventory(self._session, self._settings, asked_for_home(self._settings))
        return choose_home(inventory, self._settings, size_mb)

    # -- replicas

    async def _ensure(self, cid: StemcellCid, where: VmWhere) -> Replica:
        replicas = await self._copies.all_of(cid)
        for one in replicas:
            if one.replica is not None and len(one.datastores) == 1:
                self._known[cid, min(one.datastores)] = one.replica
        there = self._known.get((cid, where.datastore))
        return there if there is not None else await self._replicate(cid, where, replicas)

    async def _replicate(self, cid: StemcellCid, where: VmWhere, replicas: Sequence[SeenReplica]) -> Replica:
        name = name_of(cid, where.datastore)
        vm = next((self._copies.vm(one) for one in replicas if one.name == name), None)
        if vm is None:
            source = next((self._copies.vm(one) for one in replicas if one.replica is not None), None)
            if source is None:
                raise InfrastructureFailure(
                    f'Stemcell "{cid}" is not in vCenter (any more): upload it again with --fix.'
                )
            folder = await self._copies.folder()
            spec = self._copies.full_copy(where.datastore, where.pool, where.host)
            what = f'copy stemcell "{cid}" to datastore "{where.datastore_name}"'
            vm = await self._copies.clone(what, source, folder, name, spec, where.datastore)
        await self._copies.ensure_snapshot(cid, vm)
        for one in await self._copies.all_of(cid):
            if one.replica is not None and one.datastores == {where.datastore}:
                self._known[cid, where.datastore] = one.replica
                return one.replica
        raise InfrastructureFailure(
            f'"{name}", the copy of stemcell "{cid}" for datastore "{where.datastore_name}", lies on another one: move '
            "it back in vCenter, or delete it, and it will be made again."
        )


def _install(properties: Tree) -> Install:
    agent = properties.get("agent")
    word = str(agent.get("install") or Install.BAKED.value) if isinstance(agent, Mapping) else Install.BAKED.value
    try:
        return Install(word)
    except ValueError:
        ways = ", ".join(way.value for way in Install)
        raise InfrastructureFailure(
            f"The stemcell's cloud_properties say agent.install: {word}, which is no way this director knows: use one "
            f"of {ways}."
        ) from None


def _scaled(request: StemcellRequest) -> Callable[[int], None]:
    """The bytes are most of it; what follows is done at 100."""
    return lambda percent: request.progress(percent * _UPLOADED_PERCENT // 100)


def _said(faults: Sequence[Any] | None) -> str:
    return "; ".join(str(getattr(fault, "msg", "") or type(fault).__name__) for fault in faults or ())


def _words(properties: Tree) -> str:
    name, version = properties.get("name"), properties.get("version")
    return f"Stemcell {name}/{version}" if name and version else ""


def _prepare(config: Any, install: Install, annotation: str) -> None:
    """In the spec of what is made, so that it needs no second step: no NICs, and what must be written on it."""
    config.deviceChange = [change for change in config.deviceChange or () if not _is_nic(change.device)]
    way = vim.option.OptionValue(key=AGENT_KEY, value=install.value)
    config.extraConfig = [*(config.extraConfig or ()), way]
    if annotation:
        config.annotation = annotation


def _is_nic(device: Any) -> bool:
    return isinstance(device, vim.vm.device.VirtualEthernetCard)


def _without(device: Any) -> Any:
    operation = vim.vm.device.VirtualDeviceSpec.Operation.remove
    return vim.vm.device.VirtualDeviceSpec(operation=operation, device=device)
