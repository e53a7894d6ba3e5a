"""Takes typed values out of plain trees. Never fails: what is missing or of another type gives the default.

Checks report wrong types; this lets everything after them read a tree that has some mistakes, so that the rest of the
mistakes can be told too.
"""

from collections.abc import Iterator

from director.model.tree import Node, Tree


def text(tree: Tree, key: str, default: str = "") -> str:
    value = tree.get(key)
    return value if isinstance(value, str) else default


def text_or_none(tree: Tree, key: str) -> str | None:
    value = tree.get(key)
    return value if isinstance(value, str) else None


def number(tree: Tree, key: str, default: int = 0) -> int:
    value = tree.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def flag(tree: Tree, key: str, default: bool = False) -> bool:
    value = tree.get(key)
    return value if isinstance(value, bool) else default


def text_or_number(tree: Tree, key: str) -> str:
    """Text; a number becomes its decimal text, the one coercion BOSH knows (bosh-director.md 1.0)."""
    value = tree.get(key)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def tree_at(tree: Tree, key: str) -> Tree:
    value = tree.get(key)
    return value if isinstance(value, dict) else {}


def items(tree: Tree, key: str) -> tuple[tuple[int, Node], ...]:
    """The items of a list with their indexes."""
    value = tree.get(key)
    return tuple(enumerate(value)) if isinstance(value, list) else ()


def trees(tree: Tree, key: str) -> Iterator[tuple[int, Tree]]:
    """The maps in a list, with their indexes in it."""
    for index, item in items(tree, key):
        if isinstance(item, dict):
            yield index, item


def texts(tree: Tree, key: str) -> tuple[str, ...]:
    return tuple(item for _, item in items(tree, key) if isinstance(item, str))


def texts_or_one(tree: Tree, key: str) -> tuple[str, ...]:
    """A list of texts, or one text standing for a list of it."""
    value = tree.get(key)
    return (value,) if isinstance(value, str) else texts(tree, key)


def tags(tree: Tree, key: str) -> dict[str, str]:
    below = tree_at(tree, key)
    return {name: text_or_number(below, name) for name in sorted(below)}


def are_same(one: Node, other: Node) -> bool:
    """Equal also in type: 1 is neither true nor 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(are_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(are_same, one, other))
    return type(one) is type(other) and one == other
