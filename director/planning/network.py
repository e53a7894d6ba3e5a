"""Decides the network settings a VM is created with, and the names its addresses go by (sections 2.1, 3.9).

It may not choose addresses: a settings map only says what ``address`` has reserved.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_network

from director.model.cloud import Network, NetworkType, Subnet
from director.model.deployment import InstanceGroup
from director.model.names import AzName, InstanceId, NetworkName
from director.model.tree import Node, Tree
from director.model.wanted import Address
from director.planning.address import Reservation, contains, number_of, subnets_in

DOMAIN = "bosh"
"""Top-level domain of the names of instances, as BOSH's local DNS has it."""


def networks_of(group: InstanceGroup, az: AzName | None, reservations: Sequence[Reservation]) -> Mapping[str, Tree]:
    """The settings map of each network an instance joins, by name."""
    return {
        r.network.name: settings_of(r.network, r.address, az, defaults_of(group, r.network.name)) for r in reservations
    }


def settings_of(network: Network, address: Address, az: AzName | None, defaults: Sequence[str]) -> Tree:
    """BOSH's settings map of one reservation. A dynamic network's ``ip`` is None: its VM brings it.

    BOSH's ``prefix`` (the length of the block reserved, /32 unless delegated) is left out: ``netmask`` says
    what a VM needs, and prefix would be read as the subnet's length.
    """
    subnet = _subnet_of(network, address, az)
    cloud_properties: Tree = subnet.cloud_properties if subnet else {}
    if network.type is NetworkType.VIP:
        return {"type": "vip", "ip": address.ip, "cloud_properties": cloud_properties}
    dns: list[Node] = list(subnet.dns) if subnet else []
    purposes: list[Node] = [*sorted(defaults)]
    common: dict[str, Node] = {"cloud_properties": cloud_properties, "dns": dns, "default": purposes}
    if network.type is NetworkType.DYNAMIC:
        return {"type": "dynamic", "ip": None, **common}
    assert subnet is not None, "a manual reservation lies in a subnet"
    assert subnet.range is not None, "a manual subnet has a range"
    gateway: dict[str, Node] = {"gateway": subnet.gateway} if subnet.gateway else {}
    netmask = str(ip_network(subnet.range).netmask)
    return {"type": "manual", "ip": address.ip, "netmask": netmask, **gateway, **common}


def _subnet_of(network: Network, address: Address, az: AzName | None) -> Subnet | None:
    if network.type is NetworkType.MANUAL and address.ip is not None:
        number = number_of(address.ip)
        return next((subnet for subnet in network.subnets if contains(subnet, number)), None)
    return next(iter(subnets_in(network, az)), None)


def defaults_of(group: InstanceGroup, network: NetworkName) -> tuple[str, ...]:
    """What a group uses this network for: dns, gateway, addressable. The only network serves for all."""
    named = {name for joined in group.networks if joined.name == network for name in joined.default}
    if len(group.networks) == 1:
        named |= {"dns", "gateway"}
    return tuple(sorted(named))


def main_network(group: InstanceGroup) -> NetworkName:
    """The network by whose address others reach the group: the addressable one, else the gateway's, else the first."""
    for purpose in ("addressable", "gateway"):
        for joined in group.networks:
            if purpose in defaults_of(group, joined.name):
                return joined.name
    return group.networks[0].name


def dns_name(instance: InstanceId, group: str, network: str, deployment: str) -> str:
    """The long name of an instance on one network."""
    return ".".join((instance, *(canonical(part) for part in (group, network, deployment)), DOMAIN))


def canonical(name: str) -> str:
    """A name as DNS can carry it: lower case, hyphens for underscores, nothing else but letters, digits, dots."""
    return re.sub(r"[^a-z0-9.-]", "", name.lower().replace("_", "-"))
