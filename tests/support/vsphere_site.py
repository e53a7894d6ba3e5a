"""Small sites for the placement's tests: clusters, hosts and datastores in a line each; wishes likewise."""

from collections.abc import Mapping, Sequence
from typing import Any

from director.adapters.vsphere.choices import ClusterChoice
from director.adapters.vsphere.settings import DatacenterSettings, Settings, StorePattern
from director.adapters.vsphere.site import Cluster, Datastore, Host, Inventory, Network, Pod, Pool
from director.adapters.vsphere.where import NetworkKind
from director.model.names import AzName, DeploymentName, DiskCid, DiskName, StemcellCid, VmName
from director.model.placement import DiskWish, VmWish
from director.model.wanted import VmShape

GB = 1024


def host(name: str, free_gb: float = 64, *, total_gb: int = 64, is_usable: bool = True) -> Host:
    used = int((total_gb - free_gb) * GB)
    return Host(
        moid=f"host-{name}", name=name, is_usable=is_usable, memory_mb=total_gb * GB, used_mb=used, cpu_mhz=2500
    )


def cluster(name: str, *hosts: Host, pools: Mapping[str, int] | None = None, **changes: Any) -> Cluster:
    """``pools``: path → free GB. Without hosts it has two of 64 GB."""
    hosts = hosts or (host(f"{name}-a"), host(f"{name}-b"))
    return Cluster(
        moid=f"domain-{name}",
        name=name,
        root_pool=f"root-{name}",
        hosts=hosts,
        effective_mb=sum(one.memory_mb for one in hosts),
        pools=tuple(Pool(moid=f"pool-{path}", path=path, free_mb=gb * GB) for path, gb in (pools or {}).items()),
        **changes,
    )


def store(
    name: str, free_gb: float, hosts: Sequence[Host | Cluster], *, capacity_gb: int = 1024, **more: Any
) -> Datastore:
    flat = [one for part in hosts for one in (part.hosts if isinstance(part, Cluster) else (part,))]
    return Datastore(
        moid=f"ds-{name}",
        name=name,
        free_mb=int(free_gb * GB),
        capacity_mb=capacity_gb * GB,
        hosts=frozenset(one.moid for one in flat),
        **more,
    )


def network(name: str, path: str = "", **more: Any) -> Network:
    kind = more.pop("kind", NetworkKind.STANDARD)
    return Network(moid=f"net-{path or name}", name=name, path=path or name, kind=kind, **more)


def site(
    clusters: Sequence[Cluster],
    stores: Sequence[Datastore],
    networks: Sequence[Network] = (network("PG"),),
    **more: Any,
) -> Inventory:
    pods: Sequence[Pod] = more.pop("pods", ())
    return Inventory(
        datacenters=("DC0",),
        datacenter="datacenter-1",
        vm_folder="group-v1",
        cluster_names=tuple(sorted(one.name for one in clusters)),
        clusters=tuple(clusters),
        datastores=tuple(stores),
        pods=tuple(pods),
        networks=tuple(networks),
    )


def settings(*clusters: str | ClusterChoice, ephemeral: str = "^e", persistent: str = "^p", **more: Any) -> Settings:
    choices = tuple(ClusterChoice(name=one) if isinstance(one, str) else one for one in clusters)
    return Settings(
        host="vc",
        user="u",
        password="p",
        datacenter=DatacenterSettings(
            name="DC0",
            ephemeral=StorePattern(datastores=ephemeral),
            persistent=StorePattern(datastores=persistent),
            clusters=choices,
        ),
        **more,
    )


def vm(label: str, *, ram_gb: float = 1, disk_gb: int = 2, disks: Sequence[str] = (), **more: Any) -> VmWish:
    """Named ``vm-<label>``, on network PG unless ``networks`` says otherwise; other words are cloud properties."""
    networks = more.pop("networks", {"default": {"ip": "10.0.0.9", "cloud_properties": {"name": "PG"}}})
    az = more.pop("az", "z1")
    return VmWish(
        name=VmName(f"vm-{label}"),
        deployment=DeploymentName("cf"),
        label=label,
        shape=VmShape(
            stemcell_name="s",
            stemcell_version="1",
            stemcell_cid=StemcellCid("sc-1"),
            cloud_properties={"cpu": 1, "ram": int(ram_gb * GB), "disk": disk_gb * GB, **more},
            networks=networks,
        ),
        az=AzName(az),
        disks=tuple(DiskCid(cid) for cid in disks),
    )


def disk(name: str, of: str, size_gb: int = 10, **cloud_properties: Any) -> DiskWish:
    return DiskWish(name=DiskName(name), size_mb=size_gb * GB, vm=VmName(f"vm-{of}"), cloud_properties=cloud_properties)
