"""The parts of a network map, each measured before it is drawn: router, segment, load balancer, list of names.

All are columns of one width, so that any number of them stands in a grid.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from director.cli.network_views.branches import groups_of, plural, tally, tone_of, topology_of
from director.cli.network_views.canvas import Canvas
from director.cli.network_views.strips import draw_strip, strip_height

WIDTH: Final = 344.0
RAIL: Final = 26.0
"""What stands below a router is moved in by so much; the line that leads to it runs there."""
PAD, GAP, LINE = 10.0, 12.0, 16.0
CARD_HEIGHT: Final = 36.0
CARDS_MAX: Final = 12
"""More instances than that on one segment become a row of squares for each instance group."""
LINES_MAX: Final = 6
POOL_COLOURS: Final = 6

Tree = Mapping[str, Any]
Marks = Mapping[tuple[str, str], Sequence[int]]
"""By deployment and ``group/index``: numbers of the pools it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    width: float
    height: float
    draw: Callable[[Canvas, float, float], None]


def stacked(blocks: Sequence[Block], *, gap: float = GAP) -> Block:
    """One below the other."""

    def draw(canvas: Canvas, x: float, y: float) -> None:
        for block in blocks:
            block.draw(canvas, x, y)
            y += block.height + gap

    height = sum(block.height for block in blocks) + gap * max(0, len(blocks) - 1)
    return Block(width=max((block.width for block in blocks), default=0.0), height=height, draw=draw)


def router_block(router: Tree, marks: Marks, pools: Mapping[str, int]) -> Block:
    """Its box, and on a rail below it load balancers and segments."""
    width = WIDTH - RAIL
    below = [
        *(balancer_block(one, pools, width) for one in router["balancers"]),
        *(segment_block(one, marks, width) for one in router["segments"]),
    ]
    head = _head(router, WIDTH)

    def draw(canvas: Canvas, x: float, y: float) -> None:
        top, rail, end = y + head.height, x + RAIL / 2, y + head.height
        for block in below:
            top += GAP
            end = top + 18
            canvas.line([(rail, end), (x + RAIL, end)])
            block.draw(canvas, x + RAIL, top)
            top += block.height
        if below:
            canvas.line([(rail, y + head.height), (rail, end)])
        head.draw(canvas, x, y)

    return Block(width=WIDTH, height=head.height + sum(block.height + GAP for block in below), draw=draw)


def tier_head(router: Tree, width: float) -> Block:
    """A tier-0's bar, as wide as all that hangs on it."""
    return _head(router, width)


def _head(router: Tree, width: float) -> Block:
    found = router["object"]
    rules = [*router["nat"], *router["routes"]]
    title = f"{router['kind']} {router['name']}"
    about = found["about"] if found else "made by others"
    kind = "tier" if router["kind"] == "tier-0" else "router"
    return _panel(title, about, found, kind, [(one["about"], one) for one in rules], width)


def _panel(
    title: str, about: str, found: Tree | None, kind: str, lines: Sequence[tuple[str, Tree]], width: float
) -> Block:
    """A title, a line about it, its reason when it is not well, and further lines with their states; framed unless
    ``kind`` is empty.
    """
    shown = list(lines[:LINES_MAX])
    left = len(lines) - len(shown)
    reason = _state(found) if found and tone_of(found["state"]) == "bad" else ""
    height = PAD + LINE * (2 + len(shown) + bool(left) + bool(reason)) + PAD / 2

    def draw(canvas: Canvas, x: float, y: float) -> None:
        if kind:
            _frame(canvas, x, y, width, height, kind, found)
        at = y + PAD + 11
        canvas.text(x + PAD + 12, at, title, "name", width=width - 2 * PAD - 12)
        canvas.dot(x + PAD + 4, at - 4, _tone(found), hint=_state(found))
        at += LINE
        canvas.text(x + PAD + 12, at, about, "fine", width=width - 2 * PAD - 12)
        if reason:
            at += LINE
            canvas.text(x + PAD + 12, at, reason, "text", width=width - 2 * PAD - 12, tone="bad")
        for text, one in shown:
            at += LINE
            canvas.dot(x + PAD + 16, at - 4, tone_of(one["state"]), hint=_state(one))
            canvas.text(x + PAD + 24, at, text, "mono", width=width - 2 * PAD - 24)
        if left:
            names = ", ".join(one["name"] for _, one in lines[LINES_MAX:])
            canvas.text(x + PAD + 24, at + LINE, f"and {left} more: {names}", "fine", width=width - 2 * PAD - 24)

    return Block(width=width, height=height, draw=draw)


