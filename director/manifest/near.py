"""What a mistyped word was probably meant to be. Decides likeness only."""

import difflib
from collections.abc import Iterable
from typing import Final

_LENGTH_MAX: Final = 64
"""Longer words are not typing mistakes, and comparing them takes quadratic time."""
_SAME: Final = 0.8
"""From here on a key is taken for a misspelling of another, not for a key of its own."""
_LISTED_MAX: Final = 12
_KNOWN_MAX: Final = 1000


def nearest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known word most like ``word``, or None when none is like it."""
    if len(word) > _LENGTH_MAX:
        return None
    candidates = sorted(set(known))[:_KNOWN_MAX]
    plain = _plain(word)
    same = [candidate for candidate in candidates if _plain(candidate) == plain]
    if same:
        return same[0]
    found = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=likeness)
    return found[0] if found else None


def misspelt(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` is surely meant to be, such as ``instance_groups`` for ``instance-groups``."""
    return nearest(word, known, likeness=_SAME)


def instead_of(word: str, known: Iterable[str], otherwise: str) -> str:
    """The fix of an unknown name: the likeliest one, or ``otherwise`` (an imperative) and what there is to choose."""
    names = sorted(set(known))
    guess = nearest(word, names)
    if guess:
        return f'did you mean "{guess}"? Otherwise {otherwise}.'
    if not names:
        return f"{otherwise}."
    return f"{otherwise}, or use one of: {listed(names)}."


def listed(names: Iterable[str]) -> str:
    """Names for a message, sorted, cut short when there are many."""
    sorted_names = sorted(set(names))
    shown = ", ".join(sorted_names[:_LISTED_MAX])
    more = len(sorted_names) - _LISTED_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")
