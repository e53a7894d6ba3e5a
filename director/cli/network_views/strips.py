"""Many things at a glance: a small square for each, coloured by its state; of very many a bar in proportion."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from director.cli.network_views.branches import tone_of
from director.cli.network_views.canvas import Canvas

SQUARE, PITCH = 9.0, 12.0
SQUARES_MAX: Final = 240
TONES: Final = ("bad", "waiting", "muted", "good")


def strip_height(count: int, width: float) -> float:
    if count > SQUARES_MAX:
        return PITCH
    return -(-count // _across(width)) * PITCH


def draw_strip(canvas: Canvas, x: float, y: float, width: float, states: Sequence[tuple[str, str]]) -> None:
    """``states`` are (state, hint), in their order."""
    if len(states) > SQUARES_MAX:
        _draw_bar(canvas, x, y, width, [state for state, _ in states])
        return
    across = _across(width)
    for number, (state, hint) in enumerate(states):
        left, top = x + number % across * PITCH, y + number // across * PITCH
        canvas.box(left, top, SQUARE, SQUARE, f"dot {tone_of(state)}", radius=2, hint=hint)


def _draw_bar(canvas: Canvas, x: float, y: float, width: float, states: Sequence[str]) -> None:
    counts = Counter(tone_of(state) for state in states)
    for tone in TONES:
        part = width * counts[tone] / len(states)
        if part:
            canvas.box(x, y, part, SQUARE, f"dot {tone}", radius=0, hint=f"{counts[tone]} of {len(states)}")
            x += part


def _across(width: float) -> int:
    return max(1, int((width + PITCH - SQUARE) // PITCH))
