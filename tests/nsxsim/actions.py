"""POST actions on policies, rules and gateways, the tags in use, and projects. Reference 5.2."""

from collections.abc import Iterable
from typing import Any, Final

from tests.nsxsim import kinds, reads
from tests.nsxsim.problems import Json, Refusal, absent, invalid
from tests.nsxsim.routes import Call, action, computed, route
from tests.nsxsim.sim import Sim
from tests.nsxsim.tree import Node

OPERATIONS: Final = ("insert_top", "insert_bottom", "insert_after", "insert_before")


def install(sim: Sim) -> None:
    sim.rooms["projects"] = Projects(sim)


def _revise(call: Call) -> Json:
    """Moves a policy or rule among its kin, then PUTs it. Kin are renumbered where the numbers leave no room."""
    place = kinds.place(call.path)
    node = call.sim.tree.node(call.path)
    if place is None or node is None:
        raise absent(call.path)
    operation = call.query.get("operation", "insert_top")
    if operation not in OPERATIONS:
        raise invalid(f"'{operation}' is not one of {list(OPERATIONS)}", code=255, field="operation")
    kin = [each for each in call.sim.tree.children(place.parent, place.collection) if each.path != call.path]
    kin.sort(key=lambda each: (each.body.get("sequence_number", 0), each.id))
    at = _position(call, operation, kin)
    body = {**(call.body or node.body), "sequence_number": _number(call, kin, at)}
    call.sim.write(call.path, body, call.who, replace=True)
    return reads.shown(call.sim.tree, call.sim.tree.nodes[call.path], call.who)


def _position(call: Call, operation: str, kin: list[Node]) -> int:
    if operation in ("insert_top", "insert_bottom"):
        return 0 if operation == "insert_top" else len(kin)
    anchor = call.needed("anchor_path")
    paths = [each.path for each in kin]
    if anchor not in paths:
        raise absent(anchor)
    return paths.index(anchor) + (operation == "insert_after")


def _number(call: Call, kin: list[Node], at: int) -> int:
    """A sequence number for position `at` among its kin; those after it are moved up when there is no gap."""
    below = kin[at - 1].body.get("sequence_number", 0) if at else -1
    number = int(below) + 1
    taken = number
    for each in kin[at:]:
        if each.body.get("sequence_number", 0) > taken:
            break
        taken += 1
        call.sim.write(each.path, {"sequence_number": taken}, call.who)
    return number


def _policy(call: Call, _domain: str, _policy_id: str) -> Json:
    return _revise(call)


def _rule(call: Call, _domain: str, _policy_id: str, _rule_id: str) -> Json:
    return _revise(call)


for _kind in ("security-policies", "gateway-policies"):
    action(f"/infra/domains/*/{_kind}/*", "revise")(_policy)
    action(f"/infra/domains/*/{_kind}/*/rules/*", "revise")(_rule)


@route("POST", "/infra/tier-0s/*/actions/failover")
@action("/infra/tier-0s/*", "reprocess")
def tier0_action(call: Call, tier0: str) -> None:
    path = f"/infra/tier-0s/{tier0}"
    if call.sim.tree.node(path) is None:
        raise absent(path)
    call.sim.realisation.again(path)


def _tags(nodes: Iterable[Node]) -> dict[tuple[str, str], list[Node]]:
    used: dict[tuple[str, str], list[Node]] = {}
    for node in nodes:
        for tag in node.body.get("tags") or ():
            used.setdefault((tag.get("scope") or "", tag.get("tag") or ""), []).append(node)
    return used


@computed("/infra/tags")
def tags(call: Call) -> Json:
    used = sorted(_tags(node for node in call.sim.tree.nodes.values() if not node.pending))
    wanted = {name: call.query[name] for name in ("scope", "tag") if name in call.query}
    rows = [{"scope": scope, "tag": tag} for scope, tag in used]
    return reads.page(call, [row for row in rows if wanted.items() <= row.items()], dict, sort_by="scope")


@computed("/infra/tags/effective-resources")
def tagged(call: Call) -> Json:
    used = _tags(node for node in call.sim.tree.nodes.values() if not node.pending)
    nodes = used.get((call.query.get("scope", ""), call.query.get("tag", "")), [])
    return reads.page(call, nodes, _reference)


def _reference(node: Node) -> Json:
    return {
        "is_valid": True,
        "path": node.path,
        "target_display_name": node.body["display_name"],
        "target_id": node.path,
        "target_type": node.body["resource_type"],
    }


class Projects:
    """`/orgs/default/projects/{p}`: each is a copy of the tree below `/orgs/default/projects/{p}/infra`."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.bodies: dict[str, Json] = {}

    def saved(self) -> Any:
        return self.bodies

    def restore(self, said: Any) -> None:
        self.bodies.update(said)


def _projects(call: Call) -> Projects:
    held: Projects = call.sim.rooms["projects"]
    return held


_ORG: Final[Json] = {
    "id": "default",
    "display_name": "default",
    "path": "/orgs/default",
    "resource_type": "Org",
    "relative_path": "default",
    "parent_path": "/",
    "_revision": 0,
}


@computed("/orgs")
def orgs(call: Call) -> Json:
    return reads.page(call, [_ORG], dict)


@computed("/orgs/*")
def org(_call: Call, name: str) -> Json:
    if name != "default":
        raise absent(f"/orgs/{name}")
    return _ORG


@computed("/orgs/*/projects")
def projects(call: Call, name: str) -> Json:
    org(call, name)
    return reads.page(call, [body for _, body in sorted(_projects(call).bodies.items())], dict)


@computed("/orgs/*/projects/*")
def project(call: Call, name: str, id: str) -> Json:
    body = _projects(call).bodies.get(f"/orgs/{name}/projects/{id}")
    if body is None:
        raise absent(f"/orgs/{name}/projects/{id}")
    return body


@route("PUT", "/orgs/*/projects/*")
def put_project(call: Call, name: str, id: str) -> Json:
    """Creates or changes a project, and its domain."""
    org(call, name)
    path = f"/orgs/{name}/projects/{id}"
    held = _projects(call)
    before = held.bodies.get(path)
    if before is not None and call.method == "PUT" and call.body.get("_revision") != before["_revision"]:
        settings = call.sim.settings
        raise Refusal(settings.stale_status, settings.stale_code, f"The object path=[{path}] was changed.")
    kept = {k: v for k, v in call.body.items() if not k.startswith("_")}
    body = {"display_name": id, **(before or {}), **kept, "id": id, "path": path, "resource_type": "Project"}
    body |= {"parent_path": f"/orgs/{name}", "relative_path": id}
    body["_revision"] = before["_revision"] + 1 if before else 0
    held.bodies[path] = body
    if before is None:
        call.sim.tree.root(f"{path}/infra")
        domain = f"{path}/infra/domains/default"
        call.sim.write(domain, {}, call.who)
    return body


@route("PATCH", "/orgs/*/projects/*")
def patch_project(call: Call, name: str, id: str) -> None:
    put_project(call, name, id)


@route("DELETE", "/orgs/*/projects/*")
def delete_project(call: Call, name: str, id: str) -> None:
    """Refused while anything but the domain is in it."""
    path = f"/orgs/{name}/projects/{id}"
    project(call, name, id)
    left = [node.path for node in call.sim.tree.below(f"{path}/infra") if node.path != f"{path}/infra/domains/default"]
    if left:
        raise Refusal(400, 500030, f"The object path=[{path}] cannot be deleted: it has children path=[{left[0]}].")
    call.sim.delete(f"{path}/infra/domains/default", call.who)
    del _projects(call).bodies[path]
