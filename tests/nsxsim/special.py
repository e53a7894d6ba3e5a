"""Rules of single kinds that no table holds: gateways, segments, routes, NAT. Reference 5.7."""

from collections.abc import Iterator
from ipaddress import ip_interface, ip_network
from typing import Any, Final

from tests.nsxsim import special_lb, special_security
from tests.nsxsim.kinds import Place
from tests.nsxsim.problems import Json, Refusal, invalid, overlap
from tests.nsxsim.realise import NOT_READY, Alarm, Realiser, realiser
from tests.nsxsim.rules import check, complete
from tests.nsxsim.sim import Sim
from tests.nsxsim.tree import Tree

MORE: Final = (special_lb, special_security)
EP: Final = "/infra/sites/default/enforcement-points/default"

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "SNAT": ("source_network", "translated_network"),
    "DNAT": ("destination_network", "translated_network"),
    "REFLEXIVE": ("source_network", "translated_network"),
    "NAT64": ("source_network", "destination_network", "translated_network"),
    "NO_SNAT": ("source_network",),
    "NO_DNAT": ("destination_network",),
}
"""What each NAT action cannot do without."""


@complete("PolicyNat")
def nat_type(_tree: Tree, place: Place, body: Json, _before: Json | None) -> Json:
    return {**body, "nat_type": place.id}


