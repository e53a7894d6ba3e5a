"""Paths of ops files: ``/instance_groups/name=web/jobs/-`` and the like (bosh-director.md 1.15). Syntax only."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias


class Shift(Enum):
    """One step away from the item that was found."""

    PREV = "prev"
    NEXT = "next"


class Insert(Enum):
    """A new item beside the one that was found, instead of in its place."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    key: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Counts from the end when negative."""

    index: int
    shifts: tuple[Shift, ...] = ()
    insert: Insert | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The one item whose ``key`` is the text ``value``."""

    key: str
    value: str
    is_optional: bool = False
    shifts: tuple[Shift, ...] = ()
    insert: Insert | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Behind the last item."""


Token: TypeAlias = Key | Index | Match | End

_TOKENS_MAX: Final = 100
"""No document is nested as deeply, and each step is a call deeper."""

_ESCAPES: Final = (("~7", ":"), ("~1", "/"), ("~0", "~"))


def read_pointer(text: str) -> tuple[Token, ...]:
    """The tokens of a path; none for the empty text, which is the whole document. Raises ValueError, saying why."""
    if not text:
        return ()
    if not text.startswith("/"):
        raise ValueError("it does not begin with /")
    tokens: list[Token] = []
    is_optional = False
    pieces = text[1:].split("/")
    if len(pieces) > _TOKENS_MAX:
        raise ValueError(f"it has more than {_TOKENS_MAX} steps")
    for position, piece in enumerate(pieces):
        token = _read_token(piece, is_last=position == len(pieces) - 1, is_optional=is_optional)
        is_optional = isinstance(token, Key | Match) and token.is_optional
        tokens.append(token)
    return tuple(tokens)


def show_pointer(tokens: tuple[Token, ...]) -> str:
    """The path of tokens as text, for messages."""
    return "".join("/" + _show(token) for token in tokens) or "/"


def _read_token(piece: str, *, is_last: bool, is_optional: bool) -> Token:
    bare, *modifiers = piece.split(":")
    name = _unescape(bare)
    if name == "-" and is_last and not modifiers:
        return End()
    shifts, insert = _read_modifiers(modifiers, is_last=is_last)
    if _is_integer(name):
        return Index(index=int(name), shifts=shifts, insert=insert)
    if name.endswith("?"):
        name, is_optional = name[:-1], True
    key, sign, value = name.partition("=")
    if sign:
        return Match(key=key, value=value, is_optional=is_optional, shifts=shifts, insert=insert)
    if modifiers:
        raise ValueError(f'":{modifiers[0]}" follows the map key "{name}"; only items of lists may have it')
    return Key(key=name, is_optional=is_optional)


def _read_modifiers(modifiers: list[str], *, is_last: bool) -> tuple[tuple[Shift, ...], Insert | None]:
    shifts: list[Shift] = []
    insert: Insert | None = None
    for word in modifiers:
        if insert is not None:
            raise ValueError(f'nothing may follow ":{insert.value}"')
        if word in ("prev", "next"):
            shifts.append(Shift(word))
        elif word in ("before", "after"):
            insert = Insert(word)
        else:
            raise ValueError(f'":{word}" is none of :prev, :next, :before and :after; write ~7 for a colon')
    if insert is not None and not is_last:
        raise ValueError(f'nothing may follow ":{insert.value}"')
    return tuple(shifts), insert


def _is_integer(text: str) -> bool:
    digits = text[1:] if text[:1] in ("-", "+") else text
    return digits.isascii() and digits.isdecimal() and len(digits) <= 18


def _unescape(text: str) -> str:
    for escape, char in _ESCAPES:
        text = text.replace(escape, char)
    return text


def _escape(text: str) -> str:
    for escape, char in reversed(_ESCAPES):
        text = text.replace(char, escape)
    return text


def _show(token: Token) -> str:
    match token:
        case Key():
            return _escape(token.key) + ("?" if token.is_optional else "")
        case End():
            return "-"
        case Index():
            name = str(token.index)
        case Match():
            name = _escape(f"{token.key}={token.value}") + ("?" if token.is_optional else "")
    words = [shift.value for shift in token.shifts] + ([token.insert.value] if token.insert else [])
    return ":".join([name, *words])
