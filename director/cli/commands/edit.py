"""Applies ops files and variables to a manifest, in that order (bosh-director.md 1.11, 1.15)."""

import os
from pathlib import Path

from director.cli.client import shown
from director.cli.commands.texts import read_text
from director.cli.errors import CommandFailed, Exit
from director.manifest.fill import fill_known
from director.manifest.patch import patch, read_ops
from director.manifest.read import read
from director.model.problem import Problem, Refused
from director.model.tree import Node


def edit(text: str, name: str, edits: dict[str, tuple[str, ...]]) -> Node:
    """The edited tree. Raises CommandFailed with every problem and its place."""
    try:
        tree: Node = read(text, name).tree
        for ops in edits["ops_files"]:
            tree = patch(tree, read_ops(read_text(Path(ops)), ops))
        return fill_known(tree, _values(edits))
    except Refused as refused:
        raise CommandFailed("\n".join(shown(_plain(p)) for p in refused.problems), Exit.BAD_INPUT) from None


def _values(edits: dict[str, tuple[str, ...]]) -> dict[str, Node]:
    """Lowest precedence first: environment, files of variables, files as values, single ones."""
    values: dict[str, Node] = {}
    for prefix in edits["vars_envs"]:
        start = f"{prefix}_"
        found = {k.removeprefix(start): v for k, v in os.environ.items() if k.startswith(start)}
        values |= {name: read(f"v: {text}", f"${start}{name}").tree["v"] for name, text in found.items()}
    for file in edits["vars_files"]:
        values |= read(read_text(Path(file)), file).tree
    values |= {name: read_text(Path(path)) for name, path in map(_pair, edits["var_files"])}
    for name, text in map(_pair, edits["variables"]):
        _put(values, name.split("."), read(f"v: {text}", f"-v {name}").tree["v"])
    return values


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise CommandFailed(f"{given} is not name=value.", Exit.BAD_INPUT)
    return name, value


def _put(values: dict[str, Node], path: list[str], value: Node) -> None:
    """``-v a.b=1`` builds a nested map."""
    *parents, last = path
    for name in parents:
        inner = values.get(name)
        values[name] = values = dict(inner) if isinstance(inner, dict) else {}
    values[last] = value


def _plain(problem: Problem) -> dict[str, object]:
    place = problem.mark
    return {
        "file": place.file if place else "",
        "line": place.line if place else 0,
        "column": place.column if place else 0,
        "severity": problem.severity.value,
        "detail": problem.detail,
        "fix": problem.fix,
    }
