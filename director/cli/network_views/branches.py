"""What the director tells of its networks, as a tree of short lines. Decides what stands on a line."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

GOOD: Final = frozenset({"realised", "announced", "running", "recorded"})
WAITING: Final = frozenset(
    {"in progress", "being changed", "being removed", "being deleted", "starting", "stopped", "detached", "no VM"}
)
MUTED: Final = frozenset({"recorded", "not ours", "errand at rest"})
MEMBERS_MAX: Final = 12
"""More members of one pool, or instances on one segment, are told as numbers unless all are asked for."""

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """``text`` says what it is, ``state`` how it is ("" for what has none), ``note`` why."""

    text: str
    state: str = ""
    note: str = ""
    below: tuple["Branch", ...] = ()


def tone_of(state: str) -> str:
    """good, waiting, muted or bad."""
    if state in MUTED or not state:
        return "muted"
    return "good" if state in GOOD else "waiting" if state in WAITING else "bad"


def branches_of(report: Tree, *, shows_all: bool = True) -> tuple[Branch, ...]:
    """One for each fabric, and one for the networks that nobody here manages."""
    fabrics = [_fabric(fabric, shows_all=shows_all) for fabric in report["fabrics"]]
    plain = tuple(
        Branch(text=f"network {one['name']}", below=_instances(one["instances"], shows_all=shows_all))
        for one in report["plain"]
    )
    return (*fabrics, *((Branch(text="not managed here", below=plain),) if plain else ()))


def fabric_name(cpi: str) -> str:
    return f"CPI {cpi}" if cpi else "The director's own infrastructure"


def _fabric(fabric: Tree, *, shows_all: bool) -> Branch:
    below = (
        *(_router(one, shows_all=shows_all) for one in fabric["routers"]),
        *(_segment(one, shows_all=shows_all) for one in fabric["segments"]),
        *(_balancer(one, shows_all=shows_all) for one in fabric["balancers"]),
        *_by_kind(fabric["others"]),
        *((_group("not recorded", fabric["unrecorded"]),) if fabric["unrecorded"] else ()),
        *(Branch(text=problem, state="problem") for problem in fabric["problems"]),
    )
    unseen = fabric["unseen"]
    state, note = ("not looked at", unseen) if unseen else ("", "" if fabric["is_looked_at"] else "as recorded")
    if not (below or unseen):
        note = "nothing of this director's is there"
    return Branch(text=fabric_name(fabric["cpi"]), state=state, note=note, below=below)


def _router(router: Tree, *, shows_all: bool) -> Branch:
    below = (
        *(_object(one) for one in router["nat"]),
        *(_object(one) for one in router["routes"]),
        *(_balancer(one, shows_all=shows_all) for one in router["balancers"]),
        *(_segment(one, shows_all=shows_all) for one in router["segments"]),
        *(_router(one, shows_all=shows_all) for one in router["routers"]),
    )
    if router["object"] is None:
        return Branch(text=f"{router['kind']} {router['name']}", below=below)
    return _object(router["object"], below=below)


def _segment(segment: Tree, *, shows_all: bool) -> Branch:
    found = segment["object"]
    named = f" of network {segment['network']}" if segment["network"] else ""
    parts = [segment["range"] or found["about"], f"gateway {segment['gateway']}" if segment["gateway"] else ""]
    text = f"segment {found['name']}{named}: {', '.join(p for p in (*parts, topology_of(segment)) if p)}"
    return _object(found, text=text, below=_instances(segment["instances"], shows_all=shows_all))


def topology_of(segment: Tree) -> str:
    """``NAT, outside as 1.2.3.4``, routed or isolated."""
    if segment["topology"] == "nat":
        return f"NAT, outside as {', '.join(segment['outside'])}"
    return str(segment["topology"])


def _instances(instances: Sequence[Tree], *, shows_all: bool) -> tuple[Branch, ...]:
    if shows_all or len(instances) <= MEMBERS_MAX:
        return tuple(_instance(one) for one in instances)
    return tuple(
        Branch(text=f"{deployment} {group}: {len(each)} instances", note=tally(one["state"] for one in each))
        for (deployment, group), each in groups_of(instances).items()
    )


def groups_of(instances: Iterable[Tree]) -> dict[tuple[str, str], list[Tree]]:
    """By deployment and instance group, in the order they come."""
    found: dict[tuple[str, str], list[Tree]] = {}
    for one in instances:
        found.setdefault((one["deployment"], one["label"].rpartition("/")[0]), []).append(one)
    return found


def tally(states: Iterable[str]) -> str:
    """``7 running, 1 failing``."""
    return ", ".join(f"{count} {state}" for state, count in Counter(states).most_common())


def _instance(one: Tree) -> Branch:
    return Branch(text=" ".join(filter(None, (one["deployment"], one["label"], one["ip"]))), state=one["state"])


def _balancer(balancer: Tree, *, shows_all: bool) -> Branch:
    told: set[str] = set()
    below = (
        *(_server(one, told, shows_all=shows_all) for one in balancer["virtual_servers"]),
        *(_pool(one, shows_all=shows_all) for one in balancer["pools"]),
    )
    if balancer["object"] is None:
        return Branch(text=balancer["name"], below=below)
    return _object(balancer["object"], below=below)


def _server(server: Tree, told: set[str], *, shows_all: bool) -> Branch:
    """Members of a pool that several virtual servers send to are told once."""
    pool = server["pool"]
    if pool is None:
        return _object(server["object"])
    key = pool["object"]["id"] if pool["object"] else pool["name"]
    below = Branch(text=f"server pool {pool['name']}, as above") if key in told else _pool(pool, shows_all=shows_all)
    told.add(key)
    return _object(server["object"], below=(below,))


def _pool(pool: Tree, *, shows_all: bool) -> Branch:
    members = pool["members"]
    if shows_all or len(members) <= MEMBERS_MAX:
        below = tuple(_member(one) for one in members)
    else:
        below = (Branch(text=f"{len(members)} members", note=tally(one["state"] for one in members)),)
    if pool["object"] is None:
        return Branch(text=f"server pool {pool['name']}, of others", below=below)
    return _object(pool["object"], below=below)


def _member(one: Tree) -> Branch:
    port = f":{one['port']}" if one["port"] else ""
    return Branch(
        text=" ".join(filter(None, (one["deployment"], one["instance"], one["ip"]))) + port, state=one["state"]
    )


def _by_kind(objects: Sequence[Tree]) -> Iterator[Branch]:
    for kind in dict.fromkeys(one["kind"] for one in objects):
        same = [one for one in objects if one["kind"] == kind]
        yield _object(same[0]) if len(same) == 1 else _group(plural(kind), same)


def plural(kind: str) -> str:
    """``security policy`` → ``security policies``."""
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _group(name: str, objects: Sequence[Tree]) -> Branch:
    return Branch(text=name, below=tuple(_object(one) for one in objects))


def _object(one: Tree, *, text: str = "", below: tuple[Branch, ...] = ()) -> Branch:
    about = f": {one['about']}" if one["about"] else ""
    outlives = " (outlives deployments)" if one["outlives_deployments"] and not below else ""
    return Branch(
        text=(text or f"{one['kind']} {one['name']}{about}") + outlives,
        state=one["state"],
        note=one["reason"],
        below=below,
    )
