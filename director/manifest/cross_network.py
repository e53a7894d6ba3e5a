"""Groups against networks: zones, static addresses, defaults (bosh-director.md 1.6, 1.8, D.4)."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from director.manifest import faults
from director.manifest.addresses import overlaps, read_address, read_network, span_of, span_text
from director.manifest.document import Path
from director.manifest.near import instead_of, listed
from director.manifest.scope import Scope
from director.model.cloud import Network, NetworkType, Span, Subnet
from director.model.deployment import GroupNetwork, InstanceGroup
from director.model.names import NetworkName
from director.model.problem import Mark

_GATEWAYS: Final = frozenset(("dns", "gateway"))


def check_networks(scope: Scope, path: Path, group: InstanceGroup) -> None:
    """One group: its zones exist, its networks exist and reach them, its static addresses can be given."""
    zones = {az.name for az in scope.cloud.azs}
    for index, az in enumerate(group.azs):
        if az not in zones:
            detail = f'The group "{group.name}" is in the zone "{az}", which no cloud config declares.'
            fix = instead_of(az, zones, "declare it under azs in the cloud config")
            mark = scope.mark((*path, "azs", index) if path else (), group.mark)
            scope.tell(faults.UNKNOWN_AZ, mark, detail, fix)
    for position, joined in enumerate(group.networks):
        network = scope.networks.get(joined.name)
        if network:
            _check_zones(scope, path, group, network)
            _check_addresses(scope, path, position, group, network)
        elif joined.name:
            detail = f'The group "{group.name}" joins the network "{joined.name}", which no cloud config declares.'
            fix = instead_of(joined.name, scope.networks, "declare it under networks in the cloud config")
            scope.tell(faults.UNKNOWN_NETWORK, joined.mark, detail, fix)


def check_static_once(scope: Scope) -> None:
    """No address is given to two groups on one network."""
    owners: dict[tuple[NetworkName, str], str] = {}
    for group in scope.deployment.groups:
        for joined in group.networks:
            for ip in joined.static_ips:
                owner = owners.setdefault((joined.name, ip), group.name)
                if owner != group.name:
                    detail = f'The address {ip} on "{joined.name}" is given to "{owner}" and to "{group.name}".'
                    scope.tell(faults.STATIC_TWICE, joined.mark, detail, "give each its own address.")


def _check_zones(scope: Scope, path: Path, group: InstanceGroup, network: Network) -> None:
    reached = {az for subnet in network.subnets for az in subnet.azs}
    if not reached:
        return
    mark = scope.mark_if((*path, "azs"), group.mark)
    if not group.azs:
        detail = f'The network "{network.name}" has subnets in zones, but the instance group "{group.name}" names none.'
        fix = f"add azs: with some of {listed(reached)}."
        scope.tell(faults.AZS_MISSING, mark, detail, fix)
    declared = {az.name for az in scope.cloud.azs}
    for az in sorted(set(group.azs) & declared - reached):
        detail = f'The group "{group.name}" is in zone "{az}", where its network "{network.name}" has no subnet.'
        fix = f'add a subnet in "{az}" to the cloud config, or keep to {listed(reached)}.'
        scope.tell(faults.AZ_UNCOVERED, mark, detail, fix)


def _check_addresses(scope: Scope, path: Path, position: int, group: InstanceGroup, network: Network) -> None:
    joined = group.networks[position]
    here: Path = (*path, "networks", position, "static_ips") if path else ()
    mark = scope.mark(here, joined.mark)
    match network.type:
        case NetworkType.MANUAL:
            _check_static(scope, mark, group, joined, network)
        case NetworkType.DYNAMIC if joined.static_ips:
            detail = f'The group "{group.name}" wants static addresses on the dynamic network "{joined.name}".'
            scope.tell(faults.STATIC_ON_DYNAMIC, mark, detail, "remove static_ips, or join a manual network.")
        case NetworkType.VIP:
            _check_vip(scope, mark, group, joined, network)


def _check_vip(scope: Scope, mark: Mark | None, group: InstanceGroup, joined: GroupNetwork, network: Network) -> None:
    gives = any(subnet.static for subnet in network.subnets)
    if gives and joined.static_ips:
        detail = f'The vip network "{network.name}" gives out addresses itself, but "{group.name}" lists static ones.'
        scope.tell(faults.VIP_ADDRESSES, mark, detail, "remove static_ips, or the network's subnets.")
    elif not gives and not joined.static_ips and group.instances:
        detail = f'The group "{group.name}" joins the vip network "{network.name}" without static addresses.'
        scope.tell(faults.VIP_ADDRESSES, mark, detail, "add static_ips: with one address per instance.")
    wrong = sorted(_GATEWAYS & set(joined.default))
    if wrong:
        detail = f'The vip network "{network.name}" is the default of "{group.name}" for {" and ".join(wrong)}.'
        scope.tell(faults.VIP_DEFAULT, joined.mark, detail, "make another network of the group the default.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The subnets of a network by address, so that many addresses are looked up quickly."""

    firsts: tuple[tuple[int, int], ...]
    spans: tuple[Span, ...]
    subnets: tuple[Subnet, ...]

    def subnet_of(self, version: int, number: int) -> Subnet | None:
        before = bisect_right(self.firsts, (version, number))
        if not before or self.firsts[before - 1][0] != version or self.spans[before - 1].last < number:
            return None
        return self.subnets[before - 1]


