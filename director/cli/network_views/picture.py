"""The network map as SVG: outside, tier-0, routers in a grid below it, on each its load balancers and segments.

Lays out; what a part looks like is in ``blocks``. The same report always gives the same picture.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from director.cli.network_views.blocks import (
    WIDTH,
    Block,
    Marks,
    balancer_block,
    list_block,
    network_block,
    pools_of,
    router_block,
    segment_block,
    stacked,
    tier_head,
)
from director.cli.network_views.branches import fabric_name
from director.cli.network_views.canvas import Canvas, width_of

MARGIN, BETWEEN, ROW_GAP = 28.0, 24.0, 44.0
ACROSS_MIN: Final = 2
ACROSS_MAX: Final = 6
LEGEND: Final = (
    ("good", "as it should be"),
    ("waiting", "changing, or stopped"),
    ("bad", "not well"),
    ("muted", "as recorded, or not ours"),
)

Tree = Mapping[str, Any]


def draw(report: Tree, title: str = "Networks") -> str:
    """The whole picture as SVG text."""
    across = _across(report)
    width = max(across, ACROSS_MIN) * (WIDTH + BETWEEN) - BETWEEN
    blocks = [block for fabric in report["fabrics"] for block in _fabric(fabric, width, across)]
    if report["plain"]:
        plain = [
            network_block(f"network {p['name']}", "not managed here", None, p["instances"], {}) for p in report["plain"]
        ]
        blocks.append(_titled("Networks not managed here", _grid(plain, across), width))
    canvas, whole = Canvas(), stacked(blocks, gap=ROW_GAP / 2)
    canvas.text(MARGIN, MARGIN + 6, title, "head")
    _draw_legend(canvas, MARGIN + width)
    if not blocks:
        canvas.text(MARGIN, MARGIN + 40, "There are none.", "text")
    whole.draw(canvas, MARGIN, MARGIN + 34)
    return canvas.svg(width + 2 * MARGIN, max(whole.height, 20) + 2 * MARGIN + 34, title)


def _across(report: Tree) -> int:
    """Columns: as many as make the picture about as wide as a screen."""
    most = [len(router["routers"]) for fabric in report["fabrics"] for router in fabric["routers"]]
    most += [len(report["plain"]), *(len(fabric["routers"]) for fabric in report["fabrics"])]
    most += [len(fabric["segments"]) + len(fabric["balancers"]) for fabric in report["fabrics"]]
    count = max(most, default=1)
    return max(1, min(count, ACROSS_MAX, max(4, math.isqrt(count))))


def _fabric(fabric: Tree, width: float, across: int) -> Iterator[Block]:
    pools = {key: number for number, key in enumerate(_pool_keys(fabric))}
    marks = _marks(fabric, pools)
    note = fabric["unseen"] or ("" if fabric["is_looked_at"] else "as recorded; nobody looked")
    yield _title(fabric_name(fabric["cpi"]), note, width, is_bad=bool(fabric["unseen"]))
    tiers = [router for router in fabric["routers"] if router["kind"] == "tier-0" or router["routers"]]
    for tier in tiers:
        yield _tier(tier, marks, pools, across)
    loose = [
        *(router_block(one, marks, pools) for one in fabric["routers"] if one not in tiers),
        *(segment_block(one, marks) for one in fabric["segments"]),
        *(balancer_block(one, pools) for one in fabric["balancers"]),
    ]
    if loose:
        yield _titled("Below no tier-0", _grid(loose, across), width)
    if fabric["others"]:
        yield list_block("Beside them", fabric["others"], width)
    if fabric["unrecorded"]:
        yield list_block("Tagged as this director's, but not recorded", fabric["unrecorded"], width)
    for problem in fabric["problems"]:
        yield _title("", problem, width, is_bad=True)


def _tier(tier: Tree, marks: Marks, pools: Mapping[str, int], across: int) -> Block:
    """The outside, the tier-0's bar, and rows of routers on wires from a trunk at the left."""
    below = [router_block(one, marks, pools) for one in tier["routers"]]
    below += [segment_block(one, marks) for one in tier["segments"]]
    below += [balancer_block(one, pools) for one in tier["balancers"]]
    rows = _rows(below, across)
    width = max((_row_width(row) for row in rows), default=WIDTH)
    head = tier_head(tier, width)
    top = 26 + 22

    def draw(canvas: Canvas, x: float, y: float) -> None:
        middle = x + width / 2
        canvas.box(middle - 60, y, 120, 26, "outside", radius=13)
        canvas.text(middle, y + 17, "outside", "fine", anchor="middle")
        canvas.line([(middle, y + 26), (middle, y + top)])
        head.draw(canvas, x, y + top)
        at = y + top + head.height
        trunk = x - MARGIN / 2
        for number, row in enumerate(rows):
            bus, start = at + ROW_GAP / 2, at
            at += ROW_GAP
            centres = [x + place * (WIDTH + BETWEEN) + WIDTH / 2 for place in range(len(row))]
            if number:
                canvas.line([(trunk, bus), (centres[-1], bus)])
            for place, (centre, block) in enumerate(zip(centres, row, strict=True)):
                canvas.line([(centre, bus if number else start), (centre, at)])
                block.draw(canvas, x + place * (WIDTH + BETWEEN), at)
            at += max(block.height for block in row)
        if len(rows) > 1:
            first = y + top + head.height
            last = at - max(block.height for block in rows[-1]) - ROW_GAP / 2
            canvas.line([(x, first - 16), (trunk, first - 16), (trunk, last)])

    height = top + head.height + sum(ROW_GAP + max(block.height for block in row) for row in rows)
    return Block(width=width, height=height, draw=draw)


