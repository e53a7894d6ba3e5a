"""The network map in a terminal: boxes in boxes, routers beside each other as far as the screen is wide.

Marks tell how things are (``MARKS``); who prints may colour them. Pure: from the director's answer to lines.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

from director.cli.network_views.branches import fabric_name, groups_of, plural, tally, tone_of, topology_of
from director.cli.network_views.lines import clean

MARKS: Final = {"good": "●", "waiting": "◐", "bad": "✗", "muted": "○"}
BOX_WIDTH: Final = 46
BOX_WIDTH_MAX: Final = 64
"""Of a router's box, with its frame: as wide as the screen gives to those beside each other; narrower than the first
only where the screen is.
"""
BETWEEN: Final = 2
NAMED_MAX: Final = 8
"""More instances on a segment, or members in a pool, are told as numbers."""

Tree = Mapping[str, Any]
Strokes = tuple[str, str, str, str, str, str]
"""Upper left corner, edge, upper right corner, side, lower corners."""
THIN: Final[Strokes] = ("┌", "─", "┐", "│", "└", "┘")
THICK: Final[Strokes] = ("╔", "═", "╗", "║", "╚", "╝")


def map_lines(report: Tree, columns: int) -> Iterator[str]:
    """``columns`` is how wide the screen is; no line is longer, but for the smallest ones."""
    across = max(1, min((columns + BETWEEN) // (BOX_WIDTH + BETWEEN), _beside_each_other(report)))
    width = min((columns + BETWEEN) // across - BETWEEN, BOX_WIDTH_MAX)
    parts = [list(_fabric(fabric, width, across)) for fabric in report["fabrics"]]
    if report["plain"]:
        boxes = [_plain(one, width) for one in report["plain"]]
        parts.append(["networks not managed here", *_grid(boxes, across)])
    for number, lines in enumerate(parts):
        if number:
            yield ""
        yield from lines
    if not parts:
        yield "There are no networks."


def _beside_each_other(report: Tree) -> int:
    """The most that would stand in one row, were the screen wide enough."""
    rows = [len(report["plain"])]
    for fabric in report["fabrics"]:
        rows.append(len(fabric["routers"]) + len(fabric["segments"]) + len(fabric["balancers"]))
        rows += [len(one["routers"]) + len(one["segments"]) + len(one["balancers"]) for one in fabric["routers"]]
    return max(1, *rows)


def _fabric(fabric: Tree, width: int, across: int) -> Iterator[str]:
    note = f" (not looked at: {fabric['unseen']})" if fabric["unseen"] else ""
    yield clean(f"{fabric_name(fabric['cpi'])}{note}")
    loose: list[list[str]] = []
    for router in fabric["routers"]:
        if router["kind"] == "tier-0" or router["routers"]:
            yield from _tier(router, width, across)
        else:
            loose.append(_router(router, width))
    loose += [_segment(one, width) for one in fabric["segments"]]
    loose += [_balancer(one, width) for one in fabric["balancers"]]
    yield from _grid(loose, across)
    yield from _beside("", fabric["others"])
    yield from _beside("not recorded: ", fabric["unrecorded"])
    yield from (clean(f"{MARKS['bad']} {problem}") for problem in fabric["problems"])


def _tier(tier: Tree, width: int, across: int) -> Iterator[str]:
    below = [
        *(_router(one, width) for one in tier["routers"]),
        *(_segment(one, width) for one in tier["segments"]),
        *(_balancer(one, width) for one in tier["balancers"]),
    ]
    used = max(1, min(across, len(below)))
    wide = used * (width + BETWEEN) - BETWEEN
    title = f"{tier['kind']} {tier['name']}"
    head = framed(title, [*_rules(tier)], wide, strokes=THICK)
    first = below[:used]
    # Where a router hangs, the bar's lower edge opens.
    if first:
        head[-1] = _opened(head[-1], [n * (width + BETWEEN) + width // 2 for n in range(len(first))])
    yield from head
    yield from _grid(below, across, hang=True)


def _opened(edge: str, places: Sequence[int]) -> str:
    return "".join("╤" if at in places else stroke for at, stroke in enumerate(edge))


def _router(router: Tree, width: int) -> list[str]:
    found = router["object"]
    lines = [*_about(found), *_rules(router)]
    for one in router["balancers"]:
        lines += _balancer(one, width - 4)
    for one in router["segments"]:
        lines += _segment(one, width - 4)
    return framed(f"{_mark(found)}router {router['name']}", lines, width)


def _rules(router: Tree) -> Iterator[str]:
    for one in (*router["nat"], *router["routes"]):
        yield f"{_mark(one)}{one['about']}"
        yield from _reason(one)


def _segment(segment: Tree, width: int) -> list[str]:
    found = segment["object"]
    named = f"network {segment['network']}" if segment["network"] else f"segment {found['name']}"
    lines = [" ".join(part for part in (segment["range"] or found["about"], topology_of(segment)) if part)]
    return framed(f"{_mark(found)}{named}", [*lines, *_reason(found), *_instances(segment["instances"])], width)


def _plain(network: Tree, width: int) -> list[str]:
    return framed(f"network {network['name']}", list(_instances(network["instances"])), width)


def _instances(instances: Sequence[Tree]) -> Iterator[str]:
    if len(instances) <= NAMED_MAX:
        yield from (f"{MARKS[tone_of(one['state'])]} {one['label']}  {one['ip']}{_if_ill(one)}" for one in instances)
        return
    for (deployment, group), each in groups_of(instances).items():
        yield f"{deployment} {group}, {len(each)}: {tally(one['state'] for one in each)}"
        yield from _marks([one["state"] for one in each])


def _balancer(balancer: Tree, width: int) -> list[str]:
    found = balancer["object"]
    lines = [*_reason(found)] if found else []
    told: set[str] = set()
    for server in balancer["virtual_servers"]:
        pool = server["pool"]
        to = f" → {pool['name']}" if pool else ""
        lines.append(f"{_mark(server['object'])}{server['ip']}:{','.join(server['ports'])}{to}")
        lines += _pool(pool, told) if pool else ()
    for pool in balancer["pools"]:
        lines += _pool(pool, told)
    title = f"{_mark(found)}load balancer {balancer['name']}" if found else str(balancer["name"])
    return framed(title, lines, width)


def _pool(pool: Tree, told: set[str]) -> Iterator[str]:
    """Once, though several virtual servers send to it."""
    if pool["name"] in told:
        return
    told.add(pool["name"])
    members = pool["members"]
    yield f"  pool {pool['name']}: {tally(one['state'] for one in members) or 'nobody is in it'}"
    yield from (f"  {line}" for line in _marks([one["state"] for one in members]))


def _marks(states: Sequence[str]) -> Iterator[str]:
    per_line = 36
    for at in range(0, len(states), per_line):
        yield "".join(MARKS[tone_of(state)] for state in states[at : at + per_line])


def _beside(lead: str, objects: Sequence[Tree]) -> Iterator[str]:
    """What has no place in the map, by kind."""
    for kind in dict.fromkeys(one["kind"] for one in objects):
        each = [one for one in objects if one["kind"] == kind]
        worst = min((tone_of(one["state"]) for one in each), key=("bad", "waiting", "muted", "good").index)
        names = ", ".join(one["name"] for one in each[:NAMED_MAX])
        more = f" and {len(each) - NAMED_MAX} more" if len(each) > NAMED_MAX else ""
        yield clean(f"{MARKS[worst]} {lead}{kind if len(each) == 1 else plural(kind)} {names}{more}")


def framed(title: str, lines: Iterable[str], width: int, *, strokes: Strokes = THIN) -> list[str]:
    """A box of exactly ``width``; lines that are too long go on below, a title ends in an ellipsis."""
    left, across, right, side, low_left, low_right = strokes
    inner = width - 4
    head = _cut(clean(title), inner - 2)
    top = f"{left}{across} {head} {across * (inner - len(head) - 1)}{right}"
    parts = [part for line in lines for part in wrap(clean(line), inner, subsequent_indent="    ")]
    body = [f"{side} {part.ljust(inner)} {side}" for part in parts]
    return [top, *body, f"{low_left}{across * (width - 2)}{low_right}"]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _grid(boxes: Sequence[list[str]], across: int, *, hang: bool = False) -> Iterator[str]:
    """Rows of boxes; with ``hang`` the first row is on strokes from above, as are those below it."""
    for at in range(0, len(boxes), across):
        row = boxes[at : at + across]
        if hang:
            stroke = "┆" if at else "│"
            yield (" " * BETWEEN).join(_middle(stroke, len(box[0])) for box in row).rstrip()
        height = max(len(box) for box in row)
        padded = [[*box, *[" " * len(box[0])] * (height - len(box))] for box in row]
        yield from ((" " * BETWEEN).join(parts).rstrip() for parts in zip(*padded, strict=True))


def _middle(stroke: str, width: int) -> str:
    return f"{' ' * (width // 2)}{stroke}".ljust(width)


def _about(found: Tree | None) -> Iterator[str]:
    if found is not None:
        yield found["about"]
        yield from _reason(found)


def _reason(found: Tree) -> Iterator[str]:
    if tone_of(found["state"]) == "bad":
        yield "! " + ": ".join(part for part in (found["state"], found["reason"]) if part)


def _mark(found: Tree | None) -> str:
    return f"{MARKS[tone_of(found['state'])]} " if found else ""


def _if_ill(one: Tree) -> str:
    return "" if tone_of(one["state"]) == "good" else f"  {one['state']}"
