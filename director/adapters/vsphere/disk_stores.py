"""The datastores that persistent disks may lie on, and what a search of their folders finds. Changes nothing.

One search answers for all disks of a datastore (3.8 asked once per disk). Which datastores there are is read in bulk
and believed for five minutes, since a no-op deployment should cost next to nothing.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.disk_paths import DiskHome, DiskId, FilePath, disk_of, read_path
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import DatacenterSettings, StorePattern
from director.model.names import DeploymentName, DiskName
from director.ports.failure import InfrastructureFailure

BELIEVED_S: Final = 300.0
SEARCH_S: Final = 600.0
"""A busy vSAN takes minutes to list a folder; a search that hangs longer is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """``is_persistent``: the settings' pattern for persistent disks takes it. In maintenance it can be searched, but
    takes no new disk.
    """

    moid: str
    name: str
    browser: vim.host.DatastoreBrowser
    free_mb: int
    is_accessible: bool
    is_persistent: bool
    is_in_maintenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDisk:
    disk: DiskId
    path: FilePath
    size_mb: int


class Stores:
    """Of one datacenter."""

    def __init__(
        self,
        session: Session,
        settings: DatacenterSettings,
        home: DiskHome,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._settings = settings
        self._home = home
        self._now_s = now_s
        self._datacenter: vim.Datacenter | None = None
        self._known: tuple[Store, ...] = ()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def datacenter(self) -> vim.Datacenter:
        """Raises InfrastructureFailure when there is none of the settings' name."""
        if self._datacenter is None:
            seen = await self._session.read("look for the datacenter", vim.Datacenter, ("name",))
            moids = sorted(moid for moid, one in seen.items() if one["name"] == self._settings.name)
            if not moids:
                there = ", ".join(sorted(str(one["name"]) for one in seen.values()))
                raise InfrastructureFailure(f'vCenter has no datacenter "{self._settings.name}"; it has: {there}.')
            self._datacenter = self._session.of(vim.Datacenter, moids[0])
        return self._datacenter

    async def all(self, *, is_fresh: bool = False) -> tuple[Store, ...]:
        """Sorted: those for persistent disks first, then by name."""
        asked_at = self._now_s()
        oldest = asked_at if is_fresh else asked_at - BELIEVED_S
        async with self._reading:
            # Whoever waited while another read afresh has what he wants.
            if self._read_at < oldest:
                began = self._now_s()
                self._known = await self._read()
                self._read_at = began
        return self._known

    async def usable(self, *, is_fresh: bool) -> tuple[Store, ...]:
        """Those of ``all`` that disks may be moved to."""
        return tuple(
            one for one in await self.all(is_fresh=is_fresh) if one.is_accessible and not one.is_in_maintenance
        )

    async def get(self, name_or_moid: str) -> Store:
        """Raises InfrastructureFailure when the datacenter has no such datastore."""
        for is_fresh in (False, True):
            for store in await self.all(is_fresh=is_fresh):
                if name_or_moid in {store.moid, store.name}:
                    return store
        raise InfrastructureFailure(
            f'Datacenter "{self._settings.name}" has no datastore "{name_or_moid}" (any more): deploy again, so that '
            "the plan chooses another."
        )

    async def search(
        self, stores: Iterable[Store], deployment: DeploymentName | None = None, name: DiskName | None = None
    ) -> tuple[FoundDisk, ...]:
        """All disks of ours on these datastores, of one deployment or one name if given, in the stores' order.

        Raises Fault when one of them cannot be searched: its disks may be there, and must not be taken for lost.
        """
        found = await asyncio.gather(*(self._search(store, deployment, name) for store in stores))
        return tuple(disk for disks in found for disk in disks)

    async def _search(
        self, store: Store, deployment: DeploymentName | None, name: DiskName | None
    ) -> Sequence[FoundDisk]:
        if not store.is_accessible:
            raise InfrastructureFailure(
                f'Datastore "{store.name}" is not accessible, so its persistent disks cannot be seen. '
                "Bring it back, or take it out of the pattern for persistent disks."
            )
        folder = str(self._home.folder(store.name, deployment))
        try:
            results = await self._session.task(
                f'search datastore "{store.name}" for persistent disks',
                lambda: store.browser.SearchSubFolders(folder, _search_spec(name)),
                timeout_s=SEARCH_S,
            )
        except Fault as fault:
            if fault.is_a(vim.fault.FileNotFound):
                return ()
            raise
        return [disk for result in results or () for disk in _found(store.name, result, name)]

    async def _read(self) -> tuple[Store, ...]:
        datacenter = await self.datacenter()
        pods: Mapping[str, Mapping[str, Any]] = {}
        if self._settings.persistent.pods:
            pods = await self._session.read("read datastore clusters", vim.StoragePod, ("name",), under=datacenter)
        seen = await self._session.read(
            "read datastores",
            vim.Datastore,
            ("name", "browser", "parent", "summary.accessible", "summary.freeSpace", "summary.maintenanceMode"),
            under=datacenter,
        )
        pod_names = {moid: str(pod["name"]) for moid, pod in pods.items()}
        stores = [_store(moid, one, self._settings.persistent, pod_names) for moid, one in seen.items()]
        return tuple(sorted(stores, key=lambda store: (not store.is_persistent, store.name)))


def matches(pattern: StorePattern, name: str, pod: str | None) -> bool:
    """Patterns are regular expressions that are searched for in the name (3.1)."""
    if pattern.pods and pod is not None and re.search(pattern.pods, pod):
        return True
    return bool(pattern.datastores and re.search(pattern.datastores, name))


def _store(moid: str, seen: Mapping[str, Any], pattern: StorePattern, pods: Mapping[str, str]) -> Store:
    parent = seen.get("parent")
    name = str(seen["name"])
    return Store(
        moid=moid,
        name=name,
        browser=seen["browser"],
        free_mb=int(seen.get("summary.freeSpace") or 0) >> 20,
        is_accessible=bool(seen.get("summary.accessible")),
        is_in_maintenance=seen.get("summary.maintenanceMode") not in {None, "normal"},
        is_persistent=matches(pattern, name, pods.get(parent._moId) if parent is not None else None),  # noqa: SLF001  the only name pyVmomi has for it
    )


def _search_spec(name: DiskName | None) -> vim.host.DatastoreBrowser.SearchSpec:
    browser = vim.host.DatastoreBrowser
    details = browser.VmDiskQuery.Details(diskType=False, capacityKb=True, hardwareVersion=False)
    return browser.SearchSpec(
        query=[browser.VmDiskQuery(details=details)],
        details=browser.FileInfo.Details(fileType=True, fileSize=False, modification=False, fileOwner=False),
        matchPattern=[f"{name}*.vmdk" if name else "*.vmdk"],
    )


def _found(store: str, result: Any, name: DiskName | None) -> Iterable[FoundDisk]:
    folder = read_path(result.folderPath).path.strip("/")
    for file in result.file or ():
        disk = disk_of(folder.rpartition("/")[2], file.path)
        if disk is not None and name in {None, disk.name}:
            size_mb = int(getattr(file, "capacityKb", None) or 0) // 1024
            yield FoundDisk(disk=disk, path=FilePath(store=store, path=f"{folder}/{file.path}"), size_mb=size_mb)
