"""Trees of plain data as YAML and JSON know them: properties, cloud properties, env, options."""

import hashlib
import json
from collections.abc import Mapping
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
Node: TypeAlias = "Scalar | list[Node] | Mapping[str, Node]"
Tree: TypeAlias = Mapping[str, "Node"]


def digest_of(node: object) -> str:
    """The sha256 hex of a tree's canonical JSON: equal trees, whatever their key order, have equal digests."""
    text = json.dumps(node, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
