"""A text that was read: plain data, and the place of every node. Values only; decides nothing."""

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from director.model.problem import Mark, Problem
from director.model.tree import Node, Tree

Path: TypeAlias = tuple[str | int, ...]
"""The way from the root to a node: keys of maps and indexes of lists."""


class Place(NamedTuple):
    """Where one node stands, counted from 1. A named tuple because a large manifest has 30 000 of them.

    ``line`` and ``column`` point at a scalar itself, at a container under a key to that key. ``raw`` is the
    text of a scalar that YAML did not read as text.
    """

    line: int
    column: int
    key_line: int
    key_column: int
    children: "dict[str, Place] | list[Place] | None" = None
    raw: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain data with places. Aliased parts are shared, so treat ``node`` as read-only. No repr: it may hold secrets.

    ``warnings`` are what reading found odd but could not call wrong.
    """

    file: str
    node: Node = field(repr=False)
    place: Place = field(repr=False)
    warnings: tuple[Problem, ...] = field(default=(), repr=False)

    @property
    def root(self) -> Tree:
        """The root map; empty when the root is something else."""
        return self.node if isinstance(self.node, dict) else {}

    def mark(self, path: Path) -> Mark:
        """The place of the node at ``path``, or of its nearest ancestor that exists."""
        place = self._place(path)
        return Mark(file=self.file, line=place.line, column=place.column)

    def key_mark(self, path: Path) -> Mark:
        """The place of the key that leads to the node at ``path``."""
        place = self._place(path)
        return Mark(file=self.file, line=place.key_line, column=place.key_column)

    def has(self, path: Path) -> bool:
        """Whether there is a node at ``path``."""
        place = self.place
        for step in path:
            below = _place_below(place, step)
            if below is None:
                return False
            place = below
        return True

    def raw(self, path: Path) -> str | None:
        """How a number, boolean or null was written; None for text, containers and missing nodes."""
        return self._place(path).raw

    def words(self, path: Path) -> str:
        """``path`` as people say it: items of lists by their name where they have one, ``instance_groups/web``."""
        node: Node = self.node
        said: list[str] = []
        for step in path:
            node = _child(node, step)
            said.append(_name_of(node, step))
        return "/".join(said) or self.file

    def _place(self, path: Path) -> Place:
        place = self.place
        for step in path:
            below = _place_below(place, step)
            if below is None:
                return place
            place = below
        return place


def _place_below(place: Place, step: str | int) -> Place | None:
    children = place.children
    if isinstance(children, dict) and isinstance(step, str):
        return children.get(step)
    if isinstance(children, list) and isinstance(step, int) and step < len(children):
        below: Place = children[step]
        return below
    return None


def _child(node: Node, step: str | int) -> Node:
    if isinstance(node, dict):
        return node.get(str(step))
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None


def _name_of(node: Node, step: str | int) -> str:
    if isinstance(step, str):
        return step
    if isinstance(node, dict):
        for key in ("name", "alias", "range"):
            name = node.get(key)
            if isinstance(name, str) and name:
                return name
    return str(step)


def kind_of(node: Node) -> str:
    """What a node is, in words that show nothing of its content."""
    match node:
        case None:
            return "nothing (null)"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a map"
