"""The query language of /search/query, as far as clients use it: field:value, (a OR b), quotes, wildcards, NOT, ranges.

`parse(text)` gives a tree; `holds(tree, document)` decides. Values compare without case; `tags.scope` looks into
every tag. The characters / : [ ] ( ) { } must be escaped with a backslash or stand in quotes (reference 5.3).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from tests.nsxsim.problems import Json, Refusal

TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<quoted>"(?:\\.|[^"\\])*")
    | (?P<range>\[(?:\\.|[^\]\\])*\]|\{(?:\\.|[^}\\])*\})
    | (?P<open>\() | (?P<close>\))
    | (?P<colon>:)
    | (?P<bang>!)
    | (?P<word>(?:\\.|[^\s()\[\]{}":/!\\])(?:\\.|[^\s()\[\]{}":/\\])*)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Has:
    """A field (empty: any) whose value matches; `exact` is the value when there is no wildcard in it."""

    field: str
    matches: Callable[[Any], bool]
    exact: str | None = None


@dataclass(frozen=True, slots=True)
class Not:
    of: "Query"


@dataclass(frozen=True, slots=True)
class All:
    of: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Some:
    of: tuple["Query", ...]


Query = Has | Not | All | Some


def wrong(text: str, why: str) -> Refusal:
    return Refusal(400, 60506, f"The search query is not valid: {why}: {text}", module="search")


@lru_cache(maxsize=2000)
def parse(text: str) -> Query:
    """Raises Refusal 400 for what cannot be parsed."""
    parser = _Parser(text)
    made = parser.some("")
    if parser.kind:
        raise wrong(text, f"unexpected '{parser.said}'")
    return made


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.kind, self.said = "", ""
        self.step()

    def step(self) -> None:
        if not self.text[self.at :].strip():
            self.kind = self.said = ""
            return
        met = TOKEN.match(self.text, self.at)
        if met is None:
            raise wrong(self.text, f"unescaped character at position {self.at}")
        self.at, self.kind = met.end(), str(met.lastgroup)
        self.said = met.group(self.kind)

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.said in words

    def some(self, field: str) -> Query:
        parts = [self.all(field)]
        while self.is_word("OR", "||"):
            self.step()
            parts.append(self.all(field))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def all(self, field: str) -> Query:
        parts = [self.one(field)]
        while self.kind and self.kind != "close" and not self.is_word("OR", "||"):
            if self.is_word("AND", "&&"):
                self.step()
            parts.append(self.one(field))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def one(self, field: str) -> Query:
        if self.kind == "bang" or self.is_word("NOT"):
            self.step()
            return Not(self.one(field))
        if self.kind == "word" and self.said.startswith("-") and len(self.said) > 1:
            self.said = self.said[1:]
            return Not(self.one(field))
        if self.kind == "open":
            return self.inside(field)
        if self.kind not in ("word", "quoted", "range"):
            raise wrong(self.text, f"a term is missing before '{self.said}'" if self.said else "a term is missing")
        kind, said = self.kind, self.said
        self.step()
        if self.kind == "colon" and kind == "word" and not field:
            self.step()
            return self.inside(_plain(said)) if self.kind == "open" else self.one(_plain(said))
        return _has(field, kind, said, self.text)

    def inside(self, field: str) -> Query:
        self.step()
        made = self.some(field)
        if self.kind != "close":
            raise wrong(self.text, "a ')' is missing")
        self.step()
        return made


def _plain(said: str) -> str:
    return re.sub(r"\\(.)", r"\1", said)


def _has(field: str, kind: str, said: str, text: str) -> Has:
    if kind == "quoted":
        exact = _plain(said[1:-1]).lower()
        return Has(field, lambda value: _text(value) == exact, exact)
    if kind == "range":
        return Has(field, _between(said, text))
    if said[0] in "<>" and len(said) > 1:
        return Has(field, _compared(said))
    pattern = _pattern(said)
    if pattern is None:
        exact = _plain(said).lower()
        return Has(field, lambda value: _text(value) == exact, exact)
    return Has(field, lambda value: pattern.fullmatch(_text(value)) is not None)


def _text(value: Any) -> str:
    return str(value).lower()


def _pattern(said: str) -> re.Pattern[str] | None:
    """A word with * or ? as a regular expression; None when it has none."""
    parts, wild = [], False
    for piece in re.findall(r"\\.|.", said, re.DOTALL):
        if piece in ("*", "?"):
            wild = True
            parts.append(".*" if piece == "*" else ".")
        else:
            parts.append(re.escape(piece[-1].lower()))
    return re.compile("".join(parts), re.DOTALL) if wild else None


def _between(said: str, text: str) -> Callable[[Any], bool]:
    low, to, high = said[1:-1].partition(" TO ")
    if not to:
        raise wrong(text, "a range is [low TO high]")
    closed = said[0] == "["
    low, high = low.strip(), high.strip()

    def within(value: Any) -> bool:
        above = low == "*" or (_less(low, value) or (closed and _text(value) == low.lower()))
        below = high == "*" or (_less(value, high) or (closed and _text(value) == high.lower()))
        return above and below

    return within


def _compared(said: str) -> Callable[[Any], bool]:
    equal = said[1] == "="
    bound = said[2:] if equal else said[1:]
    if said[0] == ">":
        return lambda value: _less(bound, value) or (equal and _text(value) == bound)
    return lambda value: _less(value, bound) or (equal and _text(value) == bound)


def _less(left: Any, right: Any) -> bool:
    try:
        return float(left) < float(right)
    except (TypeError, ValueError):
        return _text(left) < _text(right)


def holds(query: Query, document: Json) -> bool:
    match query:
        case Has():
            if not query.field:
                return any(_anywhere(query, value) for value in _all_values(document))
            return any(query.matches(value) for value in _values(document, query.field.split(".")))
        case Not():
            return not holds(query.of, document)
        case All():
            return all(holds(each, document) for each in query.of)
        case Some():
            return any(holds(each, document) for each in query.of)


def _anywhere(query: Has, value: Any) -> bool:
    return query.exact in _text(value) if query.exact is not None else query.matches(value)


def _values(at: Any, pieces: list[str]) -> Iterator[Any]:
    if isinstance(at, list):
        for each in at:
            yield from _values(each, pieces)
    elif isinstance(at, dict):
        if pieces and pieces[0] in at:
            yield from _values(at[pieces[0]], pieces[1:])
    elif not pieces and at is not None:
        yield at


def _all_values(at: Any) -> Iterator[Any]:
    if isinstance(at, dict):
        for each in at.values():
            yield from _all_values(each)
    elif isinstance(at, list):
        for each in at:
            yield from _all_values(each)
    elif isinstance(at, str):
        yield at


Lookup = Callable[[str, str], frozenset[str] | None]


def candidates(query: Query, look_up: Lookup) -> frozenset[str] | None:
    """Keys outside of which a query cannot hold, from an index of exact values; None when it cannot tell.

    `look_up(field, value)` answers the keys of documents with that value, None for a field without an index.
    """
    match query:
        case Has() if query.exact is not None and query.field:
            return look_up(query.field, query.exact)
        case All():
            known = [found for each in query.of if (found := candidates(each, look_up)) is not None]
            return min(known, key=len) if known else None
        case Some():
            sets = [candidates(each, look_up) for each in query.of]
            known = [each for each in sets if each is not None]
            return frozenset().union(*known) if len(known) == len(sets) else None
        case _:
            return None


def exact_values(document: Json, field: str) -> Iterator[str]:
    """What an index of a field holds of a document."""
    return (_text(value) for value in _values(document, field.split(".")))