def _grid(blocks: Sequence[Block], across: int) -> Block:
    rows = _rows(blocks, across)

    def draw(canvas: Canvas, x: float, y: float) -> None:
        for row in rows:
            for place, block in enumerate(row):
                block.draw(canvas, x + place * (WIDTH + BETWEEN), y)
            y += max(block.height for block in row) + BETWEEN

    height = sum(max(block.height for block in row) + BETWEEN for row in rows) - BETWEEN
    return Block(width=max(_row_width(row) for row in rows), height=height, draw=draw)


def _rows(blocks: Sequence[Block], across: int) -> list[Sequence[Block]]:
    return [blocks[at : at + across] for at in range(0, len(blocks), across)]


def _row_width(row: Sequence[Block]) -> float:
    return len(row) * (WIDTH + BETWEEN) - BETWEEN


def _titled(title: str, block: Block, width: float) -> Block:
    return stacked([_title(title, "", width), block], gap=8)


def _title(title: str, note: str, width: float, *, is_bad: bool = False) -> Block:
    def draw(canvas: Canvas, x: float, y: float) -> None:
        canvas.text(x, y + 13, title, "name")
        left = width_of(title, "name") + 12 if title else 0
        canvas.text(x + left, y + 13, note, "text", width=width - left, tone="bad" if is_bad else "")

    return Block(width=width, height=18, draw=draw)


def _pool_keys(fabric: Tree) -> list[str]:
    return list(dict.fromkeys(key for balancer in _balancers(fabric) for key, _ in pools_of(balancer)))


def _marks(fabric: Tree, pools: Mapping[str, int]) -> Marks:
    found: dict[tuple[str, str], list[int]] = {}
    for balancer in _balancers(fabric):
        for key, pool in pools_of(balancer):
            for one in pool["members"]:
                numbers = found.setdefault((one["deployment"], one["instance"]), [])
                if pools[key] not in numbers:
                    numbers.append(pools[key])
    return found


def _balancers(fabric: Tree) -> Iterator[Tree]:
    routers = list(fabric["routers"])
    for router in routers:
        routers.extend(router["routers"])
    yield from (balancer for router in routers for balancer in router["balancers"])
    yield from fabric["balancers"]


def _draw_legend(canvas: Canvas, right: float) -> None:
    for tone, text in reversed(LEGEND):
        right -= width_of(text, "fine")
        canvas.text(right, MARGIN + 6, text, "fine")
        right -= 12
        canvas.dot(right + 3, MARGIN + 2, tone)
        right -= 10
