"""Applies the operations of ops files to plain trees, go-patch's way (bosh-director.md 1.15).

A tree is never changed: each operation gives a new one that shares what it left alone.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NoReturn

from director.manifest import faults
from director.manifest.document import kind_of
from director.manifest.near import instead_of, listed
from director.manifest.ops import Op, OpType, adds_items, read_ops
from director.manifest.pick import are_same, text_or_none
from director.manifest.pointer import End, Index, Insert, Key, Match, Shift, Token, read_pointer, show_pointer
from director.manifest.report import problem_of
from director.model.problem import Refused
from director.model.tree import Node, Tree

__all__ = ["find", "patch", "read_ops"]


class _Lost(Exception):
    """The path ends too early. ``at`` is the token that leads nowhere; ``is_missing`` when it is just not there."""

    def __init__(self, at: int, said: str, fix: str, *, is_missing: bool = False) -> None:
        super().__init__(said)
        self.at = at
        self.fix = fix
        self.is_missing = is_missing


class _Gone(Enum):
    """Stands where a removed node stood."""

    GONE = "gone"


def patch(tree: Node, ops: Sequence[Op]) -> Node:
    """``tree`` after all operations in order. Raises Refused naming the operation that failed, its path and why."""
    for op in ops:
        try:
            tree = _apply_op(tree, op)
        except _Lost as lost:
            prefix = f"{op.error}: " if op.error else ""
            detail = f"{prefix}Operation {op.number} ({op.type.value} {op.path or '/'}) failed: {lost}."
            fault = faults.OPS_TEST if op.type is OpType.TEST else faults.OPS_NOT_FOUND
            raise Refused([problem_of(fault, detail, lost.fix, op.mark)]) from lost
    return tree


def find(tree: Node, path: str) -> Node:
    """The node at ``path``, as ``interpolate --path`` shows it. Raises Refused."""
    try:
        tokens = read_pointer(path)
        return _find(tree, tokens, 0)
    except ValueError as error:
        detail = f"The path {path} cannot be read: {error}."
        raise Refused([problem_of(faults.OPS_PATH, detail, "write it as /key/0/name=value.", None)]) from error
    except _Lost as lost:
        raise Refused([problem_of(faults.OPS_NOT_FOUND, f"{path}: {lost}.", lost.fix, None)]) from lost


def _apply_op(tree: Node, op: Op) -> Node:
    if op.type is OpType.TEST:
        _test(tree, op)
        return tree
    made = _apply(op, tree, 0)
    assert not isinstance(made, _Gone), "reading refuses to remove the root"
    return made


def _test(tree: Node, op: Op) -> None:
    last = len(op.tokens) - 1
    try:
        found = _find(tree, op.tokens, 0)
    except _Lost as lost:
        if op.is_absent and lost.is_missing and lost.at == last:
            return
        raise
    if op.is_absent:
        raise _Lost(last, "something is there, although nothing should be", "remove this test, or what it found.")
    if not are_same(found, op.value):
        said = f"{kind_of(found)} is there that differs from the value asked for"
        raise _Lost(last, said, "correct the value, or what is there.")


def _find(node: Node, tokens: tuple[Token, ...], at: int) -> Node:
    if at == len(tokens):
        return node
    token = tokens[at]
    if adds_items((token,)):
        raise _Lost(at, f"{show_pointer(tokens)} asks for a new item", "name an item that is there.")
    if isinstance(token, Key):
        entries = _map_at(node, tokens, at)
        if token.key in entries:
            return _find(entries[token.key], tokens, at + 1)
        if not token.is_optional:
            _missing_key(entries, tokens, at)
        return _find(_empty_for(tokens, at + 1) if at + 1 < len(tokens) else None, tokens, at + 1)
    items = _list_at(node, tokens, at)
    position = _position(items, tokens, at)
    if position is None:
        assert isinstance(token, Match), "only a match may be absent"
        return _find({token.key: token.value}, tokens, at + 1)
    return _find(items[position], tokens, at + 1)


def _apply(op: Op, node: Node, at: int) -> "Node | _Gone":
    """``node`` with the operation done below it."""
    if at == len(op.tokens):
        return _Gone.GONE if op.type is OpType.REMOVE else op.value
    return _in_map(op, node, at) if isinstance(op.tokens[at], Key) else _in_list(op, node, at)


def _in_map(op: Op, node: Node, at: int) -> Node:
    token = op.tokens[at]
    assert isinstance(token, Key), "chosen by its token"
    entries = _map_at(node, op.tokens, at)
    if token.key in entries:
        made = _apply(op, entries[token.key], at + 1)
    elif not token.is_optional:
        _missing_key(entries, op.tokens, at)
    elif op.type is OpType.REMOVE:
        return node
    else:
        is_last = at + 1 == len(op.tokens)
        made = op.value if is_last else _apply(op, _empty_for(op.tokens, at + 1), at + 1)
    if isinstance(made, _Gone):
        return {key: value for key, value in entries.items() if key != token.key}
    return {**entries, token.key: made}


def _in_list(op: Op, node: Node, at: int) -> Node:
    token = op.tokens[at]
    items = _list_at(node, op.tokens, at)
    if isinstance(token, End):
        return [*items, op.value]
    position = _position(items, op.tokens, at)
    if position is None:
        return _with_absent(op, items, at)
    if isinstance(token, Index | Match) and token.insert:
        cut = position + (1 if token.insert is Insert.AFTER else 0)
        return [*items[:cut], op.value, *items[cut:]]
    made = _apply(op, items[position], at + 1)
    middle = [] if isinstance(made, _Gone) else [made]
    return [*items[:position], *middle, *items[position + 1 :]]


def _with_absent(op: Op, items: list[Node], at: int) -> Node:
    token = op.tokens[at]
    assert isinstance(token, Match), "only a match may be absent"
    if op.type is OpType.REMOVE:
        return items
    if at + 1 == len(op.tokens):
        return [*items, op.value]
    made = _apply(op, {token.key: token.value}, at + 1)
    assert not isinstance(made, _Gone), "a replace removes nothing"
    return [*items, made]


def _position(items: list[Node], tokens: tuple[Token, ...], at: int) -> int | None:
    """Where in the list the token leads; None when an optional match finds nothing."""
    token = tokens[at]
    if isinstance(token, Match):
        found = [i for i, item in enumerate(items) if isinstance(item, dict) and item.get(token.key) == token.value]
        if not found and token.is_optional:
            return None
        if len(found) != 1:
            names = [name for item in items if isinstance(item, dict) and (name := text_or_none(item, token.key))]
            said = f"{_walked(tokens, at)} has {len(found)} items with {token.key}={token.value}, not exactly one"
            fix = instead_of(token.value, names, "correct the path, or end the step with ? to add what is missing")
            raise _Lost(at, said, fix, is_missing=not found)
        return _shifted(found[0], items, tokens, at)
    assert isinstance(token, Index), "reading lets only replace end in -"
    position = token.index + len(items) if token.index < 0 else token.index
    return _shifted(position, items, tokens, at)


def _shifted(position: int, items: list[Node], tokens: tuple[Token, ...], at: int) -> int:
    token = tokens[at]
    assert isinstance(token, Index | Match), "only these lead to one item"
    steps = (0, *(1 if shift is Shift.NEXT else -1 for shift in token.shifts))
    for step in steps:
        position += step
        if not 0 <= position < len(items):
            said = f"{_walked(tokens, at)} has {len(items)} items, none at {position}"
            raise _Lost(at, said, "correct the index; the first item is 0.", is_missing=True)
    return position


def _map_at(node: Node, tokens: tuple[Token, ...], at: int) -> dict[str, Node]:
    if isinstance(node, dict):
        return node
    raise _Lost(at, f"{_walked(tokens, at)} is {kind_of(node)}, not a map", "correct the path.")


def _list_at(node: Node, tokens: tuple[Token, ...], at: int) -> list[Node]:
    if isinstance(node, list):
        return node
    raise _Lost(at, f"{_walked(tokens, at)} is {kind_of(node)}, not a list", "correct the path.")


def _missing_key(entries: Tree, tokens: tuple[Token, ...], at: int) -> NoReturn:
    token = tokens[at]
    assert isinstance(token, Key), "chosen by its token"
    said = f'{_walked(tokens, at)} has no key "{token.key}"; its keys are: {listed(entries) or "none"}'
    fix = instead_of(token.key, entries, f"write {token.key}? to create it")
    raise _Lost(at, said, fix, is_missing=True)


def _empty_for(tokens: tuple[Token, ...], at: int) -> Node:
    """What a missing key gets, so that the next token has something to work in."""
    if isinstance(tokens[at], Index):
        said = f"{_walked(tokens, at)} is missing, and an index cannot say what to create there"
        raise _Lost(at - 1, said, "use - or key=value? instead of an index.", is_missing=True)
    return {} if isinstance(tokens[at], Key) else []


def _walked(tokens: tuple[Token, ...], at: int) -> str:
    return show_pointer(tokens[:at])
