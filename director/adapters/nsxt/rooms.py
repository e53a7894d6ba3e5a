"""What is free in IP blocks and pools: their ranges, and all that anybody holds of them. Chooses nothing.

From a block every pool of NSX's may carve, so all of them are read, with one hierarchical GET.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from director.adapters.nsxt.client import Kind, NsxFault
from director.adapters.nsxt.paths import What, collection
from director.adapters.nsxt.realise import entities_of, state_of
from director.adapters.nsxt.site import Site
from director.adapters.nsxt.there import There, flat, tree_below
from director.model.fabric import Ref, Room
from director.model.problem import Problem
from director.model.tree import Tree

_SUBNETS: Final = "IpAddressPool;IpAddressPoolSubnet"
_INSIDE: Final = "IpAddressPoolSubnet;IpAddressAllocation"
_BLOCK: Final = "block"

Span = tuple[int, int]


async def rooms(site: Site, names: Sequence[str]) -> tuple[Mapping[str, Room], Sequence[Problem]]:
    """By the names asked for. A name that nobody there has is a problem."""
    asked = {name: (_what(name), Ref(to=name.partition(":")[2], is_ours=False)) for name in names}
    known, problems = await site.refs.names((), asked.values())
    paths = {name: known.paths[what, ref.to] for name, (what, ref) in asked.items() if (what, ref.to) in known.paths}
    subnets: There = {}
    if any(asked[name][0] is What.IP_BLOCK for name in paths):
        subnets = flat(await site.client.get("/infra", type_filter=_SUBNETS))
    found: dict[str, Room] = {}
    for name, path in sorted(paths.items()):
        if asked[name][0] is What.IP_BLOCK:
            found[name] = await _block(site, name, path, subnets)
        else:
            found[name] = await _pool(site, name, path)
    return found, problems


def _what(name: str) -> What:
    return What.IP_BLOCK if name.partition(":")[0] == _BLOCK else What.IP_POOL


async def _block(site: Site, name: str, path: str, subnets: There) -> Room:
    block = await site.client.get(path)
    taken = [*_spans(block.get("excluded_ips"))]
    for each_path, body in subnets.items():
        if body.get("ip_block_path") == path:
            taken += await _carved(site, each_path, body)
    cidrs = [block.get("cidr"), *_texts(block.get("cidrs"))]
    ranges = {_net(str(cidr)) for cidr in cidrs if cidr} | set(_spans(block.get("ranges")))
    return Room(name=name.partition(":")[2], ranges=tuple(sorted(ranges)), taken=tuple(sorted(set(taken))))


async def _carved(site: Site, path: str, subnet: Tree) -> list[Span]:
    """By its CIDR; else by where it was asked to begin; else by what NSX has realised."""
    if subnet.get("cidr"):
        return [_net(str(subnet["cidr"]))]
    if subnet.get("start_ip"):
        first = int(ip_address(str(subnet["start_ip"])))
        return [(first, first + int(str(subnet.get("size") or subnet.get("subnet_size") or 1)) - 1)]
    given = (await _realised(site, path)).get("cidr")
    return [_net(given)] if given else []


async def _pool(site: Site, name: str, path: str) -> Room:
    inside, pending = await asyncio.gather(tree_below(site.client, path, _INSIDE), _allocations(site, path))
    ranges: list[Span] = []
    taken: list[Span] = [*site.released.of(path)]
    for each_path, body in {**inside, **pending}.items():
        if collection(each_path) == f"{path}/ip-subnets":
            ranges += await _offered(site, each_path, body)
            taken += [_one(str(body[key])) for key in ("gateway_ip", "gateway_address") if body.get(key)]
        elif collection(each_path) == f"{path}/ip-allocations":
            address = body.get("allocation_ip") or body.get("allocated_ip")
            address = address or (await _realised(site, each_path)).get("allocation_ip")
            taken += [_one(str(address))] if address else []
    held = {span for span in taken if any(first <= span[0] <= last for first, last in ranges)}
    return Room(name=name.partition(":")[2], ranges=tuple(sorted(ranges)), taken=tuple(sorted(held)))


async def _allocations(site: Site, path: str) -> There:
    """Those on their way out as well: their addresses are not free yet (agent-cpi-vsphere.md 5.7)."""
    listed = await site.client.list(f"{path}/ip-allocations", include_mark_for_delete_objects=True)
    return {str(body.get("path")): body for body in listed}


async def _offered(site: Site, path: str, subnet: Tree) -> list[Span]:
    """Of a carved subnet the addresses between network and broadcast."""
    if subnet.get("resource_type") == "IpAddressPoolStaticSubnet":
        return [*_spans(subnet.get("allocation_ranges"))]
    return [(first + 1, last - 1) for first, last in await _carved(site, path, subnet) if last - first > 1]


async def _realised(site: Site, path: str) -> Mapping[str, str]:
    try:
        return state_of(await entities_of(site.client, path)).attributes
    except NsxFault as fault:
        if fault.kind is Kind.NOT_FOUND:
            return {}
        raise


def _spans(listed: object) -> Iterable[Span]:
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, Mapping) and each.get("start"):
            yield int(ip_address(str(each["start"]))), int(ip_address(str(each.get("end") or each["start"])))
        elif isinstance(each, str):
            first, _, last = each.partition("-")
            yield _net(first)[0], _net(last or first)[1]


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _net(cidr: str) -> Span:
    network = ip_network(cidr.strip(), strict=False)
    return int(network.network_address), int(network.broadcast_address)


def _one(address: str) -> Span:
    number = int(ip_address(address.partition("/")[0]))
    return number, number
