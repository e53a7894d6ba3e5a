"""Binds a job's declared properties to the values its group or job gives (bosh-director.md section 1.7).

Placeholders stay what they are: opaque text. It may not look a secret up.
"""

import re
from collections.abc import Mapping
from copy import deepcopy

from director.model.deployment import InstanceGroup, JobRef
from director.model.problem import Problem
from director.model.release import Job
from director.model.tree import Node, Tree

_PLACEHOLDER = re.compile(r"^\(\((!?[-/.\w]+)\)\)$")

_KINDS: Mapping[type, str] = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list"}


def given_properties(group: InstanceGroup, ref: JobRef) -> Tree:
    """The one source of a job's properties: its own when it has the key, else its group's."""
    return group.properties if ref.properties is None else ref.properties


def bind(job: Job, group: InstanceGroup, ref: JobRef, problems: list[Problem]) -> Tree:
    """Only declared properties, dotted names nested, defaults where nothing (or null) is given, keys sorted.

    Adds a problem for each declared path that leads through something other than a map.
    """
    given = given_properties(group, ref)
    bound: dict[str, Node] = {}
    refused: set[str] = set()
    for name in sorted(job.properties):
        value, at = _look_up(given, name.split("."))
        if at is not None:
            if at not in refused:
                problems.append(_not_a_map(group, ref, name, at, value))
            refused.add(at)
            continue
        chosen = job.properties[name].default if value is None else value
        _put(bound, name.split("."), deepcopy(chosen))
    return _sorted(bound)


def pick(bound: Tree, names: tuple[str, ...]) -> Tree:
    """The part of bound properties that a provider exposes, nested as they were."""
    picked: dict[str, Node] = {}
    for name in sorted(names):
        value, _ = _look_up(bound, name.split("."))
        _put(picked, name.split("."), value)
    return _sorted(picked)


def _look_up(tree: Tree, path: list[str]) -> tuple[Node, str | None]:
    """The value at the path (None when missing), or what stands in its way and where that stands.

    A placeholder in the way may stand for a map, as a certificate does; its part is asked for by name then.
    """
    node: Node = tree
    for depth, key in enumerate(path):
        if node is None:
            return None, None
        if isinstance(node, str) and (match := _PLACEHOLDER.match(node)):
            return f"(({'.'.join((match[1], *path[depth:]))}))", None
        if not isinstance(node, Mapping):
            return node, ".".join(path[:depth])
        node = node.get(key)
    return node, None


def _put(tree: dict[str, Node], path: list[str], value: Node) -> None:
    """Sets a nested value. What a shorter declared name has already bound is not replaced by null."""
    node = tree
    for key in path[:-1]:
        inner = node.get(key)
        if inner is None:
            inner = node[key] = {}
        if not isinstance(inner, dict):
            return
        node = inner
    if value is not None or path[-1] not in node:
        node[path[-1]] = value


def _sorted(node: Tree) -> dict[str, Node]:
    return {key: _sorted(value) if isinstance(value, Mapping) else value for key, value in sorted(node.items())}


def _not_a_map(group: InstanceGroup, ref: JobRef, name: str, at: str, value: Node) -> Problem:
    return Problem(
        code="property.not-a-map",
        summary="Property is not a map",
        detail=f'Property "{at}" of job "{ref.name}" in instance group "{group.name}" is '
        f'{_KINDS.get(type(value), "something else")}, but the job declares "{name}", so it must be a map.',
        fix=f'make "{at}" a map with the keys the job declares.',
        mark=ref.mark or group.mark,
        number=80006,
    )
