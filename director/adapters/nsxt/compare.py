"""What is there against what is wished for, field by field, and nothing but our fields. Pure.

A field that is None or an empty list in the wish must be absent or empty there. Mappings and the elements of lists may
hold more than was wished for: that is NSX's own, or a stranger's.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from director.adapters.nsxt.bodies import Body, Piece
from director.adapters.nsxt.paths import id_of
from director.model.tree import Node, Tree

UNORDERED: Final = frozenset(
    {
        "route_advertisement_types",
        "vlan_ids",
        "scope",
        "active_monitor_paths",
        "source_groups",
        "destination_groups",
        "services",
        "service_entries",
        "ip_addresses",
        "response_status_codes",
        "next_hops",
    }
)
IMMUTABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "Segment": ("transport_zone_path",),
    "IpAddressPoolBlockSubnet": ("ip_block_path", "size", "start_ip"),
    "IpAddressAllocation": ("allocation_ip",),
    "SecurityPolicy": ("category",),
}
"""By type, what NSX refuses to change (agent-cpi-vsphere.md 5.7)."""
_SHOWN_MAX: Final = 80


def changed_fields(wished: Body, there: Tree) -> tuple[str, ...]:
    """Names of our fields that are not as wished, sorted."""
    return tuple(sorted(name for name, value in wished.items() if not _agrees(name, value, there.get(name))))


def immutable_fields(wished: Body, there: Tree) -> tuple[str, ...]:
    """Those among them that cannot be changed; ``resource_type`` when something of another type has the path.

    What NSX never tells (``start_ip`` of older versions) cannot differ.
    """
    fixed = ("resource_type", *IMMUTABLE.get(str(wished.get("resource_type")), ()))
    return tuple(name for name in fixed if there.get(name) is not None and name in changed_fields(wished, there))


def words(wished: Body, there: Tree) -> tuple[str, ...]:
    return tuple(
        f"{name} is {_shown(there.get(name))}, not {_shown(wished[name])}" for name in changed_fields(wished, there)
    )


def cleared_fields(wished: Body, there: Tree) -> tuple[str, ...]:
    """Those that have to go: a PATCH cannot take a field away, so the whole object is put anew."""
    return tuple(name for name in changed_fields(wished, there) if wished[name] is None)


def mark_of(pieces: Iterable[Piece], there: Mapping[str, Tree]) -> str:
    """Equal as long as our fields of these pieces are what they are now, whatever happens to the others."""
    seen: dict[str, object] = {}
    for piece in pieces:
        body = there.get(piece.path)
        if body is not None:
            wished = piece.body or {}
            seen[piece.path] = {name: _ours(name, value, body.get(name)) for name, value in wished.items()}
    text = json.dumps(seen, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:12]


def _agrees(name: str, wished: Node, there: Node) -> bool:
    if wished is None or wished == []:
        return there is None or there in ([], "")
    if isinstance(wished, Mapping):
        return isinstance(there, Mapping) and all(_agrees(key, each, there.get(key)) for key, each in wished.items())
    if isinstance(wished, list):
        return isinstance(there, list) and _alike(name, wished, there)
    if isinstance(wished, bool) or isinstance(there, bool):
        return wished is there
    return there is not None and str(wished) == str(there)


def _alike(name: str, wished: Sequence[Node], there: Sequence[Node]) -> bool:
    if len(wished) != len(there):
        return False
    if name in UNORDERED:
        return all(any(_agrees("", each, other) for other in there) for each in wished)
    return all(_agrees("", each, other) for each, other in zip(wished, there, strict=True))


def _ours(name: str, wished: Node, there: Node) -> Node:
    """The part of a field that the wish speaks of."""
    if isinstance(wished, Mapping) and isinstance(there, Mapping):
        return {key: _ours(key, each, there.get(key)) for key, each in wished.items()}
    if isinstance(wished, list) and isinstance(there, list) and len(wished) == len(there) and name not in UNORDERED:
        return [_ours("", each, other) for each, other in zip(wished, there, strict=True)]
    if name in UNORDERED and isinstance(there, list):
        plain = [_plain(wished, each) for each in there]
        return sorted(plain, key=lambda each: json.dumps(each, sort_keys=True))
    return there


def _plain(wished: Node, there: Node) -> Node:
    """Of an unordered list's element, the keys that any element of the wish has."""
    if not isinstance(there, Mapping):
        return there
    keys = {key for each in (wished if isinstance(wished, list) else ()) if isinstance(each, Mapping) for key in each}
    return {key: there[key] for key in sorted(keys) if key in there}


def _shown(value: Node) -> str:
    """Paths by their last part, as the rest says only what the field's name says."""
    if value is None or value == []:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value)
    text = id_of(text) if text.startswith("/infra/") else text
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"
