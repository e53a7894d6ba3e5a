"""Many writes and removals as one tree of ``Child…`` wrappers, which is one transaction of NSX's. Pure.

From agent-cpi-vsphere.md 5.8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from director.adapters.nsxt.bodies import Body
from director.adapters.nsxt.paths import ORDER, TYPES, parts
from director.model.tree import Node, Tree

Place = tuple[str, str]


@dataclass(slots=True)
class _Spot:
    """One place of the tree: written, removed, or only passed through."""

    body: Body | None = None
    leaving: Body | None = None
    below: dict[Place, "_Spot"] = field(default_factory=dict)


def tree_of(writes: Mapping[str, Body], leaving: Mapping[str, Body] | None = None) -> list[Tree]:
    """``writes`` by path. ``leaving`` go with all below them; of each at least its type, by path."""
    top = _Spot()
    for path, body in writes.items():
        _spot(top, path).body = body
    for path, stub in (leaving or {}).items():
        _spot(top, path).leaving = stub
    return _children(top)


def _spot(top: _Spot, path: str) -> _Spot:
    spot = top
    for place in parts(path):
        spot = spot.below.setdefault(place, _Spot())
    return spot


def _children(spot: _Spot) -> list[Tree]:
    places = sorted(spot.below, key=lambda place: (ORDER.index(place[0]), place[1]))
    return [_wrapper(*place, spot.below[place]) for place in places]


def _wrapper(collection: str, name: str, spot: _Spot) -> Tree:
    kind = TYPES[collection]
    if spot.leaving is not None:
        gone: Node = {**spot.leaving, "id": name}
        return {"resource_type": f"Child{kind}", "marked_for_delete": True, kind: gone}
    children: dict[str, Node] = {"children": [*_children(spot)]} if spot.below else {}
    if spot.body is None:
        return {"resource_type": "ChildResourceReference", "id": name, "target_type": kind, **children}
    return {"resource_type": f"Child{kind}", kind: {**spot.body, "id": name, **children}}