def segment_block(segment: Tree, marks: Marks, width: float = WIDTH) -> Block:
    found = segment["object"]
    name = segment["network"] or found["name"]
    title = f"{'network' if segment['network'] else 'segment'} {name}"
    parts = (segment["range"] or found["about"], topology_of(segment))
    about = " · ".join(part for part in parts if part)
    return network_block(title, about, found, segment["instances"], marks, width)


def network_block(
    title: str, about: str, found: Tree | None, instances: Sequence[Tree], marks: Marks, width: float = WIDTH
) -> Block:
    """A panel whose upper edge is the wire that the instances hang on."""
    inner = _cards(instances, marks, width) if len(instances) <= CARDS_MAX else _squares(instances, width)
    reason = _state(found) if found and tone_of(found["state"]) == "bad" else ""
    top = 6 + PAD / 2 + LINE * (2 + bool(reason)) + 6
    height = top + inner.height + (PAD if inner.height else 2)

    def draw(canvas: Canvas, x: float, y: float) -> None:
        _frame(canvas, x, y, width, height, "segment" if found else "plain", found)
        canvas.box(x, y, width, 5, "bus" if found else "bus plain", radius=2.5)
        at = y + 6 + PAD / 2 + 11
        canvas.dot(x + PAD + 4, at - 4, _tone(found), hint=_state(found))
        canvas.text(x + PAD + 12, at, title, "name", width=width - 2 * PAD - 12)
        at += LINE
        canvas.text(x + PAD + 12, at, about, "text", width=width - 2 * PAD - 12)
        if reason:
            canvas.text(x + PAD + 12, at + LINE, reason, "text", width=width - 2 * PAD - 12, tone="bad")
        inner.draw(canvas, x + PAD, y + top)

    return Block(width=width, height=height, draw=draw)


def _cards(instances: Sequence[Tree], marks: Marks, width: float) -> Block:
    """Two beside each other."""
    wide = (width - 2 * PAD - 8) / 2
    owners = {one["deployment"] for one in instances}
    rows = (len(instances) + 1) // 2

    def draw(canvas: Canvas, x: float, y: float) -> None:
        for number, one in enumerate(instances):
            left, top = x + number % 2 * (wide + 8), y + number // 2 * (CARD_HEIGHT + 6)
            name = one["label"] if len(owners) == 1 else f"{one['deployment']} {one['label']}"
            pools = marks.get((one["deployment"], one["label"]), ())
            hint = f"{one['deployment']} {one['label']} {one['ip']}: {one['state']}"
            canvas.box(left, top, wide, CARD_HEIGHT, "card", radius=4, hint=hint)
            canvas.dot(left + 10, top + 12, tone_of(one["state"]), hint=one["state"])
            canvas.text(left + 19, top + 16, name, "text", width=wide - 26 - 12 * len(pools))
            canvas.text(left + 19, top + 29, one["ip"] or "no address yet", "mono", width=wide - 24)
            for place, pool in enumerate(pools):
                canvas.diamond(left + wide - 10 - 12 * place, top + 12, f"p{pool % POOL_COLOURS}", hint="in a pool")

    return Block(width=width, height=max(0.0, rows * (CARD_HEIGHT + 6) - 6), draw=draw)


def _squares(instances: Sequence[Tree], width: float) -> Block:
    """A heading and a strip for each instance group."""
    wide = width - 2 * PAD
    groups = [
        (f"{deployment} {group}", [(one["state"], f"{one['label']} {one['ip']}: {one['state']}") for one in each])
        for (deployment, group), each in groups_of(instances).items()
    ]

    def draw(canvas: Canvas, x: float, y: float) -> None:
        for name, states in groups:
            text = f"{name}, {len(states)} instances: {tally(state for state, _ in states)}"
            canvas.text(x, y + 11, text, "text", width=wide)
            draw_strip(canvas, x, y + LINE, wide, states)
            y += LINE + strip_height(len(states), wide) + 8

    height = sum(LINE + strip_height(len(states), wide) + 8 for _, states in groups) - 8
    return Block(width=width, height=height, draw=draw)


