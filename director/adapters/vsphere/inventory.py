"""Reads what a datacenter offers, in bulk: a fixed number of requests, whatever the site's size.

Three rounds, each in parallel: the datacenters; the names of its clusters, networks, folders and datastore clusters;
then the details of only those that are asked for. So a site of thousands of VMs costs what its few clusters cost.
Decides nothing: ``place`` does.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.site import Asked, Cluster, Datastore, Inventory, Network
from director.adapters.vsphere.survey import (
    POD_DRS,
    Read,
    build_clusters,
    build_datastores,
    build_groups,
    build_networks,
    build_pods,
    moid_of,
    paths_of,
    with_hosts,
)
from director.adapters.vsphere.where import NetworkKind

_DATACENTER: Final = ("name", "vmFolder", "hostFolder", "datastoreFolder", "networkFolder")
_CLUSTER: Final = ("name", "host", "datastore", "resourcePool", "summary.effectiveMemory")
_HOST: Final = (
    "name",
    "runtime.connectionState",
    "runtime.powerState",
    "runtime.inMaintenanceMode",
    "summary.hardware.memorySize",
    "summary.hardware.cpuMhz",
    "summary.quickStats.overallMemoryUsage",
)
_DATASTORE: Final = (
    "name",
    "parent",
    "host",
    "summary.accessible",
    "summary.maintenanceMode",
    "summary.freeSpace",
    "summary.capacity",
)
_POOL: Final = (
    "name",
    "parent",
    "runtime.memory.maxUsage",
    "runtime.memory.overallUsage",
    "summary.quickStats.hostMemoryUsage",
)
_PORT_GROUP: Final = (
    "key",
    "config.distributedVirtualSwitch",
    "config.logicalSwitchUuid",
    "config.uplink",
)
_KINDS: Final = {
    NetworkKind.STANDARD: vim.Network,
    NetworkKind.DISTRIBUTED: vim.dvs.DistributedVirtualPortgroup,
    NetworkKind.NSX_DISTRIBUTED: vim.dvs.DistributedVirtualPortgroup,
    NetworkKind.OPAQUE: vim.OpaqueNetwork,
}


_EVERYTHING: Final = Asked()


async def read_inventory(session: Session, settings: Settings, asked: Asked = _EVERYTHING) -> Inventory:
    """A dozen requests. A datacenter that is not there is told in the answer; raises Fault for all else."""
    datacenters = await session.read("read the datacenters", vim.Datacenter, _DATACENTER)
    names = tuple(sorted(str(one["name"]) for one in datacenters.values() if "name" in one))
    for moid, one in sorted(datacenters.items()):
        if one.get("name") == settings.datacenter.name:
            return await _Survey(session, asked, moid, one).read(names)
    return Inventory(datacenters=names)


class _Survey:
    """Of one datacenter, whose folders are in ``folders``."""

    def __init__(self, session: Session, asked: Asked, moid: str, folders: Mapping[str, Any]) -> None:
        self._session, self._asked, self._moid, self._folders = session, asked, moid, folders

    async def read(self, datacenters: tuple[str, ...]) -> Inventory:
        clusters, pods, networks = await asyncio.gather(
            self._all("clusters", vim.ClusterComputeResource, _CLUSTER, self._folders["hostFolder"]),
            self._all("datastore clusters", vim.StoragePod, ("name", POD_DRS), self._folders["datastoreFolder"]),
            self._networks(),
        )
        wanted = {moid: one for moid, one in clusters.items() if _is_asked(one.get("name"), self._asked.clusters)}
        found, datastores = await asyncio.gather(self._clusters(wanted), self._datastores(wanted))
        return Inventory(
            datacenters=datacenters,
            datacenter=self._moid,
            vm_folder=moid_of(self._folders["vmFolder"]),
            cluster_names=tuple(sorted({str(one["name"]) for one in clusters.values() if "name" in one})),
            clusters=found,
            datastores=datastores,
            pods=build_pods(pods),
            networks=networks,
        )

    async def _clusters(self, wanted: Read) -> tuple[Cluster, ...]:
        whole = {moid: one for moid, one in wanted.items() if "resourcePool" in one}
        hosts, pools, groups = await asyncio.gather(
            self._of("hosts", vim.HostSystem, _HOST, _refs(whole, "host")),
            self._pools(),
            self._host_groups(whole),
        )
        return build_clusters(whole, hosts, pools, groups)

    async def _pools(self) -> Read:
        if not self._asked.has_pools:
            return {}
        return await self._all("resource pools", vim.ResourcePool, _POOL, self._folders["hostFolder"])

    async def _host_groups(self, wanted: Read) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """The configuration is read whole, as a path into it crosses a type that does not declare groups."""
        if not self._asked.has_host_groups:
            return {}
        clusters = [self._session.of(vim.ClusterComputeResource, moid) for moid in sorted(wanted)]
        read = await self._of("host groups", vim.ClusterComputeResource, ("configurationEx",), clusters)
        return {moid: build_groups(one.get("configurationEx")) for moid, one in read.items()}

    async def _datastores(self, wanted: Read) -> tuple[Datastore, ...]:
        return build_datastores(await self._of("datastores", vim.Datastore, _DATASTORE, _refs(wanted, "datastore")))

    async def _networks(self) -> tuple[Network, ...]:
        under = self._folders["networkFolder"]
        networks, groups, opaque, folders, switches = await asyncio.gather(
            self._all("networks", vim.Network, ("name", "parent"), under),
            self._all("port groups", vim.dvs.DistributedVirtualPortgroup, _PORT_GROUP, under),
            self._all("opaque networks", vim.OpaqueNetwork, ("summary",), under),
            self._all("network folders", vim.Folder, ("name", "parent"), under),
            self._all("distributed switches", vim.DistributedVirtualSwitch, ("name", "uuid"), under),
        )
        found = build_networks(networks, groups, opaque, switches, paths_of(networks, folders, moid_of(under)))
        return with_hosts(found, await self._network_hosts(found))

    async def _network_hosts(self, networks: Sequence[Network]) -> Read:
        asked = [network for network in networks if _is_asked(network.name, self._asked.networks)]
        objects = [self._session.of(_KINDS[network.kind], network.moid) for network in asked]
        return await self._of("hosts of networks", vim.Network, ("host",), objects)

    async def _all(self, what: str, kind: type, paths: Sequence[str], under: Any) -> Read:
        return await self._session.read(f"read the {what}", kind, paths, under=under)

    async def _of(self, what: str, kind: type, paths: Sequence[str], objects: Sequence[Any]) -> Read:
        return await self._session.read(f"read the {what}", kind, paths, objects) if objects else {}


def _is_asked(name: object, asked: frozenset[str] | None) -> bool:
    return name is not None and (asked is None or name in asked)


def _refs(read: Read, path: str) -> list[Any]:
    """The managed objects that ``path`` of any names, each once, in the order of their ids."""
    by_moid = {moid_of(ref): ref for one in read.values() for ref in one.get(path) or ()}
    return [by_moid[moid] for moid in sorted(by_moid)]
