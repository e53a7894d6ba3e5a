"""Placeholders: ``((name))`` in plain trees gets its value (bosh-director.md 1.11). Never shows a value.

Used by the command, whose values may hold placeholders themselves, and where the director fills in secrets, whose
values are taken as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from director.manifest import faults
from director.manifest.document import kind_of
from director.manifest.faults import Fault
from director.manifest.near import instead_of
from director.manifest.read import read_any
from director.manifest.report import problem_of
from director.manifest.values import PLACEHOLDER
from director.model.problem import Problem, Refused
from director.model.tree import Node

_DEPTH_MAX: Final = 120
_SIZE_MAX: Final = 1_000_000
"""Nodes and parts of 64 characters; values within values could otherwise grow without end."""


def names_in(tree: Node) -> set[str]:
    """The variables a tree asks for: ``((tls.ca))`` asks for ``tls``."""
    return {name.split(".")[0] for text in _texts(tree) for name in PLACEHOLDER.findall(text)}


def fill(
    tree: Node, values: Mapping[str, Node], *, must_fill: bool = False, must_use: bool = False, refill: bool = True
) -> Node:
    """``tree`` with every placeholder replaced that ``values`` knows; others stay as they are.

    A text that is one placeholder gets the value whatever its type; inside a text only texts and whole numbers can
    stand. Dots lead into maps and lists. With ``refill`` placeholders inside values are replaced too. Raises Refused
    with everything at once: names without value (``must_fill``), values that nothing uses (``must_use``), values that
    need themselves, parts that are missing.
    """
    filler = _Filler(values, refill=refill)
    made = filler.node(tree)
    problems = list(filler.problems)
    if must_fill:
        problems += [_missing(name, values) for name in sorted(filler.missing)]
    if must_use:
        problems += [_unused(name) for name in sorted(set(values) - filler.used)]
    if problems:
        raise Refused(dict.fromkeys(problems))
    return made


def read_value(text: str, name: str) -> Node:
    """The value of ``-v name=text``: YAML, as everywhere. Raises Refused."""
    return read_any(text, f"variable {name}").node


class _Filler:
    """One pass over one tree, remembering what was asked for."""

    def __init__(self, values: Mapping[str, Node], *, refill: bool) -> None:
        self._values = values
        self._refill = refill
        self._known: dict[str, tuple[Node, int]] = {}
        self._open: list[str] = []
        self._depth = 0
        self._size = 0
        self.missing: set[str] = set()
        self.used: set[str] = set()
        self.problems: list[Problem] = []

    def node(self, node: Node) -> Node:
        self._grow(1)
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            self._stop(faults.FILL_TOO_LARGE, "Values lie within values too deeply.", "use fewer levels.")
        try:
            if isinstance(node, str):
                return self._text(node)
            if isinstance(node, list):
                return [self.node(item) for item in node]
            if isinstance(node, dict):
                return self._map(node)
            return node
        finally:
            self._depth -= 1

    def _map(self, node: dict[str, Node]) -> Node:
        made: dict[str, Node] = {}
        for key, below in node.items():
            new = self._text(key) if "((" in key else key
            if not isinstance(new, str):
                self._say(faults.FILL_SPLICE, f"The key {key} would become {kind_of(new)}.", "give it a text as value.")
                continue
            if new in made:
                self._say(faults.DUPLICATE_KEY, f"Two keys of a map become {key}.", "give them different values.")
            made[new] = self.node(below)
        return made

    def _text(self, text: str) -> Node:
        if "((" not in text:
            return text
        whole = PLACEHOLDER.fullmatch(text)
        if whole:
            return self._value(whole[1], text)
        made = PLACEHOLDER.sub(lambda found: self._spliced(found[1], found[0]), text)
        self._grow(len(made) // 64)
        return made

    def _spliced(self, name: str, written: str) -> str:
        value = self._value(name, written)
        if isinstance(value, str | int) and not isinstance(value, bool):
            self._grow(len(str(value)) // 64)
            return str(value)
        detail = f"The value of {written} is {kind_of(value)}, which cannot stand inside a text."
        self._say(faults.FILL_SPLICE, detail, "make the placeholder the whole value, or give it a text.")
        return written

    def _value(self, name: str, written: str) -> Node:
        """The value of ``name``; ``written``, the placeholder itself, when there is none."""
        root, *parts = name.split(".")
        if root not in self._values:
            self.missing.add(root)
            return written
        self.used.add(root)
        if name in self._known:
            value, size = self._known[name]
            self._grow(size)
            return value
        if name in self._open:
            circle = " needs ".join([*self._open[self._open.index(name) :], name])
            self._stop(faults.FILL_RECURSION, f"Detected recursion: {circle}.", "give one of them a value of its own.")
        self._open.append(name)
        before = self._size
        value = self._descend(root, parts, written)
        self._open.pop()
        self._known[name] = (value, self._size - before)
        return value

    def _descend(self, root: str, parts: list[str], written: str) -> Node:
        node = self._values[root]
        for part in parts:
            if self._refill and isinstance(node, str):
                node = self.node(node)
            below = _part_of(node, part)
            if below is None:
                detail = f'The value of "{root}" has no part "{part}", which {written} asks for.'
                self._say(faults.FILL_SUBKEY, detail, f"correct {written}, or the value.")
                return written
            (node,) = below
        if self._refill:
            return self.node(node)
        self._grow(sum(1 for _ in _nodes(node)))
        return node

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > _SIZE_MAX:
            detail = "The values, written out, are more than a manifest can hold."
            self._stop(faults.FILL_TOO_LARGE, detail, "look for values that contain each other many times.")

    def _say(self, fault: Fault, detail: str, fix: str) -> None:
        self.problems.append(problem_of(fault, detail, fix, None))

    def _stop(self, fault: Fault, detail: str, fix: str) -> None:
        self._say(fault, detail, fix)
        raise Refused(dict.fromkeys(self.problems))


def _part_of(node: Node, part: str) -> tuple[Node] | None:
    if isinstance(node, dict) and part in node:
        return (node[part],)
    if isinstance(node, list) and part.isascii() and part.isdecimal() and len(part) < 9 and int(part) < len(node):
        return (node[int(part)],)
    return None


def _texts(node: Node) -> Iterator[str]:
    for below in _nodes(node):
        if isinstance(below, str):
            yield below
        elif isinstance(below, dict):
            yield from below


def _nodes(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        if isinstance(here, list):
            waiting.extend(here)
        elif isinstance(here, dict):
            waiting.extend(here.values())


def _missing(name: str, values: Mapping[str, Node]) -> Problem:
    fix = instead_of(name, values, f"give it a value: -v {name}=VALUE, or --vars-file FILE")
    return problem_of(faults.FILL_MISSING, f"(({name})) has no value.", fix, None)


def _unused(name: str) -> Problem:
    detail = f'The value "{name}" is given, but nothing asks for it.'
    return problem_of(faults.FILL_UNUSED, detail, "remove it, or correct its name.", None)
