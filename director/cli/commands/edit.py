"""Applies ops files and variables to a manifest, in that order (bosh-director.md 1.11, 1.15)."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from director.cli.commands.texts import read_text
from director.cli.errors import CommandFailed, Exit
from director.cli.problems import refused
from director.manifest.fill import read_value
from director.manifest.interpolate import interpolate
from director.manifest.patch import find, patch, read_ops
from director.manifest.read import read, read_any
from director.model.problem import Refused
from director.model.tree import Node


def edit(
    text: str,
    name: str,
    edits: Mapping[str, tuple[str, ...]],
    *,
    path: str = "",
    must_fill: bool = False,
    must_use: bool = False,
) -> Node:
    """The edited tree, or what stands at ``path`` of it. Raises CommandFailed with every problem and its place.

    A variable without value stays as it is, for the director to fill, unless ``must_fill``.
    """
    try:
        tree = read_any(text, name).node
        for ops in edits["ops_files"]:
            tree = patch(tree, read_ops(read_text(Path(ops)), ops))
        tree = interpolate(tree, _values(edits), must_fill=must_fill, must_use=must_use)
        return find(tree, path) if path else tree
    except Refused as error:
        raise refused(error) from None


def _values(edits: Mapping[str, tuple[str, ...]]) -> dict[str, Node]:
    """Lowest precedence first: environment, files of variables, files as values, single ones."""
    values: dict[str, Node] = {}
    for prefix in edits["vars_envs"]:
        values |= {name: read_value(text, f"{prefix}_{name}") for name, text in _environment(f"{prefix}_")}
    for file in edits["vars_files"]:
        text = read_text(Path(file))
        values |= read(text, file).root if text.strip() else {}
    values |= {name: read_text(Path(path)) for name, path in map(_pair, edits["var_files"])}
    return values | {name: _value(text, name) for name, text in map(_pair, edits["variables"])}


def _environment(start: str) -> Iterator[tuple[str, str]]:
    return ((key.removeprefix(start), value) for key, value in sorted(os.environ.items()) if key.startswith(start))


def _value(text: str, name: str) -> Node:
    """``-v``: YAML, but a text stays as it was written, quotes and line ends included, as ``bosh`` has it."""
    value = read_value(text, name)
    return text if isinstance(value, str) else value


def _pair(given: str) -> tuple[str, str]:
    name, _, value = given.partition("=")
    if not name or not value:
        raise CommandFailed(f"{name or given} is not given as NAME=VALUE, with both.", Exit.BAD_INPUT)
    return name, value
