"""Rules and realisation of address blocks, pools, subnets and allocations; ipam.py keeps who holds what.

Known at once (400): overlapping subnets of one pool, a block or range shrunk below what is held. All the rest shows in
realisation, as an alarm. Reference 5.6 and 5.7.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from tests.nsxsim import spans
from tests.nsxsim.ipam import NOTHING_USED, OVERLAPS, Ipam, gateway_of, of_tree, offered, spaces
from tests.nsxsim.kinds import Place
from tests.nsxsim.problems import Json, Refusal, in_use, invalid, overlap
from tests.nsxsim.realise import Alarm, Realiser, realiser
from tests.nsxsim.rules import check, check_delete, complete
from tests.nsxsim.spans import Span
from tests.nsxsim.tree import Tree

if TYPE_CHECKING:
    from tests.nsxsim.sim import Sim

BLOCK: Final = "IpAddressPoolBlockSubnet"


@complete("IpAddressPool")
def empty_at_first(_tree: Tree, _place: Place, body: Json, before: Json | None) -> Json:
    return body if before is not None else {**body, "pool_usage": NOTHING_USED}


@check("IpAddressBlock")
def block_holds_its_subnets(tree: Tree, place: Place, body: Json, before: Json | None) -> Iterator[Refusal]:
    """A block does not shrink below what was carved from it."""
    if before is None:
        return
    offers = spans.without(spaces(body), spans.of_ranges(body.get("excluded_ips")))
    for path, network in sorted(of_tree(tree).of_block(place.path).items()):
        if not any(each.holds(network) for each in offers):
            yield invalid(f"{spans.cidr_of(network)} of path=[{path}] is carved from it", field="cidr")


@check("IpAddressPoolSubnet")
def subnets_of_one_pool(tree: Tree, place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    """They do not overlap."""
    mine = _network(body)
    for node in tree.children(place.parent, "ip-subnets"):
        other = _network(node.body)
        if node.path != place.path and mine is not None and other is not None and mine.meets(other):
            yield overlap(f"Subnet {body['cidr']} of path=[{place.path}] overlaps with path=[{node.path}].")


def _network(subnet: Json) -> Span | None:
    try:
        return spans.of_cidr(subnet["cidr"])
    except (KeyError, ValueError):
        return None  # not carved yet; special.py tells of a CIDR that is none


@check("IpAddressPoolSubnet")
def ranges_hold_what_is_given(tree: Tree, place: Place, body: Json, before: Json | None) -> Iterator[Refusal]:
    """A static subnet does not shrink below the addresses given from it."""
    if before is None or body["resource_type"] == BLOCK:
        return
    lost = spans.without(offered(before), offered(body))
    for path in _given_from(of_tree(tree), place.parent, lost):
        yield invalid(f"path=[{path}] holds an address that is no longer in a range", field="allocation_ranges")


@check_delete("IpAddressPoolSubnet")
def subnet_is_empty(tree: Tree, place: Place, body: Json, doomed: Mapping[str, Place]) -> Iterator[Refusal]:
    """A subnet stays while addresses given from it are held."""
    ipam = of_tree(tree)
    network = ipam.carved.get(place.path) or _network(body)
    users = [path for path in _given_from(ipam, place.parent, [network] if network else []) if path not in doomed]
    users = [path for path in users if tree.node(path) is not None]
    if users:
        yield in_use(place.path, users)


def _given_from(ipam: Ipam, pool: str, where: list[Span]) -> list[str]:
    held = ipam.given.get(pool, {})
    return sorted(path for path, address in held.items() if any(each.holds(address) for each in where))


def _room(sim: "Sim") -> Ipam:
    found: Ipam = sim.rooms["ipam"]
    return found


def _is_settled(sim: "Sim", path: str) -> bool:
    found = sim.realisation.entities(path)
    return bool(found) and all(each["state"] in ("REALIZED", "ERROR") for each in found)


def _attributes(entity: Json, **said: str) -> None:
    entity["extended_attributes"] = [
        {"data_type": "STRING", "multivalue": False, "key": key, "values": [value]}
        for key, value in said.items()
        if value
    ]


def _block_is_there(sim: "Sim", body: Json) -> bool:
    return body["resource_type"] != BLOCK or _is_settled(sim, body["ip_block_path"])


def _realise_subnet(sim: "Sim", body: Json, entity: Json) -> Alarm | None:
    alarm = _carve(sim, body, entity) if body["resource_type"] == BLOCK else _stand(sim, body, entity)
    _room(sim).tell_usage(body["parent_path"])
    return alarm


def _carve(sim: "Sim", body: Json, entity: Json) -> Alarm | None:
    ipam = _room(sim)
    found = ipam.carve(body)
    if isinstance(found, Alarm):
        return found
    ipam.carved[body["path"]] = found
    cidr, gateway = spans.cidr_of(found), gateway_of(found, body)
    _attributes(entity, cidr=cidr, gateway_ip=gateway)
    if sim.settings.ipam_fills_objects:
        said = {"cidr": cidr, "allocated_cidr": cidr, "network_address": spans.text(found.version, found.first)}
        if found.version == 4:
            said["broadcast_address"] = spans.text(found.version, found.last)
        if gateway:
            said["gateway_address"] = f"{gateway}/{cidr.rpartition('/')[2]}"
        ipam.fill(body["path"], **said)
    return None


def _stand(sim: "Sim", body: Json, entity: Json) -> Alarm | None:
    _attributes(entity, cidr=body["cidr"], gateway_ip=body.get("gateway_ip", ""))
    pool = sim.tree.get(body["parent_path"]) or {}
    if pool.get("check_overlap_with_existing_pools"):
        mine = spans.of_cidr(body["cidr"])
        for node in sim.tree.of_kind("IpAddressPoolSubnet"):
            other = _network(node.body)
            if node.body["parent_path"] != body["parent_path"] and other is not None and other.meets(mine):
                return Alarm(OVERLAPS, f"Subnet {body['cidr']} overlaps with {other} of path=[{node.path}].")
    _room(sim).standing.add(body["path"])
    return None


def _subnets_are_there(sim: "Sim", body: Json) -> bool:
    if not sim.settings.allocations_wait:
        return True
    return all(_is_settled(sim, node.path) for node in sim.tree.children(body["parent_path"], "ip-subnets"))


def _realise_allocation(sim: "Sim", body: Json, entity: Json) -> Alarm | None:
    ipam = _room(sim)
    found = ipam.give(body)
    if isinstance(found, Alarm):
        return found
    address = spans.text(found.version, found.first)
    ipam.take(body["path"], body["parent_path"], found)
    _attributes(entity, allocation_ip=address)
    if sim.settings.ipam_fills_objects:
        ipam.fill(body["path"], allocation_ip=address, allocated_ip=address)
    ipam.tell_usage(body["parent_path"])
    return None


def _subnet_gone(sim: "Sim", body: Json) -> None:
    ipam = _room(sim)
    ipam.carved.pop(body["path"], None)
    ipam.standing.discard(body["path"])
    ipam.tell_usage(body["parent_path"])


def _allocation_gone(sim: "Sim", body: Json) -> None:
    ipam = _room(sim)
    ipam.release(body["path"], body["parent_path"])
    ipam.tell_usage(body["parent_path"])


realiser("IpAddressPoolSubnet", Realiser(ready=_block_is_there, realise=_realise_subnet, removed=_subnet_gone))
realiser(
    "IpAddressAllocation", Realiser(ready=_subnets_are_there, realise=_realise_allocation, removed=_allocation_gone)
)
