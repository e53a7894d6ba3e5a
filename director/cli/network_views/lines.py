"""A tree of branches as lines of text, with the usual connecting strokes. Colours are the caller's."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from director.cli.network_views.branches import Branch, tone_of

Paint = Callable[[str, str], str]
"""Text and tone (good, waiting, muted, bad) to text as the screen takes it."""
FORK, LAST, DOWN, NOTHING = "├─ ", "└─ ", "│  ", "   "
STRIPPED: Final = dict.fromkeys((*range(32), 127, *range(128, 160)), "?")
"""Names come from others: no control character of theirs reaches the terminal."""


def plain(text: str, tone: str) -> str:
    del tone
    return text


def lines_of(branches: Sequence[Branch], paint: Paint = plain) -> Iterator[str]:
    """Outermost branches stand at the left edge, an empty line between them."""
    for number, branch in enumerate(branches):
        if number:
            yield ""
        yield _said(branch, paint)
        yield from _below(branch.below, "", paint)


def clean(text: str) -> str:
    return text.translate(STRIPPED)


def _below(branches: Sequence[Branch], lead: str, paint: Paint) -> Iterator[str]:
    for branch in branches:
        is_last = branch is branches[-1]
        yield f"{lead}{LAST if is_last else FORK}{_said(branch, paint)}"
        yield from _below(branch.below, f"{lead}{NOTHING if is_last else DOWN}", paint)


def _said(branch: Branch, paint: Paint) -> str:
    state = f"  {paint(clean(branch.state), tone_of(branch.state))}" if branch.state else ""
    note = f"  {paint(clean(branch.note), 'bad' if tone_of(branch.state) == 'bad' else 'muted')}" if branch.note else ""
    return f"{clean(branch.text)}{state}{note}"
