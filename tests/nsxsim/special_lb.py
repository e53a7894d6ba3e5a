"""Rules of load balancer kinds. Reference 5.7."""

from collections.abc import Iterator

from tests.nsxsim.kinds import Place
from tests.nsxsim.problems import Json, Refusal, invalid
from tests.nsxsim.rules import check
from tests.nsxsim.tree import Tree


@check("LBPool")
def members_or_group(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    if body.get("members") and body.get("member_group"):
        yield invalid("members and member_group exclude each other", field="members")
    snat = body.get("snat_translation") or {}
    if snat.get("type") == "LBSnatIpPool" and not snat.get("ip_addresses"):
        yield invalid("Required property is missing", code=255, field="snat_translation.ip_addresses")


@check("LBService")
def one_per_gateway(tree: Tree, place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    """One LB service per tier-1 gateway."""
    gateway = body.get("connectivity_path")
    if not gateway:
        return
    owner = tree.get(gateway) or {}
    if owner.get("resource_type") == "Group" and body.get("size") != "DLB":
        yield invalid("only a DLB service is connected to a group", field="connectivity_path")
    for path in sorted(tree.users(gateway)):
        other = tree.get(path)
        if path != place.path and other is not None and other["resource_type"] == "LBService":
            yield Refusal(400, 500159, f"path=[{gateway}] has the load balancer service path=[{path}] already.")


@check("LBVirtualServer")
def virtual_server(tree: Tree, place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    """Rules only with an HTTP profile; address and port once per service."""
    profile = tree.get(body["application_profile_path"]) or {}
    if body.get("rules") and profile.get("resource_type") != "LBHttpProfile":
        yield invalid("rules need an HTTP application profile", field="rules")
    service = body.get("lb_service_path")
    if not service:
        return
    for path in sorted(tree.users(service)):
        other = tree.get(path)
        if path == place.path or other is None or other["resource_type"] != "LBVirtualServer":
            continue
        shared = set(other["ports"]) & set(body["ports"])
        if other["ip_address"] == body["ip_address"] and shared and _udp(tree, other) == _udp(tree, body):
            yield Refusal(
                400, 500160, f"{body['ip_address']}:{','.join(sorted(shared))} is served by path=[{path}] already."
            )


def _udp(tree: Tree, body: Json) -> bool:
    return (tree.get(body["application_profile_path"]) or {}).get("resource_type") == "LBFastUdpProfile"
