"""Networks and their subnets: ranges, gateways, reserved and static addresses (bosh-director.md 2.1)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from director.manifest import faults
from director.manifest.addresses import (
    Network,
    is_within,
    overlapping,
    overlaps,
    read_address,
    read_network,
    read_span,
    span_of,
    span_text,
)
from director.manifest.check_fabric import check_carved, check_managed, check_ranged, is_managed
from director.manifest.document import Path
from director.manifest.faults import Fault
from director.manifest.merge import Item
from director.manifest.pick import text, texts, texts_or_one, trees
from director.model.cloud import Span
from director.model.tree import Tree

_MANUAL_ONLY: Final = ("range", "gateway", "reserved", "netmask_bits")


def check_network(item: Item) -> None:
    """Everything about one network but the existence of its zones."""
    kind = text(item.tree, "type", "manual")
    if item.report.is_broken((*item.path, "type")):
        return
    subnets = list(trees(item.tree, "subnets"))
    for key in ("az", "azs"):
        if key in item.tree:
            detail = f'The network "{item.name}" has {key} itself; zones belong to its subnets.'
            item.report.error((*item.path, key), faults.NETWORK_PROPERTY, detail, f"move {key} into the subnets.")
    for index, subnet in subnets:
        _check_subnet(item, (*item.path, "subnets", index), subnet, kind)
    _check_kept_keys(item)
    if is_managed(item):
        check_managed(item, subnets)
    _check_zones_in_all(item, subnets)
    if kind == "manual":
        _check_manual(item, subnets)
    elif subnets:
        _check_not_both(item, kind)


def _check_manual(item: Item, subnets: Sequence[tuple[int, Tree]]) -> None:
    if not subnets and not item.report.is_broken(item.path):
        detail = f'The manual network "{item.name}" has no subnets, so that it has no addresses.'
        item.report.error(item.path, faults.SUBNET_RANGE, detail, "add subnets: with range and gateway of each.")
    ranges = [(index, read_network(text(subnet, "range"))) for index, subnet in subnets]
    known = [(index, network) for index, network in ranges if network is not None]
    known.sort(key=lambda entry: (entry[1].version, int(entry[1].network_address), entry[1].prefixlen))
    for (_, one), (index, other) in pairwise(known):
        # Blocks are nested or apart, so that the first overlap shows between neighbours.
        if one.version == other.version and overlaps(span_of(one), span_of(other)):
            path: Path = (*item.path, "subnets", index, "range")
            detail = f'The subnets {one} and {other} of the network "{item.name}" overlap.'
            item.report.error(path, faults.SUBNET_OVERLAP, detail, "make them apart from each other.")


def _check_not_both(item: Item, kind: str) -> None:
    for key in ("dns", "cloud_properties"):
        if item.tree.get(key):
            detail = f'The {kind} network "{item.name}" has both subnets and {key} of its own.'
            item.report.error((*item.path, key), faults.NETWORK_PROPERTY, detail, f"move {key} into the subnets.")


def _check_kept_keys(item: Item) -> None:
    if item.tree.get("prefix"):
        detail = f'prefix of the network "{item.name}" is not acted on.'
        item.report.warn((*item.path, "prefix"), faults.NOT_HONOURED, detail, "remove it, if that is what you want.")


def _check_zones_in_all(item: Item, subnets: Sequence[tuple[int, Tree]]) -> None:
    with_zones = [index for index, subnet in subnets if "az" in subnet or "azs" in subnet]
    without = [index for index, _ in subnets if index not in set(with_zones)]
    if with_zones and without:
        detail = f'Some subnets of the network "{item.name}" name zones, this one does not.'
        path: Path = (*item.path, "subnets", without[0])
        item.report.error(path, faults.SUBNET_AZS_MIXED, detail, "give all of its subnets az or azs, or none.")


def _check_subnet(item: Item, path: Path, subnet: Tree, kind: str) -> None:
    if "az" in subnet and "azs" in subnet:
        detail = f'A subnet of the network "{item.name}" has both az and azs.'
        item.report.error((*path, "azs"), faults.NETWORK_PROPERTY, detail, "keep azs.")
    if subnet.get("azs") == []:
        detail = f'A subnet of the network "{item.name}" has an empty list of zones.'
        item.report.error((*path, "azs"), faults.SUBNET_AZS_EMPTY, detail, "name at least one zone, or remove azs.")
    for index, server in enumerate(texts(subnet, "dns")):
        if read_address(server) is None:
            detail = f'The DNS server "{server[:60]}" of the network "{item.name}" is not an address.'
            item.report.error((*path, "dns", index), faults.SUBNET_DNS, detail, "write an address such as 10.0.0.2.")
    if kind == "manual":
        _check_range(item, path, subnet)
    else:
        _check_no_range(item, path, subnet, kind)


def _check_no_range(item: Item, path: Path, subnet: Tree, kind: str) -> None:
    for key in _MANUAL_ONLY:
        if key in subnet:
            detail = f'A subnet of the {kind} network "{item.name}" has {key}, which only manual networks have.'
            item.report.error(
                (*path, key), faults.NETWORK_PROPERTY, detail, f"remove {key}, or make the network manual."
            )
    if kind == "vip":
        for index, entry in enumerate(texts_or_one(subnet, "static")):
            if read_span(entry) is None:
                _refuse_entry(item, (*path, "static", index), faults.SUBNET_STATIC, entry)


def _check_range(item: Item, path: Path, subnet: Tree) -> None:
    where: Path = (*path, "range")
    if is_managed(item) and "range" not in subnet:
        check_carved(item, path, subnet)
        return
    if "range" not in subnet:
        detail = f'A subnet of the manual network "{item.name}" has no range.'
        item.report.error(where, faults.SUBNET_RANGE, detail, "add range: with a CIDR block such as 10.0.0.0/24.")
        return
    written = text(subnet, "range")
    network = read_network(written)
    if network is None or network.num_addresses < 2:
        if not item.report.is_broken(where):
            why = "is no CIDR block" if network is None else "has fewer than two addresses"
            detail = f'The range "{written[:60]}" of the network "{item.name}" {why}.'
            item.report.error(where, faults.SUBNET_RANGE, detail, "write a CIDR block such as 10.0.0.0/24.")
        return
    if is_managed(item):
        check_ranged(item, path, subnet)
    if "gateway" in subnet or not is_managed(item):
        _check_gateway(item, path, subnet, network)
    reserved = _check_entries(item, (*path, "reserved"), subnet, network, faults.SUBNET_RESERVED)
    static = _check_entries(item, (*path, "static"), subnet, network, faults.SUBNET_STATIC)
    _check_static_free(item, static, reserved, network)


def _check_gateway(item: Item, path: Path, subnet: Tree, network: Network) -> None:
    where: Path = (*path, "gateway")
    if "gateway" not in subnet:
        detail = f"The subnet {network} has no gateway."
        item.report.error(where, faults.SUBNET_GATEWAY, detail, f"add gateway: such as {network[1]}.")
        return
    written = text(subnet, "gateway")
    gateway = read_address(written)
    why = ""
    if gateway is None:
        why = "is no single address"
    elif gateway not in network:
        why = f"is outside {network}"
    elif gateway == network.network_address:
        why = f"is the address of the network {network} itself"
    elif gateway == network.broadcast_address:
        why = f"is the broadcast address of {network}"
    if why and not item.report.is_broken(where):
        detail = f'The gateway "{written[:60]}" {why}.'
        item.report.error(where, faults.SUBNET_GATEWAY, detail, f"write an address inside it, such as {network[1]}.")


def _check_entries(item: Item, path: Path, subnet: Tree, network: Network, fault: Fault) -> list[tuple[Path, Span]]:
    """The spans of ``reserved`` or ``static`` that lie inside the range; the others are reported."""
    inside: list[tuple[Path, Span]] = []
    key = str(path[-1])
    for index, entry in enumerate(texts_or_one(subnet, key)):
        where: Path = (*path, index)
        span = read_span(entry)
        if span is None:
            _refuse_entry(item, where, fault, entry)
        elif not is_within(span, span_of(network)) or (":" in entry) != (network.version == 6):
            detail = f'The {key} entry "{entry[:60]}" is not inside the range {network}.'
            item.report.error(where, fault, detail, f"keep it inside {network}, or remove it.")
        else:
            inside.append((where, span))
    return inside


def _refuse_entry(item: Item, path: Path, fault: Fault, entry: str) -> None:
    detail = f'"{entry[:60]}" in {item.report.words(path[:-1])} is no address, range or CIDR block.'
    fix = "write it as 10.0.0.5, 10.0.0.5-10.0.0.9 or 10.0.0.8/29."
    item.report.error(path, fault._replace(number=160010), detail, fix)


def _check_static_free(
    item: Item, static: Sequence[tuple[Path, Span]], reserved: Sequence[tuple[Path, Span]], network: Network
) -> None:
    is_v6 = network.version == 6
    for index, taken in overlapping([span for _, span in static], [span for _, span in reserved]):
        path, span = static[index]
        detail = f"{span_text(span, is_v6=is_v6)} is static, but {span_text(taken, is_v6=is_v6)} is reserved."
        item.report.error(path, faults.SUBNET_STATIC, detail, "take these addresses out of one of the two.")
