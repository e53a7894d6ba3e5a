"""An operator's mapping, read key by key. Collects what is wrong with it; decides nothing about its meaning.

Every reader answers with a usable default when a value is wrong, so that all problems are found in one pass.
"""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, TypeVar

from director.manifest.near import instead_of, misspelt
from director.model.problem import Problem, Severity

E = TypeVar("E", bound=Enum)
NEVER: Final = r"(?!)"
"""Stands for a pattern that is none, and matches nothing."""
_SHOWN_MAX: Final = 60


class Fields:
    """``where`` names the mapping for people: ``properties``, ``cloud_properties of web/0``."""

    def __init__(self, value: object, where: str, problems: list[Problem], *, code: str) -> None:
        self.where, self.problems, self._code = where, problems, code
        self._tree: Mapping[str, object] = {}
        self._asked: set[str] = set()
        if isinstance(value, Mapping):
            self._tree = {str(key): item for key, item in value.items()}
        elif value is not None:
            self._say("wrong-value", "Not a mapping", f"{where} is {_shown(value)}.", "make it a mapping of keys.")

    def has(self, key: str) -> bool:
        return self._tree.get(key) is not None

    def raw(self, key: str) -> object:
        self._asked.add(key)
        return self._tree.get(key)

    def text(self, key: str, default: str = "", *, is_required: bool = False) -> str:
        value = self.raw(key)
        if value is None or value == "":
            if is_required:
                self.missing(key, "a text")
            return default
        if not isinstance(value, str):
            self.wrong(key, "a text")
            return default
        return value

    def pattern(self, key: str) -> str | None:
        """A regular expression, checked, with Ruby's words for the end and for hexadecimal digits made Python's."""
        value = self.text(key)
        return self.checked_pattern(key, value) if value else None

    def checked_pattern(self, key: str, value: str) -> str:
        text = value.replace(r"\z", r"\Z").replace(r"\h", "[0-9a-fA-F]")
        try:
            re.compile(text)
        except re.error as error:
            self._say(
                "bad-pattern",
                "Broken regular expression",
                f'{self.where}.{key} is "{_cut(value)}", which is no regular expression: {error}.',
                "correct the pattern, or give plain names.",
            )
            return NEVER
        return text

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(key, "true or false")
            return default
        return value

    def whole(self, key: str, default: int = 0, *, least: int = 1, is_required: bool = False) -> int:
        """A whole number of at least ``least``. Text of digits counts, as variables often give it."""
        value = self.raw(key)
        if value is None:
            if is_required:
                self.missing(key, f"a whole number of {least} or more")
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.wrong(key, f"a whole number of {least} or more")
            return default
        return value

    def one_of(self, key: str, kind: type[E], default: E) -> E:
        value = self.raw(key)
        if value is None:
            return default
        by_word = {str(member.value).lower(): member for member in kind}
        found = by_word.get(value.lower()) if isinstance(value, str) else None
        if found is None:
            self.wrong(key, "one of " + ", ".join(str(member.value) for member in kind))
        return found or default

    def fields(self, key: str) -> "Fields":
        return self.within(self.raw(key), key)

    def within(self, value: object, key: str) -> "Fields":
        return Fields(value, f"{self.where}.{key}", self.problems, code=self._code)

    def parts(self, key: str) -> Sequence["Fields"]:
        """A list of mappings, each named by its place in the list."""
        return [self.within(item, f"{key}[{index}]") for index, item in enumerate(self.items(key))]

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.items(key)
        if not all(isinstance(item, str) and item for item in found):
            self.wrong(key, "a list of texts")
        return tuple(item for item in found if isinstance(item, str) and item)

    def items(self, key: str) -> Sequence[object]:
        """A list; a single text or mapping where a list is meant is a mistake."""
        value = self.raw(key)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            self.wrong(key, "a list")
            return ()
        return value

    def options(self, key: str) -> Mapping[str, str]:
        """Plain keys and values as vCenter's extraConfig takes them: all texts, booleans as TRUE and FALSE."""
        found: dict[str, str] = {}
        mine = self.fields(key)
        for name, value in sorted(mine.all().items()):
            if isinstance(value, Mapping | list | tuple) or value is None:
                mine.wrong(name, "a text, number or boolean")
            else:
                found[name] = str(value).upper() if isinstance(value, bool) else str(value)
        return found

    def all(self) -> Mapping[str, object]:
        """Every key with its value, whatever they are called."""
        self._asked.update(self._tree)
        return self._tree

    def pass_over(self, *keys: str) -> None:
        """Keys that are known and mean nothing here."""
        self._asked.update(keys)

    def refuse(self, key: str, why: str, fix: str, *, severity: Severity = Severity.ERROR) -> None:
        """A key that is known, but not carried out. Empty values ask for nothing and pass."""
        if self.raw(key):
            detail = f"{self.where}.{key} {why}."
            self._say("not-supported", "Not supported on vSphere", detail, fix, severity=severity)

    def close(self, *, severity: Severity = Severity.ERROR) -> None:
        """Says which keys nobody asked for. What is surely a misspelling is an error always."""
        for key in sorted(set(self._tree) - self._asked):
            is_error = severity is Severity.ERROR or misspelt(key, self._asked)
            self._say(
                "unknown-key",
                "Unknown key",
                f'{self.where} has "{_cut(key)}", which the vSphere adapter does not know.',
                instead_of(key, self._asked, "remove it"),
                severity=Severity.ERROR if is_error else Severity.WARNING,
            )

    def missing(self, key: str, expected: str) -> None:
        self._say("missing-key", "Missing key", f'{self.where} lacks "{key}".', f"add {key}: {expected}.")

    def wrong(self, key: str, expected: str) -> None:
        shown = "not what is expected" if _is_secret(key) else _shown(self._tree.get(key))
        self._say("wrong-value", "Wrong value", f"{self.where}.{key} is {shown}.", f"give {expected}.")

    def _say(self, code: str, summary: str, detail: str, fix: str, *, severity: Severity = Severity.ERROR) -> None:
        self.problems.append(
            Problem(code=f"{self._code}.{code}", summary=summary, detail=detail, fix=fix, severity=severity)
        )


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in ("password", "private_key", "secret", "token"))


def _shown(value: object) -> str:
    match value:
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case None:
            return "empty"
        case _:
            return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