def _table(network: Network) -> _Table:
    known = [(read_network(subnet.range or ""), subnet) for subnet in network.subnets]
    ordered = sorted(
        ((block.version, span_of(block), subnet) for block, subnet in known if block is not None),
        key=lambda entry: (entry[0], entry[1].first),
    )
    return _Table(
        firsts=tuple((version, span.first) for version, span, _ in ordered),
        spans=tuple(span for _, span, _ in ordered),
        subnets=tuple(subnet for _, _, subnet in ordered),
    )


def _check_static(
    scope: Scope, mark: Mark | None, group: InstanceGroup, joined: GroupNetwork, network: Network
) -> None:
    table = _table(network)
    for ip in joined.static_ips:
        address = read_address(ip)
        assert address is not None, "static addresses were expanded from numbers"
        subnet = table.subnet_of(address.version, int(address))
        if subnet is None:
            ranges = listed(subnet.range or "a range yet to be carved" for subnet in network.subnets)
            detail = f'The static address {ip} of "{group.name}" is in no subnet of "{network.name}" ({ranges}).'
            scope.tell(faults.STATIC_OUTSIDE, mark, detail, "take an address of one of its static ranges.")
        else:
            _check_in_subnet(scope, mark, group, ip, subnet)


def _check_in_subnet(scope: Scope, mark: Mark | None, group: InstanceGroup, ip: str, subnet: Subnet) -> None:
    address = read_address(ip)
    assert address is not None, "looked up before"
    one = Span(first=int(address), last=int(address))
    is_v6 = address.version == 6
    if ip == subnet.gateway or any(overlaps(one, span) for span in subnet.reserved):
        detail = f'The static address {ip} of "{group.name}" is the gateway or reserved in {subnet.range}.'
        scope.tell(faults.STATIC_RESERVED, mark, detail, f"take one of {_static_text(subnet, is_v6=is_v6)}.")
    elif not any(overlaps(one, span) for span in subnet.static):
        detail = f'The static address {ip} of "{group.name}" is inside {subnet.range} but outside its static ranges.'
        fix = f"take one of {_static_text(subnet, is_v6=is_v6)}, or add {ip} to static: of that subnet."
        scope.tell(faults.STATIC_NOT_STATIC, mark, detail, fix)
    elif subnet.azs and group.azs and not set(subnet.azs) & set(group.azs):
        detail = f'The static address {ip} of "{group.name}" is in zone {listed(subnet.azs)}, not in the group\'s.'
        scope.tell(faults.STATIC_WRONG_AZ, mark, detail, "take one of the group's zones, or add the zone to azs.")


def _static_text(subnet: Subnet, *, is_v6: bool) -> str:
    return (
        ", ".join(span_text(span, is_v6=is_v6) for span in subnet.static[:5]) or "none: the subnet has no static range"
    )
