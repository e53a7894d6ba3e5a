"""Draws boxes as SVG: columns from left to right, a box's children below one another to its right. Escapes all text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote

from tests.nsxsim.page_model import Box, Line, Owner

WIDTH: Final = 276
GAP_X: Final = 44
GAP_Y: Final = 14
HEAD: Final = 42
ROW: Final = 19
FOOT: Final = 6
MARGIN: Final = 14
TITLE_CHARS: Final = 30
ROW_CHARS: Final = 36
NOTE_CHARS: Final = 16
"""What fits into a box: text is cut by its length, as nobody here can measure it."""


@dataclass(frozen=True, slots=True)
class Placed:
    box: Box
    column: int
    top: int
    height: int

    @property
    def left(self) -> int:
        return MARGIN + self.column * (WIDTH + GAP_X)


def object_url(path: str) -> str:
    return f"/object?path={quote(path, safe='')}"


def drawing(roots: list[Box], colours: Mapping[Owner, str]) -> str:
    """One <svg>. `colours` are CSS classes by owner."""
    placed: list[Placed] = []
    edges: list[tuple[Placed, Placed]] = []
    bottom = MARGIN
    for root in roots:
        bottom = _place(root, 0, bottom, placed, edges) + GAP_Y * 2
    columns = max((each.column for each in placed), default=0) + 1
    width, height = MARGIN * 2 + columns * WIDTH + (columns - 1) * GAP_X, bottom + MARGIN
    inside = [*(_edge(*each) for each in edges), *(_box(each, colours) for each in placed)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'{head} role="img" aria-label="Topology">{"".join(inside)}</svg>'


def _place(box: Box, column: int, top: int, placed: list[Placed], edges: list[tuple[Placed, Placed]]) -> int:
    """Puts a box and all right of it, or all below a heading; returns where the next may begin."""
    mine = Placed(box, column, top, HEAD + ROW * len(box.lines) + (FOOT if box.lines else 0))
    placed.append(mine)
    below = top if box.kind else top + mine.height
    for child in box.children:
        at = len(placed)
        below = _place(child, column + (1 if box.kind else 0), below, placed, edges) + GAP_Y
        if box.kind:
            edges.append((mine, placed[at]))
    return max(top + mine.height, below - GAP_Y if box.children else below)


def _edge(start: Placed, end: Placed) -> str:
    x1, y1 = start.left + WIDTH, start.top + HEAD // 2
    x2, y2 = end.left, end.top + HEAD // 2
    middle = x1 + GAP_X // 2
    if y1 == y2:
        return f'<path class="edge" d="M{x1} {y1}H{x2}"/>'
    bend = 8
    return (
        f'<path class="edge" d="M{x1} {y1}H{middle - bend}Q{middle} {y1} {middle} {y1 + bend}'
        f'V{y2 - bend}Q{middle} {y2} {middle + bend} {y2}H{x2}"/>'
    )


def _box(each: Placed, colours: Mapping[Owner, str]) -> str:
    box, x, y = each.box, each.left, each.top
    if not box.kind:
        return f'<text class="title" x="{x}" y="{y + 26}">{escape(box.title)}</text>'
    inside = "".join(_head(box, x, y)) + "".join(_row(line, x, y + HEAD + ROW * n) for n, line in enumerate(box.lines))
    sign = "ours" if box.owner.is_ours else "theirs"
    return (
        f'<g class="{sign} {colours[box.owner]}"><rect class="box" x="{x}" y="{y}" width="{WIDTH}" '
        f'height="{each.height}" rx="6"/><path class="band" d="M{x + 6} {y}h-2a4 4 0 0 0 -4 4v{each.height - 8}'
        f'a4 4 0 0 0 4 4h2z"/>{inside}</g>'
    )


def _head(box: Box, x: int, y: int) -> Iterator[str]:
    yield f'<text class="kind" x="{x + 14}" y="{y + 16}">{escape(box.kind)}</text>'
    yield f'<text class="owner" x="{x + WIDTH - 10}" y="{y + 16}">{escape(_cut(box.owner.name, 20))}</text>'
    if box.tone:
        yield _dot(x + WIDTH - 15, y + 30, box.tone)
    text = f'<text class="title" x="{x + 14}" y="{y + 34}">{_titled(box.title, TITLE_CHARS)}</text>'
    yield _linked(box.path, text)


def _row(line: Line, x: int, y: int) -> str:
    note = _cut(line.note, max(NOTE_CHARS, ROW_CHARS - len(line.text) - 2)) if line.note else ""
    room = ROW_CHARS - len(note) - (2 if note else 0)
    indent = 26 if line.tone else 14
    parts = [_dot(x + 17, y + 9, line.tone)] if line.tone else []
    text = f'<text class="row" x="{x + indent}" y="{y + 13}">{_titled(line.text, room)}</text>'
    parts.append(_linked(line.path, text))
    if note:
        parts.append(f'<text class="note" x="{x + WIDTH - 10}" y="{y + 13}">{_titled(line.note, len(note))}</text>')
    return "".join(parts)


def _dot(x: int, y: int, tone: str) -> str:
    """Shape differs besides colour: down is a cross."""
    words = {"up": "up", "down": "down or in error", "wait": "not yet, or in part", "off": "not in use"}[tone]
    if tone == "down":
        shape = f'<path class="dot down" d="M{x - 4} {y - 4}l8 8m0 -8l-8 8"/>'
    else:
        shape = f'<circle class="dot {tone}" cx="{x}" cy="{y}" r="4"/>'
    return f"<g><title>{words}</title>{shape}</g>"


def _linked(path: str, text: str) -> str:
    return f'<a href="{escape(object_url(path))}">{text}</a>' if path else text


def _titled(text: str, most: int) -> str:
    """The text, cut; the whole of it when pointed at."""
    return escape(text) if len(text) <= most else f"<title>{escape(text)}</title>{escape(_cut(text, most))}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"
