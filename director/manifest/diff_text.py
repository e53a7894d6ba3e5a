"""The structural difference of two manifests, as lines to show before a deploy (bosh-director.md 3.10).

Decides what is worth a line and what must not be seen; plans nothing.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from director.manifest.pick import are_same
from director.manifest.write import write
from director.model.tree import Node, Tree

Line: TypeAlias = tuple[str, Literal["added", "removed"] | None]
"""A line of text, and whether it is new, gone, or only tells where the lines below it belong."""

REDACTED: Final = "<redacted>"
_SECRET_KEYS: Final = frozenset(("properties", "bosh"))
_IDENTITY: Final = ("name", "range", "alias")
_ORDER: Final = (
    "azs", "vm_types", "vm_extensions", "networks", "disk_types", "compilation", "name", "tags", "features",
    "stemcells", "releases", "update", "instance_groups", "addons", "variables",
)  # fmt: skip
_CREDENTIALS: Final = re.compile(r"(://)[^/@\s]+@")


def diff_lines(old_tree: Tree | None, new_tree: Tree, redact: bool) -> tuple[Line, ...]:
    """What changes from ``old_tree`` to ``new_tree``; None means that there is nothing yet. No lines: no
    change but perhaps in the order of named items.

    With ``redact`` values below ``properties`` and ``bosh`` and credentials in URLs are hidden.
    """
    old = old_tree or {}
    lines: list[Line] = []
    for key in _sections(old, new_tree):
        section = list(_entry(key, old, new_tree, 0, _View(redact=redact)))
        if lines and section:
            lines.append(("", None))
        lines += section
    return tuple(lines)


class _View:
    """What may be seen: everything, everything but credentials, or (``is_hidden``) no value at all."""

    def __init__(self, *, redact: bool, is_hidden: bool = False) -> None:
        self.redact = redact
        self.is_hidden = is_hidden

    def below(self, key: str) -> "_View":
        hides = self.redact and (self.is_hidden or key in _SECRET_KEYS)
        return _View(redact=self.redact, is_hidden=hides)

    def of(self, node: Node) -> Node:
        """The node as it may be seen."""
        if isinstance(node, dict):
            return {key: self.below(key).of(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.of(item) for item in node]
        if self.is_hidden:
            return REDACTED
        if self.redact and isinstance(node, str):
            return _CREDENTIALS.sub(rf"\1{REDACTED}@", node)
        return node


def _sections(old: Tree, new: Tree) -> list[str]:
    keys = [*new, *(key for key in old if key not in new)]
    rank = {key: position for position, key in enumerate(_ORDER)}
    return sorted(keys, key=lambda key: rank.get(key, len(rank)))


def _entry(key: str, old: Tree, new: Tree, indent: int, view: _View) -> Iterator[Line]:
    """The lines of one key of two maps."""
    below = view.below(key)
    if key not in new:
        yield from _all({key: below.of(old[key])}, indent, "removed")
    elif key not in old:
        yield from _all({key: below.of(new[key])}, indent, "added")
    else:
        yield from _change(key, old[key], new[key], indent, below)


def _change(key: str, old: Node, new: Node, indent: int, view: _View) -> Iterator[Line]:
    if are_same(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        yield from _under(_header(key, indent), _in_map(old, new, indent + 2, view))
    elif isinstance(old, list) and isinstance(new, list) and old and new:
        yield from _under(_header(key, indent), _in_list(old, new, indent, view))
    else:
        yield from _all({key: view.of(old)}, indent, "removed")
        yield from _all({key: view.of(new)}, indent, "added")


def _under(header: Line, below: Iterator[Line]) -> Iterator[Line]:
    """The lines with what they belong to above them; nothing when there are none: named items only changed order."""
    lines = list(below)
    if lines:
        yield header
        yield from lines


def _in_map(old: Tree, new: Tree, indent: int, view: _View) -> Iterator[Line]:
    for key in [*new, *(key for key in old if key not in new)]:
        yield from _entry(key, old, new, indent, view)


def _in_list(old: list[Node], new: list[Node], indent: int, view: _View) -> Iterator[Line]:
    """Items that are known by name are compared with their namesakes, others are there or not."""
    key_of = _key_of if _are_unique(old) and _are_unique(new) else _content_of
    olds = {key_of(item): item for item in old}
    news = {key_of(item): item for item in new}
    if olds.keys() == news.keys() and not any(name for name, _ in news):
        yield from _all(view.of(old), indent, "removed")  # only their order or number differs
        yield from _all(view.of(new), indent, "added")
        return
    for key, item in olds.items():
        if key not in news:
            yield from _all([view.of(item)], indent, "removed")
    for key, item in news.items():
        before = olds.get(key)
        if key not in olds:
            yield from _all([view.of(item)], indent, "added")
        elif isinstance(item, dict) and isinstance(before, dict) and not are_same(before, item):
            header = " " * indent + _dump([{key[0]: view.of(item[key[0]])}])[0]
            yield from _under((header, None), _in_map(before, item, indent + 2, view))


def _key_of(item: Node) -> tuple[str, str]:
    """What makes an item the same item in both lists: its identity, or else its whole content."""
    if isinstance(item, dict):
        for key in _IDENTITY:
            if isinstance(item.get(key), str):
                return key, str(item[key])
    return _content_of(item)


def _content_of(item: Node) -> tuple[str, str]:
    return "", json.dumps(item, sort_keys=True)


def _are_unique(items: list[Node]) -> bool:
    """Whether no two items have one name, as lists inside properties may have."""
    names = [key for item in items if (key := _key_of(item))[0]]
    return len(names) == len(set(names))


def _header(key: str, indent: int) -> Line:
    return " " * indent + _dump({key: None})[0].removesuffix(" null"), None


def _all(node: Node, indent: int, what: Literal["added", "removed"]) -> Iterator[Line]:
    for line in _dump(node):
        yield " " * indent + line, what


def _dump(node: Node) -> list[str]:
    return write(node).splitlines()
