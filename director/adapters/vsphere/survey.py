"""Properties as vCenter answers them → values. Pure.

What vCenter leaves out (a thing just being deleted, a right that the account lacks) is left out here too, or unusable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from director.adapters.vsphere.site import Cluster, Datastore, Host, Network, Pod, Pool
from director.adapters.vsphere.where import NetworkKind

Read: TypeAlias = Mapping[str, Mapping[str, Any]]
"""By managed object id: the properties that could be read."""

POD_DRS: Final = "podStorageDrsEntry.storageDrsConfig.podConfig.enabled"
_MB: Final = 1 << 20
_SWITCH_TYPE: Final = "nsx.LogicalSwitch"


def moid_of(ref: Any) -> str:
    # pyVmomi keeps a managed object's id nowhere else.
    return str(ref._moId)  # noqa: SLF001


def build_clusters(
    clusters: Read, hosts: Read, pools: Read, groups: Mapping[str, Mapping[str, frozenset[str]]]
) -> tuple[Cluster, ...]:
    """Sorted by name. ``clusters`` all have a name and a root pool."""
    found = [
        Cluster(
            moid=moid,
            name=unquote(str(one["name"])),
            root_pool=moid_of(one["resourcePool"]),
            effective_mb=int(one.get("summary.effectiveMemory") or 0),
            hosts=_hosts(one.get("host") or (), hosts),
            pools=_pools_below(moid_of(one["resourcePool"]), pools),
            host_groups=groups.get(moid, {}),
        )
        for moid, one in clusters.items()
    ]
    return tuple(sorted(found, key=lambda cluster: (cluster.name, cluster.moid)))


def _hosts(refs: Sequence[Any], hosts: Read) -> tuple[Host, ...]:
    found = [_host(moid, hosts[moid]) for moid in map(moid_of, refs) if "name" in hosts.get(moid, {})]
    return tuple(sorted(found, key=lambda host: (host.name, host.moid)))


def _host(moid: str, one: Mapping[str, Any]) -> Host:
    return Host(
        moid=moid,
        name=unquote(str(one["name"])),
        is_usable=one.get("runtime.connectionState") == "connected"
        and one.get("runtime.powerState") == "poweredOn"
        and one.get("runtime.inMaintenanceMode") is False,
        memory_mb=int(one.get("summary.hardware.memorySize") or 0) // _MB,
        used_mb=int(one.get("summary.quickStats.overallMemoryUsage") or 0),
        cpu_mhz=int(one.get("summary.hardware.cpuMhz") or 0),
    )


def _pools_below(root: str, pools: Read) -> tuple[Pool, ...]:
    parents = {moid: moid_of(one["parent"]) for moid, one in pools.items() if "parent" in one and "name" in one}
    found = []
    for moid in parents:
        path = _path(moid, root, parents, pools)
        if path:
            found.append(Pool(moid=moid, path=path, free_mb=_pool_free_mb(pools[moid])))
    return tuple(sorted(found, key=lambda pool: (pool.path, pool.moid)))


def _path(moid: str, root: str, parents: Mapping[str, str], named: Read) -> str:
    """Names from below ``root`` down to ``moid``; "" for what does not lie below it."""
    names: list[str] = []
    at = moid
    while at != root:
        if at not in parents:
            return ""
        names.append(unquote(str(named[at]["name"])))
        at = parents[at]
    return "/".join(reversed(names))


def _pool_free_mb(one: Mapping[str, Any]) -> int:
    """What the pool may use at most, less what it uses (3.3). quickStats lack on a pool that never ran a VM."""
    most = int(one.get("runtime.memory.maxUsage") or 0) // _MB
    quick = one.get("summary.quickStats.hostMemoryUsage")
    used = int(quick) if quick is not None else int(one.get("runtime.memory.overallUsage") or 0) // _MB
    return max(0, most - used)


def build_groups(configuration: Any) -> Mapping[str, frozenset[str]]:
    """Host groups of a cluster's configuration, by name; VM groups are none."""
    return {
        str(group.name): frozenset(moid_of(host) for host in group.host)
        for group in (configuration.group if configuration else None) or ()
        if hasattr(group, "host")
    }


