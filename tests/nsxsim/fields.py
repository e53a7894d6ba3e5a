"""Walks field specs like `a.b[].c` through JSON bodies, and applies the table's checks on them."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tests.nsxsim.kinds import Kind
from tests.nsxsim.problems import Json, Refusal, invalid


@cache
def _pieces(spec: str) -> tuple[str, ...]:
    return tuple(spec.replace("[]", ".[]").split("."))


def values(body: Json, spec: str) -> Iterator[tuple[str, Any]]:
    """(where, value) of each place a spec leads to; absent ones and nulls are left out."""
    yield from _values(body, _pieces(spec), "")


def _values(at: Any, pieces: tuple[str, ...], where: str) -> Iterator[tuple[str, Any]]:
    if at is None:
        return
    if not pieces:
        yield where, at
    elif pieces[0] == "[]":
        for index, each in enumerate(at if isinstance(at, list) else ()):
            yield from _values(each, pieces[1:], f"{where}[{index}]")
    elif isinstance(at, dict):
        yield from _values(at.get(pieces[0]), pieces[1:], f"{where}.{pieces[0]}" if where else pieces[0])


def missing(body: Json, spec: str) -> Iterator[str]:
    """Where a required field is not: only looked for inside containers that are there."""
    *holders, last = _pieces(spec)
    for where, holder in _values(body, tuple(holders), ""):
        if isinstance(holder, dict) and holder.get(last) in (None, "", []):
            yield f"{where}.{last}" if where else last


def filled(body: Json, spec: str, default: Any) -> Json:
    """The body with a default where the field is absent; copies what it changes."""
    made: Json = _filled(body, _pieces(spec), default)
    return made


def _filled(at: Any, pieces: tuple[str, ...], default: Any) -> Any:
    if pieces[0] == "[]":
        return [_filled(each, pieces[1:], default) for each in at] if isinstance(at, list) else at
    if not isinstance(at, dict):
        return at
    here = at.get(pieces[0])
    if len(pieces) == 1:
        return at if here is not None else {**at, pieces[0]: default}
    if here is None:
        # Lists and inner objects get defaults only where they are; one plain inner object is made.
        return {**at, pieces[0]: {pieces[1]: default}} if _is_made(pieces) else at
    return {**at, pieces[0]: _filled(here, pieces[1:], default)}


def _is_made(pieces: tuple[str, ...]) -> bool:
    return len(pieces) == 2 and pieces[0] == "advanced_config"


def with_defaults(kind: Kind, type_name: str, body: Json) -> Json:
    """The body as the manager would keep it: the table's defaults where nothing was said."""
    defaults: Mapping[str, Any] = {**kind.defaults, **kind.type_defaults.get(type_name, {})}
    for spec, default in defaults.items():
        body = filled(body, spec, default)
    return body


def problems(kind: Kind, body: Json) -> Iterator[Refusal]:
    """What the table's required fields, limits and formats find."""
    for spec in kind.required:
        for where in missing(body, spec):
            yield invalid("Required property is missing", code=255, field=where)
    for spec, bounds in kind.limits.items():
        for where, value in values(body, spec):
            yield from _outside(where, value, *bounds)
    for spec, check in kind.formats.items():
        for where, value in values(body, spec):
            if (wrong := check(value)) is not None:
                yield invalid(wrong, field=where)


def _outside(where: str, value: Any, low: int, high: int) -> Iterator[Refusal]:
    size, words = (len(value), "length") if isinstance(value, (str, list)) else (value, "value")
    if not low <= size <= high:
        yield invalid(f"{words} {size} is outside {low}..{high}", code=255, field=where)
