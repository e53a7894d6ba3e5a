"""Reads the YAML and JSON inside archives: bounded, plain data only, one problem for what cannot be read."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from director.model.tree import Node

NODES_MAX: Final = 200_000
"""Counted with aliases followed: a bomb of aliases is small as text and as objects, and endless when stored."""


class _Loader(yaml.CSafeLoader):
    """Without dates: a version such as 2024-01-02 is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class Unreadable(Exception):
    """The message ends a sentence that names the file."""


def read_yaml(content: bytes) -> Node:
    """Raises Unreadable with the place, as YAML counts it."""
    try:
        node = yaml.load(content, Loader=_Loader)  # noqa: S506 -- a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise Unreadable(f"is not valid YAML: {place}{error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unreadable(f"is not valid YAML: {str(error).splitlines()[0]}") from error
    return _plain(node)


def read_json(content: bytes) -> Node:
    try:
        return _plain(json.loads(content))
    except (RecursionError, ValueError) as error:
        raise Unreadable(f"is not valid JSON: {error}") from error


def _plain(node: Any) -> Node:
    for count, child in enumerate(_walk(node)):
        if count > NODES_MAX:
            raise Unreadable(f"holds more than {NODES_MAX} values")
        if not isinstance(child, str | int | float | bool | list | dict | None):
            raise Unreadable(f"holds a {type(child).__name__}, which is no plain data")
        if isinstance(child, dict) and not all(isinstance(key, str) for key in child):
            raise Unreadable("has keys that are not words; quote them")
    plain: Node = node
    return plain


def _walk(node: Any) -> Iterator[Any]:
    left = [node]
    while left:
        node = left.pop()
        yield node
        if isinstance(node, dict):
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)


def as_map(node: Node) -> Mapping[str, Node] | None:
    """The mapping, an empty one for nothing at all, None for anything else."""
    if node is None:
        return {}
    return node if isinstance(node, Mapping) else None


def as_words(node: Node) -> tuple[str, ...] | None:
    """The list of words, an empty one for nothing at all, None for anything else."""
    if node is None:
        return ()
    if not isinstance(node, list) or not all(isinstance(word, str) for word in node):
        return None
    return tuple(str(word) for word in node)


def word(node: Node) -> str:
    """A scalar as text; a version written 12 is the word 12. Empty for anything else."""
    return str(node) if isinstance(node, str | int | float) and not isinstance(node, bool) else ""
