"""Variables given by hand, filled into a text as ``bosh interpolate`` does (bosh-director.md 1.11).

Beside ``fill``, decides what the ``variables:`` of a manifest mean to the command: a definition asks for its variable,
and one whose value is given leaves the manifest, so that the director does not make another value for it.
"""

from collections.abc import Mapping

from director.manifest.fill import fill
from director.manifest.pick import text, trees
from director.model.tree import Node


def interpolate(tree: Node, values: Mapping[str, Node], *, must_fill: bool = False, must_use: bool = False) -> Node:
    """``tree`` with ``values`` filled in. A name with dots, ``tls.ca``, gives a part of ``tls``. Raises Refused."""
    given = _nested(values)
    defined = {text(entry, "name") for _, entry in trees(tree, "variables")} if isinstance(tree, dict) else set()
    filled = fill(tree, given, must_fill=must_fill, must_use=must_use, also_asked=defined - {""})
    return _without_given(filled, defined & given.keys()) if isinstance(filled, dict) else filled


def _nested(values: Mapping[str, Node]) -> dict[str, Node]:
    """A part stands beside those of the same name that are given whole, or in their place."""
    given = {name: value for name, value in values.items() if "." not in name}
    for name in sorted(values.keys() - given.keys()):
        _put(given, name.split("."), values[name])
    return given


def _put(values: dict[str, Node], path: list[str], value: Node) -> None:
    *parents, last = path
    for name in parents:
        there = values.get(name)
        inner = dict(there) if isinstance(there, dict) else {}
        values[name] = inner
        values = inner
    values[last] = value


def _without_given(tree: dict[str, Node], names: set[str]) -> Node:
    definitions = tree.get("variables")
    if not names or not isinstance(definitions, list):
        return tree
    kept = [entry for entry in definitions if not (isinstance(entry, dict) and entry.get("name") in names)]
    return {**tree, "variables": kept}
