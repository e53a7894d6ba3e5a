"""Placeholders: ``((name))`` in plain trees gets its value (bosh-director.md 1.11). Never shows a value.

Note: placeholders inside values stay as they are, as BOSH's own library has it: a value may name a variable that only
the director knows, and a secret is never taken for a template.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
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
"""Nodes and parts of 64 characters; a large value that is asked for often could otherwise grow without end."""
_INDEX: Final = re.compile("-?[0-9]{1,8}")
"""Counts from the end when negative."""


def names_in(tree: Node) -> set[str]:
    """The variables a tree asks for: ``((tls.ca))`` asks for ``tls``."""
    return {name.split(".")[0] for text in _texts(tree) for name in PLACEHOLDER.findall(text)}


def fill(
    tree: Node,
    values: Mapping[str, Node],
    *,
    must_fill: bool = False,
    must_use: bool = False,
    also_asked: Iterable[str] = (),
) -> Node:
    """``tree`` with every placeholder replaced that ``values`` knows; others stay as they are.

    A text that is one placeholder gets the value whatever its type; inside a text only texts and whole numbers can
    stand. Dots lead into maps and lists. Raises Refused with everything at once: names without value (``must_fill``),
    values that nothing uses (``must_use``), parts that are missing. ``also_asked`` are names that something beside
    placeholders asks for.
    """
    filler = _Filler(values)
    made = filler.node(tree)
    asked = filler.asked.union(also_asked)
    problems = list(filler.problems)
    if must_fill:
        problems += [_missing(name, values) for name in sorted(asked - values.keys())]
    if must_use:
        problems += [_unused(name) for name in sorted(values.keys() - asked)]
    if problems:
        raise Refused(dict.fromkeys(problems))
    return made


def read_value(text: str, name: str) -> Node:
    """The value of ``-v name=text``: YAML, as everywhere. Raises Refused."""
    return read_any(text, f"variable {name}").node


class _Filler:
    """One pass over one tree, remembering what was asked for."""

    def __init__(self, values: Mapping[str, Node]) -> None:
        self._values = values
        self._depth = 0
        self._size = 0
        self.asked: set[str] = set()
        self.problems: list[Problem] = []

    def node(self, node: Node) -> Node:
        self._grow(1)
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            self._stop(faults.FILL_TOO_LARGE, "The text is nested too deeply.", "use fewer levels.")
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
        self.asked.add(root)
        if root not in self._values:
            return written
        node = self._values[root]
        for part in parts:
            below = _part_of(node, part)
            if below is None:
                detail = f'The value of "{root}" has no part "{part}", which {written} asks for.'
                self._say(faults.FILL_SUBKEY, detail, f"correct {written}, or the value.")
                return written
            (node,) = below
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
    if isinstance(node, list) and _INDEX.fullmatch(part) and -len(node) <= int(part) < len(node):
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
