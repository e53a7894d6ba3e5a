"""The hierarchical API: a tree of wrappers in one PATCH, all or nothing; and GET of a tree. Reference 5.8."""

from collections.abc import Iterator
from typing import Final

from tests.nsxsim import kinds
from tests.nsxsim.kinds import Kind, Place
from tests.nsxsim.problems import Json, Refusal, absent, bad_path, invalid
from tests.nsxsim.reads import shown
from tests.nsxsim.routes import Call
from tests.nsxsim.tree import Node, Tree
from tests.nsxsim.write import Batch

WRAPPER: Final = frozenset({"children", "resource_type", "marked_for_delete", "mark_for_override", "request_parameter"})
REFERENCE: Final = "ChildResourceReference"


class _Walk:
    def __init__(self, batch: Batch, *, replace: bool, check_revision: bool) -> None:
        self.batch, self.replace, self.check_revision = batch, replace, check_revision
        self.doomed: list[Place] = []
        self.intents = 0

    def children(self, parent: str, listed: object) -> None:
        if not isinstance(listed, list):
            raise invalid("children must be a list", code=220, field=f"{parent}.children")
        for wrapper in listed:
            if not isinstance(wrapper, dict):
                raise invalid("a child must be an object", code=220, field=f"{parent}.children")
            self.child(parent, wrapper)

    def child(self, parent: str, wrapper: Json) -> None:
        said = str(wrapper.get("resource_type", ""))
        if said == REFERENCE:
            return self.reference(parent, wrapper)
        kind = kinds.KINDS.get(said.removeprefix("Child")) if said.startswith("Child") else None
        if kind is None:
            raise invalid(f"'{said}' is not a child type (below path=[{parent}])", code=255, field="resource_type")
        body = wrapper.get(kind.name)
        if not isinstance(body, dict):
            raise invalid(f"{said} holds no {kind.name} (below path=[{parent}])", code=255, field=kind.name)
        place = _place(parent, kind, str(body.get("id") or wrapper.get("id") or ""))
        self.count()
        if wrapper.get("marked_for_delete"):
            self.doomed.append(place)
            return None
        if self.replace or not self.is_only_a_step(place, body):
            self.batch.upsert(place, body, replace=self.replace, check_revision=self.check_revision)
        return self.children(place.path, body.get("children") or [])

    def is_only_a_step(self, place: Place, body: Json) -> bool:
        """Clients walk through objects that nobody may change (the domain) with a wrapper that says nothing new."""
        node = self.batch.tree.node(place.path)
        said = {name: value for name, value in body.items() if name != "children"}
        return node is not None and all(node.body.get(name) == value for name, value in said.items())

    def reference(self, parent: str, wrapper: Json) -> None:
        kind = kinds.KINDS.get(str(wrapper.get("target_type", "")))
        if kind is None:
            raise invalid(f"'{wrapper.get('target_type')}' is not a type", code=255, field="target_type")
        place = _place(parent, kind, str(wrapper.get("id", "")))
        if self.batch.tree.node(place.path) is None:
            raise bad_path(place.path, "id")
        if wrapper.get("marked_for_delete"):
            self.doomed.append(place)
            return
        self.children(place.path, wrapper.get("children") or [])

    def count(self) -> None:
        self.intents += 1
        most = self.batch.settings.hapi_intents_max
        if self.intents > most:
            raise Refusal(400, 500125, f"More than {most} objects in one hierarchical request")

    def delete(self) -> None:
        """Deletes come last, so that what no longer refers to them has been changed. An absent one is done."""
        for place in self.doomed:
            if self.batch.tree.node(place.path) is not None:
                self.batch.delete(place, cascade=True)


def _place(parent: str, kind: Kind, id: str) -> Place:
    if not id and not kind.singleton:
        raise invalid(f"a {kind.name} below path=[{parent}] has no id", code=255, field="id")
    found = kinds.child_place(parent, kind, id)
    if found is None:
        raise invalid(f"a {kind.name} cannot be a child of path=[{parent}]", code=255, field="resource_type")
    return found


def write(call: Call, root: str) -> Batch:
    """Applies a whole tree. Raises one Refusal whose related_errors name the failing paths; nothing is changed then."""
    sim = call.sim
    if not isinstance(call.body, dict) or call.body.get("resource_type", "Infra") != "Infra":
        raise invalid("the body of a hierarchical request is an Infra", code=255, field="resource_type")
    batch = sim.batch(call.who)
    replace = call.method == "PUT"
    walk = _Walk(batch, replace=replace, check_revision=replace or call.flag("enforce_revision_check"))
    try:
        with sim.tree.transaction():
            walk.children(root, call.body.get("children") or [])
            walk.delete()
            batch.settle()
    except Refusal as first:
        raise _wrapped(first) from first
    return batch


def _wrapped(first: Refusal) -> Refusal:
    related = (Refusal(first.status, first.code, first.message, module=first.module, details=first.details),)
    return Refusal(
        first.status,
        287,
        "Found errors in the request. The related errors say which; nothing was changed.",
        related=(*related, *first.related),
    )


def read(call: Call, root: str) -> Json:
    """The tree below a root or base_path, of the types in type_filter (`A;B`), as wrappers in the root's object."""
    tree = call.sim.tree
    wanted = frozenset(name for name in call.query.get("type_filter", "").split(";") if name)
    base = call.query.get("base_path", root)
    node, top = tree.node(base), tree.node(root)
    if node is None or top is None:
        raise absent(base)
    children = list(_wrapped_below(tree, node, wanted, call))
    while node is not top:
        children = [_reference(node, children) if node.path != base else _as_child(tree, node, children, call)]
        node = tree.nodes[node.body["parent_path"]]
    return {**shown(tree, top, call.who, inline=False), "children": children}


def _wrapped_below(tree: Tree, node: Node, wanted: frozenset[str], call: Call) -> Iterator[Json]:
    for child in tree.children(node.path):
        kind = child.kind
        assert kind is not None
        inner = list(_wrapped_below(tree, child, wanted, call))
        if not wanted or wanted & {kind.name, child.body["resource_type"]}:
            yield _as_child(tree, child, inner, call)
        elif inner:
            yield _reference(child, inner)


def _as_child(tree: Tree, node: Node, inner: list[Json], call: Call) -> Json:
    assert node.kind is not None
    body = shown(tree, node, call.who, inline=False)
    if inner:
        body = {**body, "children": inner}
    return {"resource_type": f"Child{node.kind.name}", "marked_for_delete": False, node.kind.name: body}


def _reference(node: Node, inner: list[Json]) -> Json:
    assert node.kind is not None
    return {
        "resource_type": REFERENCE,
        "id": node.id,
        "target_type": node.kind.name,
        "marked_for_delete": False,
        "children": inner,
    }
