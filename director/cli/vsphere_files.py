"""What ``director configure vsphere`` writes, from the answers given. Pure: asks nobody, opens no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any, Final

from director.manifest.write import write

HEAD: Final = """\
# Written by `director configure vsphere`; yours to change. `director update-cloud-config FILE` tells the director.
# AZs are vCenter clusters; cloud_properties of networks and VM types are those of docs/vsphere.md.
"""
SMALL, LARGE = {"cpu": 1, "ram": 1024, "disk": 4096}, {"cpu": 2, "ram": 4096, "disk": 16384}
WORKERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """``azs`` are names with the clusters of each. Patterns are regular expressions on datastores' names.

    ``reserved`` and ``static`` are addresses or ranges (``10.0.0.2-10.0.0.9``), as a cloud config has them.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    ca_certificate: str = field(default="", repr=False)
    is_verified: bool = True
    datacenter: str
    azs: Sequence[tuple[str, Sequence[str]]]
    datastore_pattern: str
    persistent_datastore_pattern: str
    network: str
    range: str
    gateway: str
    dns: Sequence[str] = ()
    reserved: Sequence[str] = ()
    static: Sequence[str] = ()
    folders: Mapping[str, str] = field(default_factory=dict)

    @property
    def clusters(self) -> list[str]:
        return list(dict.fromkeys(cluster for _, clusters in self.azs for cluster in clusters))


def properties_of(answers: Answers) -> dict[str, Any]:
    """An infrastructure's properties, as BOSH's vSphere CPI has them."""
    connection: dict[str, Any] = {"verify": answers.is_verified}
    if answers.ca_certificate and answers.is_verified:
        connection["ca_cert"] = answers.ca_certificate
    return {
        "host": answers.host,
        **({"port": answers.port} if answers.port != 443 else {}),
        "user": answers.user,
        "password": answers.password,
        "connection_options": connection,
        "datacenters": [
            {
                "name": answers.datacenter,
                **answers.folders,
                "datastore_pattern": answers.datastore_pattern,
                "persistent_datastore_pattern": answers.persistent_datastore_pattern,
                "clusters": answers.clusters,
            }
        ],
    }


def infrastructure_text(name: str, properties: Mapping[str, Any]) -> str:
    """The director's own infrastructure. Holds the password."""
    return write({"type": "vsphere", "name": name, "properties": dict(properties)})


def cloud_config_text(answers: Answers) -> str:
    """A first cloud config, with the names that the sample manifests use."""
    names = [name for name, _ in answers.azs]
    subnet: dict[str, Any] = {"range": answers.range, "gateway": answers.gateway, "azs": names}
    for key, values in (("dns", answers.dns), ("reserved", answers.reserved), ("static", answers.static)):
        if values:
            subnet[key] = list(values)
    tree: dict[str, Any] = {
        "azs": [_az(name, clusters, answers.datacenter) for name, clusters in answers.azs],
        "networks": [
            {
                "name": "default",
                "type": "manual",
                "subnets": [{**subnet, "cloud_properties": {"name": answers.network}}],
            }
        ],
        "vm_types": [{"name": "small", "cloud_properties": SMALL}, {"name": "large", "cloud_properties": LARGE}],
        "disk_types": [{"name": "small", "disk_size": 1024}, {"name": "large", "disk_size": 10240}],
        "compilation": {
            "workers": WORKERS,
            "reuse_compilation_vms": True,
            "az": names[0],
            "vm_type": "large",
            "network": "default",
        },
    }
    return HEAD + write(tree)


def _az(name: str, clusters: Sequence[str], datacenter: str) -> dict[str, Any]:
    chosen: list[dict[str, Any]] = [{cluster: {}} for cluster in clusters]
    return {"name": name, "cloud_properties": {"datacenters": [{"name": datacenter, "clusters": chosen}]}}


def wrong_with_network(answers: Answers) -> list[str]:
    """What is wrong with the addresses, each as a sentence."""
    try:
        net = ip_network(answers.range)
    except ValueError:
        return [f"--range {answers.range}: write a network such as 10.0.16.0/24, its host bits zero."]
    try:
        gateway = ip_address(answers.gateway)
    except ValueError:
        return [f"--gateway {answers.gateway} is no address."]
    if not isinstance(net, IPv4Network):
        return [f"--range {answers.range}: networks here are IPv4."]
    if gateway not in net or gateway in {net.network_address, net.broadcast_address}:
        return [f"--gateway {answers.gateway} is no address that a machine in {answers.range} can have."]
    return []


def first_address(cidr: str) -> str:
    """What a gateway usually is; "" when ``cidr`` is no network."""
    try:
        net = ip_network(cidr)
    except ValueError:
        return ""
    return str(net.network_address + 1)


def azs_of(names: Sequence[str], clusters: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...] | None:
    """One AZ per cluster, or one of all clusters; None when they are of other numbers."""
    named = tuple(names) or tuple(f"z{number}" for number in range(1, len(clusters) + 1))
    if len(named) == len(clusters):
        return tuple((name, (cluster,)) for name, cluster in zip(named, clusters, strict=True))
    return ((named[0], tuple(clusters)),) if len(named) == 1 else None
