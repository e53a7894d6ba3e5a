"""Ids in paths, words in searches: what NSX would read as its own punctuation is escaped (NSX refuses it raw)."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

BASE: Final = "/policy/api/v1"
_LUCENE: Final = re.compile(r'([+\-&|!(){}\[\]^"~*?:\\/\s])')

Word = str | int | bool | None
"""A query parameter; None leaves it out."""


def quoted(name: str) -> str:
    """An id as one segment of a path: ``web [1]`` becomes ``web%20%5B1%5D`` (agent-cpi-vsphere.md 5.3)."""
    assert name not in {"", ".", ".."}, "no id"
    return quote(name, safe=":")


def escaped(text: str) -> str:
    r"""A word of a search: ``default:web/1`` becomes ``default\:web\/1``, and matches just that."""
    return _LUCENE.sub(r"\\\1", text)


def target_of(path: str, query: Mapping[str, Word]) -> str:
    """Path and query as they go over the wire. What is quoted already stays; what NSX gave unquoted is quoted."""
    whole = path if path.startswith(("/api/", BASE + "/")) else BASE + path
    words = {name: _word(value) for name, value in query.items() if value is not None}
    return quote(whole, safe="/:@!$&'()*+,;=~%") + ("?" + urlencode(words, quote_via=quote) if words else "")


def collection_of(path: str) -> str:
    """What a path is about, for counting: ``/infra/tier-1s/a/nat/USER/nat-rules/b`` is ``nat-rules``."""
    first, *rest = path.removeprefix(BASE).strip("/").split("/")
    if first != "infra" or not rest:
        return "/".join(rest[-2:]) if first == "api" else first
    names = rest[::2]
    return names[0] if names[0] == "realized-state" else names[-1]


def _word(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
