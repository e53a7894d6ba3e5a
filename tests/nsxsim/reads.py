"""Reading: one object, a collection in pages, and how an object looks to the one who asks. Reference 5.3."""

import base64
from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.nsxsim.problems import Json, Refusal
from tests.nsxsim.routes import Call, whole
from tests.nsxsim.tree import Node, Tree
from tests.nsxsim.write import Who

PAGE_MAX: Final = 1000


def shown(tree: Tree, node: Node, who: Who, *, inline: bool = True) -> Json:
    """The object as this user sees it: `_protection` is theirs, inline children stand in it in order."""
    body = node.body
    if node.owner is not None and node.owner != who.name:
        body = {**body, "_protection": "REQUIRE_OVERRIDE" if who.role == "enterprise_admin" else "PROTECTED"}
    if inline and node.kind is not None and node.kind.inline:
        body = {**body, **_inline(tree, node, who)}
    return body


def _inline(tree: Tree, node: Node, who: Who) -> Json:
    assert node.kind is not None
    said: Json = {}
    for name, child in node.kind.inline:
        kin = [each for each in tree.children(node.path) if each.kind is not None and each.kind.name == child]
        kin.sort(key=lambda each: (each.body.get("sequence_number", 0), each.id))
        said[name] = [shown(tree, each, who) for each in kin]
    return said


def listed(call: Call, parent: str, collection: str) -> Json:
    """A page of a collection; marked_for_delete ones only with include_mark_for_delete_objects=true."""
    tree = call.sim.tree
    pending = call.flag("include_mark_for_delete_objects")
    nodes = list(tree.children(parent, collection, pending=pending))
    sort_by = call.query.get("sort_by", "display_name")
    nodes.sort(key=lambda node: (str(node.body.get(sort_by, "")), node.id))
    return page(call, nodes, lambda node: shown(tree, node, call.who, inline=collection == "services"), sort_by=sort_by)


def page(call: Call, items: Iterable[Any], show: Callable[[Any], Json], *, sort_by: str = "", least: int = 1) -> Json:
    """One page of anything: {results, result_count, cursor?, sort_by, sort_ascending}. `cursor` is opaque.

    Raises: Refusal 400 for a page_size outside least..1000 or a cursor that is none of ours.
    """
    everything = list(items)
    if call.query.get("sort_ascending", "true").lower() == "false":
        everything.reverse()
    size = whole(call, "page_size", PAGE_MAX)
    if not least <= size <= PAGE_MAX:
        raise Refusal(400, 255, f"page_size must be between {least} and {PAGE_MAX}", module="common-services")
    start = _start(call.query.get("cursor"))
    wanted = {name for name in call.query.get("included_fields", "").split(",") if name}
    results = [_only(show(each), wanted) for each in everything[start : start + size]]
    said: Json = {
        "results": results,
        "result_count": len(everything),
        "sort_by": sort_by or "display_name",
        "sort_ascending": call.query.get("sort_ascending", "true").lower() != "false",
    }
    if start + size < len(everything):
        said["cursor"] = base64.urlsafe_b64encode(f"nsxsim:{start + size}".encode()).decode().rstrip("=")
    return said


def _start(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        name, _, start = text.partition(":")
        if name == "nsxsim":
            return int(start)
    except ValueError:
        pass
    raise Refusal(400, 255, f"cursor '{cursor}' is not valid", module="common-services")


def _only(body: Json, wanted: set[str]) -> Json:
    return body if not wanted else {k: v for k, v in body.items() if k in wanted or k in ("id", "resource_type")}
