"""Ops files: texts to operations (bosh-director.md 1.15). Decides syntax only; ``patch.py`` applies them."""

from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from director.manifest import faults
from director.manifest.document import kind_of
from director.manifest.faults import Fault
from director.manifest.pick import text_or_none
from director.manifest.pointer import End, Index, Match, Token, read_pointer
from director.manifest.read import read_any
from director.manifest.report import Enough, Report, problem_of
from director.model.problem import Mark, Refused
from director.model.tree import Node, Tree

_KEYS: Final = ("type", "path", "value", "absent", "error")


class OpType(Enum):
    REPLACE = "replace"
    REMOVE = "remove"
    TEST = "test"


_TYPES: Final = tuple(kind.value for kind in OpType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation. ``number`` counts from 1 in its file; ``error`` is put before what went wrong."""

    number: int
    type: OpType
    path: str
    tokens: tuple[Token, ...]
    value: Node = field(default=None, repr=False)
    is_absent: bool = False
    error: str = ""
    mark: Mark | None = field(default=None, compare=False)


def read_ops(text: str, file: str) -> tuple[Op, ...]:
    """The operations of an ops file. Raises Refused with every operation that cannot be read."""
    doc = read_any(text, file)
    if doc.node is None:
        return ()
    if not isinstance(doc.node, list):
        detail = f"{file} holds {kind_of(doc.node)}, not a list of operations."
        fix = "write - type: replace, path: and value:."
        raise Refused([problem_of(faults.OPS_SHAPE, detail, fix, doc.mark(()))])
    report = Report(doc)
    with suppress(Enough):
        ops = [_read_op(report, index, entry) for index, entry in enumerate(doc.node)]
    if report.found:
        raise Refused(report.problems())
    return tuple(op for op in ops if op is not None)


def _read_op(report: Report, index: int, entry: Node) -> Op | None:
    tree = entry if isinstance(entry, dict) else {}
    path = text_or_none(tree, "path")
    try:
        tokens = read_pointer(path or "")
    except ValueError as error:
        _refuse(report, index, f'its path "{path}" cannot be read: {error}', faults.OPS_PATH)
        return None
    wrong = _wrong_entry(entry) or _wrong_use(tree, tokens)
    if wrong or path is None:
        _refuse(report, index, wrong, faults.OPS_SHAPE)
        return None
    return Op(
        number=index + 1,
        type=OpType(tree["type"]),
        path=path,
        tokens=tokens,
        value=tree.get("value"),
        is_absent=tree.get("absent") is True,
        error=text_or_none(tree, "error") or "",
        mark=report.document.mark((index,)),
    )


def _refuse(report: Report, index: int, wrong: str, fault: Fault) -> None:
    detail = f"Operation {index + 1} of {report.document.file} cannot be read: {wrong}."
    fix = "write type: (replace, remove or test), path: and, unless it removes, value:."
    report.error((index,), fault, detail, fix)


def _wrong_entry(entry: Node) -> str:
    """Why an operation is none; empty when it is one."""
    if not isinstance(entry, dict):
        return f"it is {kind_of(entry)}, not a map"
    unknown = sorted(key for key in entry if key not in _KEYS)
    if unknown:
        return f'it has the unknown key "{unknown[0]}"'
    if entry.get("type") not in _TYPES:
        return 'its "type" is none of replace, remove and test'
    if not isinstance(entry.get("path"), str):
        return 'it has no text under "path"'
    return ""


def _wrong_use(entry: Tree, tokens: tuple[Token, ...]) -> str:
    """Why a well-formed operation cannot be meant; empty when it can."""
    # BOSH reads a null as no value at all, and an empty "value:" is more likely forgotten than meant.
    kind, has_value, has_absent = OpType(entry["type"]), entry.get("value") is not None, "absent" in entry
    rules = (
        (has_absent and (kind is not OpType.TEST or entry["absent"] is not True), "only a test may have absent: true"),
        (kind is OpType.REMOVE and has_value, 'a remove has no "value"'),
        (kind is OpType.REPLACE and not has_value, 'a replace needs a "value" that is not null'),
        (kind is OpType.TEST and has_value == has_absent, 'a test needs either a "value" or absent: true'),
        (kind is OpType.REMOVE and not tokens, "the whole document cannot be removed"),
        (kind is not OpType.REPLACE and adds_items(tokens), "only a replace may add items with -, :before or :after"),
    )
    return next((wrong for holds, wrong in rules if holds), "")


def adds_items(tokens: tuple[Token, ...]) -> bool:
    """Whether a path asks for a new item, so that there is nothing to be found at it."""
    return any(isinstance(token, End) or (isinstance(token, Index | Match) and token.insert) for token in tokens)