def balancer_block(balancer: Tree, pools: Mapping[str, int], width: float = WIDTH) -> Block:
    """Its virtual servers with their addresses, and each pool once with its members as a strip."""
    found = balancer["object"]
    title = f"load balancer {balancer['name']}" if found else str(balancer["name"])
    lines = [
        (f"{one['ip']}:{','.join(one['ports'])} → {one['pool']['name'] if one['pool'] else 'nobody'}", one["object"])
        for one in balancer["virtual_servers"]
    ]
    head = _panel(title, found["about"] if found else "", found, "", lines, width)
    each = pools_of(balancer)
    wide = width - 2 * PAD - 12
    heights = [LINE + strip_height(len(one["members"]), wide) + 8 for _, one in each]

    def draw(canvas: Canvas, x: float, y: float) -> None:
        _frame(canvas, x, y, width, head.height + sum(heights), "balancer", found)
        head.draw(canvas, x, y)
        at = y + head.height
        for (key, pool), height in zip(each, heights, strict=True):
            states = [(one["state"], _member_hint(one)) for one in pool["members"]]
            said = tally(state for state, _ in states) or "nobody is in it"
            canvas.diamond(x + PAD + 5, at + 7, f"p{pools.get(key, 0) % POOL_COLOURS}", hint=f"pool {pool['name']}")
            canvas.text(x + PAD + 14, at + 11, f"pool {pool['name']}: {said}", "text", width=wide - 2)
            draw_strip(canvas, x + PAD + 14, at + LINE, wide - 2, states)
            at += height

    return Block(width=width, height=head.height + sum(heights), draw=draw)


def pools_of(balancer: Tree) -> list[tuple[str, Tree]]:
    """Each once, by what tells it from others."""
    found = [*(one["pool"] for one in balancer["virtual_servers"] if one["pool"]), *balancer["pools"]]
    return list({(one["object"]["id"] if one["object"] else f"others/{one['name']}"): one for one in found}.items())


def list_block(title: str, objects: Sequence[Tree], width: float) -> Block:
    """What has no place in the picture, a line for each kind: names only, those not well first."""
    kinds = dict.fromkeys(one["kind"] for one in objects)
    lines = [(kind, [one for one in objects if one["kind"] == kind]) for kind in kinds]

    def draw(canvas: Canvas, x: float, y: float) -> None:
        canvas.text(x, y + 11, title, "name")
        for number, (kind, each) in enumerate(lines, 1):
            worst = sorted(each, key=lambda one: tone_of(one["state"]) != "bad")
            names = ", ".join(f"{one['name']} ({one['about']})" if one["about"] else one["name"] for one in worst)
            at = y + 11 + number * LINE
            canvas.dot(x + 4, at - 4, tone_of(worst[0]["state"]), hint=_state(worst[0]))
            text = f"{f'{len(each)} {plural(kind)}' if len(each) > 1 else kind}: {names}"
            canvas.text(x + 14, at, text, "text", width=width - 14)

    return Block(width=width, height=LINE * (1 + len(lines)), draw=draw)


def _frame(canvas: Canvas, x: float, y: float, w: float, h: float, kind: str, found: Tree | None) -> None:
    is_ill = found is not None and tone_of(found["state"]) == "bad"
    canvas.box(x, y, w, h, f"{kind} ill" if is_ill else kind, hint=_state(found))


def _tone(found: Tree | None) -> str:
    return tone_of(found["state"]) if found else "muted"


def _state(found: Tree | None) -> str:
    if found is None:
        return ""
    return ": ".join(part for part in (found["state"], found["reason"]) if part)


def _member_hint(one: Tree) -> str:
    port = f":{one['port']}" if one["port"] else ""
    return f"{one['instance']} {one['ip']}{port}: {one['state']}"
