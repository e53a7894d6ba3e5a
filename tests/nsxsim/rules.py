"""Where rules of single kinds are hung: checks on a write, and fields the manager fills in itself.

@check("LBPool")                       runs when a transaction's writes are all in the tree, before it stands
def members_or_group(tree, place, body, before): yield Refusal...
@complete("Segment")                   runs before a body is stored; returns the body to store
def network(tree, place, body, before): return {...}
@check_delete("IpAddressPoolSubnet")   runs on what is marked for delete; `doomed` are all paths of the same request
def is_empty(tree, place, body, doomed): yield Refusal...
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.nsxsim.kinds import Place
from tests.nsxsim.problems import Json, Refusal
from tests.nsxsim.tree import Tree

Checker = Callable[[Tree, Place, Json, Json | None], Iterator[Refusal]]
Completer = Callable[[Tree, Place, Json, Json | None], Json]
DeleteChecker = Callable[[Tree, Place, Json, Mapping[str, Place]], Iterator[Refusal]]

_CHECKS: Final[dict[str, list[Checker]]] = {}
_COMPLETES: Final[dict[str, list[Completer]]] = {}
_DELETES: Final[dict[str, list[DeleteChecker]]] = {}


def check(*kinds: str) -> Callable[[Checker], Checker]:
    def hang(made: Checker) -> Checker:
        for kind in kinds:
            _CHECKS.setdefault(kind, []).append(made)
        return made

    return hang


def complete(*kinds: str) -> Callable[[Completer], Completer]:
    def hang(made: Completer) -> Completer:
        for kind in kinds:
            _COMPLETES.setdefault(kind, []).append(made)
        return made

    return hang


def problems(tree: Tree, place: Place, body: Json, before: Json | None) -> Iterator[Refusal]:
    for made in _CHECKS.get(place.kind.name, ()):
        yield from made(tree, place, body, before)


def completed(tree: Tree, place: Place, body: Json, before: Json | None) -> Json:
    for made in _COMPLETES.get(place.kind.name, ()):
        body = made(tree, place, body, before)
    return body


def check_delete(kind: str) -> Callable[[DeleteChecker], DeleteChecker]:
    def hang(made: DeleteChecker) -> DeleteChecker:
        _DELETES.setdefault(kind, []).append(made)
        return made

    return hang


def delete_problems(tree: Tree, place: Place, body: Json, doomed: Mapping[str, Place]) -> Iterator[Refusal]:
    for made in _DELETES.get(place.kind.name, ()):
        yield from made(tree, place, body, doomed)
