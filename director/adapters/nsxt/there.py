"""Reads what is there at given paths, in as few requests as the truth allows. Decides only how to ask.

Note: what is read how. Lists and GETs are true when they are read; search is seconds late, and what a plan or a write
is made from must not be. So: few kin of one collection are asked for one by one, more of them by one list; what lies
below routers and pools of ours by one hierarchical GET for each root, or for many roots by one for all of them.
"""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Mapping
from typing import Final, TypeVar

from director.adapters.nsxt.client import Kind, NsxClient, NsxFault
from director.adapters.nsxt.paths import TYPES, collection, parts, root
from director.model.tree import Node, Tree

SINGLE_MAX: Final = 3
"""Up to so many kin a GET each is less than the whole list's weight."""
ROOTS_MAX: Final = 8
"""From more roots on, one read of all trees of their kinds is less than one for each."""

There = dict[str, Tree]
T = TypeVar("T")


async def read_there(client: NsxClient, paths: Iterable[str]) -> There:
    """The bodies of those that are there, by path."""
    wanted = set(paths)
    trees = {top for top in _deep(wanted) if not _is_shared(top, wanted)}
    found = await _trees(client, trees, wanted)
    plain = {path for path in wanted if root(path) not in trees}
    groups: dict[str, set[str]] = {}
    for path in plain:
        groups.setdefault(collection(path), set()).add(path)
    answers = await together(_kin(client, where, group) for where, group in sorted(groups.items()))
    for answer in answers:
        found.update(answer)
    return {path: body for path, body in found.items() if path in wanted or _is_rule(path, wanted)}


def _deep(wanted: Collection[str]) -> set[str]:
    """Roots with more below them. A policy's rules are always asked for: there may be ones to remove."""
    tops = {path: root(path) for path in wanted}
    return {top for path, top in tops.items() if path != top or TYPES[parts(top)[-1][0]] == "SecurityPolicy"}


def _is_shared(top: str, wanted: Collection[str]) -> bool:
    """A stranger's router or pool may hold thousands of things: its collections are read instead."""
    return top not in wanted


def _is_rule(path: str, wanted: Collection[str]) -> bool:
    """Rules of a policy of ours that nobody asked for are told as well: they may be ones to remove."""
    return parts(path)[-1][0] == "rules" and collection(collection(path)) in wanted


async def _trees(client: NsxClient, tops: set[str], wanted: Collection[str]) -> There:
    kinds = {TYPES[place[0]] for path in wanted if root(path) in tops for place in parts(path)}
    if not tops:
        return {}
    words = ";".join(sorted(kinds | ({"Rule"} if "SecurityPolicy" in kinds else set())))
    if len(tops) > ROOTS_MAX:
        return flat(await client.get("/infra", type_filter=words))
    answers = await together(tree_below(client, top, words) for top in sorted(tops))
    return {path: body for answer in answers for path, body in answer.items()}


async def tree_below(client: NsxClient, top: str, types: str = "") -> There:
    """One object and what is below it, of these types; nothing when it is not there."""
    try:
        return flat(await client.get("/infra", base_path=top, type_filter=types or None))
    except NsxFault as fault:
        if fault.kind is Kind.NOT_FOUND:
            return {}
        raise


async def _kin(client: NsxClient, where: str, paths: set[str]) -> There:
    if len(paths) <= SINGLE_MAX:
        answers = await together(read_one(client, path) for path in sorted(paths))
        return {path: body for path, body in zip(sorted(paths), answers, strict=True) if body is not None}
    try:
        listed = await client.list(where)
    except NsxFault as fault:
        if fault.kind is Kind.NOT_FOUND:
            return {}
        raise
    return {str(body.get("path")): body for body in listed}


async def read_one(client: NsxClient, path: str) -> Tree | None:
    try:
        return await client.get(path)
    except NsxFault as fault:
        if fault.kind is Kind.NOT_FOUND:
            return None
        raise


def flat(tree: Node) -> There:
    """Every object of a hierarchical answer by its path, wrappers and references taken off."""
    found: There = {}
    if not isinstance(tree, Mapping):
        return found
    if isinstance(tree.get("path"), str) and tree.get("resource_type") != "Infra":
        found[str(tree["path"])] = {name: value for name, value in tree.items() if name != "children"}
    children = tree.get("children")
    for child in children if isinstance(children, list) else ():
        if isinstance(child, Mapping):
            inner = child.get(str(child.get("resource_type", "")).removeprefix("Child"))
            found.update(flat(inner if isinstance(inner, Mapping) else child))
    return found


async def together(calls: Iterable[Coroutine[object, object, T]]) -> list[T]:
    """All at once, as far as the user's budget of requests lets them. The first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as several:
        raise _first(several) from several
    return [task.result() for task in tasks]


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    one = several.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one