def build_datastores(read: Read) -> tuple[Datastore, ...]:
    found = [
        Datastore(
            moid=moid,
            name=unquote(str(one["name"])),
            free_mb=int(one.get("summary.freeSpace") or 0) // _MB,
            capacity_mb=int(one.get("summary.capacity") or 0) // _MB,
            hosts=frozenset(moid_of(mount.key) for mount in one.get("host") or () if _is_writable(mount.mountInfo)),
            is_usable=bool(one.get("summary.accessible")) and one.get("summary.maintenanceMode") in (None, "normal"),
            pod=moid_of(one["parent"]) if one.get("parent") else None,
        )
        for moid, one in read.items()
        if "name" in one
    ]
    return tuple(sorted(found, key=lambda store: (store.name, store.moid)))


def _is_writable(mount: Any) -> bool:
    """``mounted`` and ``accessible`` are unset where vCenter is too old to know."""
    return mount.accessMode == "readWrite" and mount.mounted is not False and mount.accessible is not False


def build_pods(read: Read) -> tuple[Pod, ...]:
    found = [
        Pod(moid=moid, name=unquote(str(one["name"])), has_drs=bool(one.get(POD_DRS)))
        for moid, one in read.items()
        if "name" in one
    ]
    return tuple(sorted(found, key=lambda pod: (pod.name, pod.moid)))


def paths_of(networks: Read, folders: Read, root: str) -> Mapping[str, str]:
    """Each network's path below the network folder ``root``, by moid; only its name where a parent is not readable."""
    named = {**networks, **folders}
    parents = {moid: moid_of(one["parent"]) for moid, one in named.items() if one.get("parent") and "name" in one}
    return {moid: _path(moid, root, parents, named) for moid, one in networks.items() if "name" in one}


def build_networks(
    networks: Read, groups: Read, opaque: Read, switches: Read, paths: Mapping[str, str]
) -> tuple[Network, ...]:
    """Sorted by path. Port groups of uplinks are for switches, not for VMs."""
    found = []
    for moid, one in networks.items():
        if "name" not in one or groups.get(moid, {}).get("config.uplink"):
            continue
        name = unquote(str(one["name"]))
        plain = Network(moid=moid, name=name, path=paths.get(moid) or name, kind=NetworkKind.STANDARD)
        if moid in groups:
            found.append(_port_group(plain, groups[moid], switches))
        elif moid in opaque:
            summary = opaque[moid].get("summary")
            found += [_opaque(plain, summary)] if summary else []
        else:
            found.append(plain)
    return tuple(sorted(found, key=lambda network: (network.path, network.moid)))


def _port_group(plain: Network, group: Mapping[str, Any], switches: Read) -> Network:
    """One that NSX backs is addressed by its logical switch (3.6 step 3)."""
    of = group.get("config.distributedVirtualSwitch")
    switch = switches.get(moid_of(of), {}) if of else {}
    name, logical = unquote(str(switch.get("name", ""))), group.get("config.logicalSwitchUuid")
    if logical:
        kind = NetworkKind.NSX_DISTRIBUTED
        return replace(plain, kind=kind, switch=name, key=str(logical), of=_SWITCH_TYPE)
    key, uuid = str(group.get("key", plain.moid)), str(switch.get("uuid", ""))
    return replace(plain, kind=NetworkKind.DISTRIBUTED, switch=name, key=key, of=uuid)


def _opaque(plain: Network, summary: Any) -> Network:
    key, of = str(summary.opaqueNetworkId), str(summary.opaqueNetworkType)
    return replace(plain, kind=NetworkKind.OPAQUE, key=key, of=of)


def with_hosts(networks: Sequence[Network], read: Read) -> tuple[Network, ...]:
    """An empty list is what an account sees that has no rights on the hosts: it says nothing."""
    hosts = {moid: frozenset(map(moid_of, one.get("host") or ())) for moid, one in read.items()}
    return tuple(replace(network, hosts=hosts.get(network.moid) or None) for network in networks)