@complete("Tier1")
def tier1_type(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Json:
    """Only information, as the real one: unlinked gateways are isolated."""
    if not body.get("tier0_path"):
        return {**body, "type": "ISOLATED"}
    return body if body.get("type") not in (None, "ISOLATED") else {**body, "type": "ROUTED"}


@complete("Segment")
def segment(tree: Tree, place: Place, body: Json, before: Json | None) -> Json:
    """Default overlay zone, networks of the subnets, what it is connected to, an overlay id."""
    if not body.get("transport_zone_path") and not body.get("vlan_ids"):
        body = {**body, "transport_zone_path": _default_zone(tree)}
    if place.parent.rpartition("/")[0].endswith("/tier-1s"):
        body = {**body, "connectivity_path": place.parent}
    if body.get("subnets"):
        body = {**body, "subnets": [_with_network(each) for each in body["subnets"]]}
    if "overlay_id" not in body and not body.get("vlan_ids"):
        taken = (before or {}).get("overlay_id")
        body = {**body, "overlay_id": taken or tree.next_number("overlay_id", 65537)}
    return {**body, "type": "ROUTED" if body.get("connectivity_path") else "DISCONNECTED"}


def _default_zone(tree: Tree) -> str:
    zones = [n for n in tree.children(EP, "transport-zones") if n.body.get("tz_type") != "VLAN_BACKED"]
    zones.sort(key=lambda node: not node.body.get("is_default", False))
    if not zones:
        raise invalid("there is no overlay transport zone", field="transport_zone_path")
    return zones[0].path


def _with_network(subnet: Any) -> Any:
    if not isinstance(subnet, dict):
        return subnet
    try:
        return {**subnet, "network": str(ip_interface(subnet["gateway_address"]).network)}
    except (KeyError, ValueError):
        return subnet


@check("Segment")
def segment_fits(tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    zone = tree.get(body.get("transport_zone_path") or "") or {}
    is_vlan = zone.get("tz_type") == "VLAN_BACKED"
    if is_vlan and not body.get("vlan_ids"):
        yield invalid("a segment of a VLAN transport zone needs VLAN ids", field="vlan_ids")
    if is_vlan and body.get("connectivity_path"):
        yield invalid("a VLAN segment cannot be connected to a gateway", field="connectivity_path")
    if body.get("vlan_ids") and not body.get("transport_zone_path"):
        yield invalid("a VLAN segment needs its transport zone", code=255, field="transport_zone_path")
    if body.get("vlan_ids") and zone and not is_vlan:
        yield invalid("an overlay segment has no VLAN ids", field="vlan_ids")


@check("Segment")
def segment_overlaps(tree: Tree, place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    """Subnets connected to one gateway must not overlap (500105)."""
    gateway = body.get("connectivity_path")
    mine = list(_networks(body))
    if not gateway or not mine:
        return
    for path in sorted(tree.users(gateway)):
        other = tree.get(path)
        if path == place.path or other is None or other["resource_type"] != "Segment":
            continue
        if other.get("connectivity_path") != gateway:
            continue
        for here in mine:
            for there in _networks(other):
                if here.version == there.version and here.overlaps(there):
                    yield overlap(f"Subnet {here} of path=[{place.path}] overlaps with {there} of path=[{path}].")


def _networks(body: Json) -> Iterator[Any]:
    for subnet in body.get("subnets") or ():
        yield ip_interface(subnet["gateway_address"]).network


@check("SegmentPort")
def port_attachment(tree: Tree, place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    attachment = body.get("attachment") or {}
    if attachment.get("type") == "CHILD" and not (attachment.get("context_id") and "traffic_tag" in attachment):
        yield invalid("a CHILD attachment needs context_id and traffic_tag", code=255, field="attachment")
    held = attachment.get("id")
    if held:
        twins = [
            node.path
            for node in tree.children(place.parent, "ports")
            if node.path != place.path and (node.body.get("attachment") or {}).get("id") == held
        ]
        if twins:
            yield invalid(f"attachment {held} is used by path=[{twins[0]}] already", field="attachment.id")


@check("LocaleServices")
def one_locale_service(tree: Tree, place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    cluster = body.get("edge_cluster_path", "")
    for edge in body.get("preferred_edge_paths") or ():
        if not edge.startswith(f"{cluster}/"):
            yield invalid(f"{edge} is not of the edge cluster", field="preferred_edge_paths")
    if sum(1 for _ in tree.children(place.parent, "locale-services")) > 1:
        yield invalid(f"path=[{place.parent}] has locale services already", field="id")


@check("Tier0Interface")
def external_interface(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    if body.get("type") == "EXTERNAL" and not body.get("edge_path"):
        yield invalid("an EXTERNAL interface needs an edge node", code=255, field="edge_path")
    if body.get("type") in ("EXTERNAL", "SERVICE") and not body.get("segment_path"):
        yield invalid("the interface needs a segment", code=255, field="segment_path")


@check("PolicyNatRule")
def nat_rule(tree: Tree, place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    said = body["action"]
    for field in NEEDS.get(said, ()):
        if not body.get(field):
            yield invalid(f"is required for {said}", code=255, field=field)
    if said in ("NO_SNAT", "NO_DNAT") and body.get("translated_network"):
        yield invalid(f"must not be set for {said}", field="translated_network")
    if said in ("DNAT", "REFLEXIVE") and "," in body.get("translated_network", ""):
        yield invalid(f"{said} translates to one address or network, not to a list", field="translated_network")
    if body.get("translated_ports") and not body.get("service"):
        yield invalid("needs a service", field="translated_ports")
    if place.parent.endswith(("/INTERNAL", "/DEFAULT")) and body["sequence_number"] > 1023:
        yield invalid("is at most 1023 in this section", field="sequence_number")
    yield from _nat_gateway(tree, place, said)


def _nat_gateway(tree: Tree, place: Place, said: str) -> Iterator[Refusal]:
    gateway = tree.get(place.parent.rsplit("/", 2)[0]) or {}
    if gateway.get("resource_type") != "Tier0":
        return
    if gateway.get("ha_mode") == "ACTIVE_ACTIVE" and said in ("SNAT", "DNAT"):
        yield invalid(f"{said} needs an ACTIVE_STANDBY gateway; path=[{gateway['path']}] is not", field="action")


def has_service_router(sim: Sim, gateway: str) -> bool:
    """Whether a gateway has locale services with an edge cluster: NAT and load balancers run there."""
    return any(node.body.get("edge_cluster_path") for node in sim.tree.children(gateway, "locale-services"))


def _on_gateway(sim: Sim, gateway: str) -> Alarm | None:
    body = sim.tree.get(gateway) or {}
    if body.get("resource_type") not in ("Tier0", "Tier1") or has_service_router(sim, gateway):
        return None
    return Alarm(NOT_READY, f"path=[{gateway}] has no edge cluster, so no service router")


def _realise_nat(sim: Sim, body: Json, _entity: Json) -> Alarm | None:
    return _on_gateway(sim, body["parent_path"].rsplit("/", 2)[0])


def _realise_lb(sim: Sim, body: Json, _entity: Json) -> Alarm | None:
    return _on_gateway(sim, body.get("connectivity_path") or "")


realiser("PolicyNatRule", Realiser(realise=_realise_nat))
realiser("LBService", Realiser(realise=_realise_lb))


@check("IpAddressBlock")
def block_cidr(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    if not (body.get("cidr") or body.get("cidrs") or body.get("ranges")):
        yield invalid("Required property is missing", code=255, field="cidr")


@check("IpAddressPoolSubnet")
def pool_subnet(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    if body["resource_type"] == "IpAddressPoolBlockSubnet":
        if not body.get("ip_block_path"):
            yield invalid("Required property is missing", code=255, field="ip_block_path")
        if not body.get("size") and not body.get("subnet_size"):
            yield invalid("Required property is missing", code=255, field="size")
        return
    for field in ("cidr", "allocation_ranges"):
        if not body.get(field):
            yield invalid("Required property is missing", code=255, field=field)
    yield from _inside(body)


def _inside(body: Json) -> Iterator[Refusal]:
    """Ranges and gateway of a static subnet lie in its network."""
    try:
        network = ip_network(body.get("cidr", ""), strict=False)
    except ValueError:
        yield invalid(f"'{body.get('cidr')}' is not a CIDR", field="cidr")
        return
    ends = [(f"allocation_ranges.{e}", r.get(e)) for r in body.get("allocation_ranges") or () for e in ("start", "end")]
    for field, address in (*ends, ("gateway_ip", body.get("gateway_ip"))):
        if address and ip_interface(address).ip not in network:
            yield invalid(f"{address} is not in {network}", field=field)
