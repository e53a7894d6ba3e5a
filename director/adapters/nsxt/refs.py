"""What operators call strangers' things, as paths: a display name, an id or a path of a tier-0, a block, a group.

Read by lists, not by search: a list is true at the moment it is read, and it also says what there is to choose from.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from director.adapters.nsxt.bodies import APP_PROFILES, PERSISTENCES, is_address, monitor_path, pieces_of
from director.adapters.nsxt.client import Kind, NsxClient, NsxFault
from director.adapters.nsxt.paths import HOMES, What, of_ours
from director.manifest.near import instead_of
from director.model.fabric import Monitor, NatRule, NetworkObject, PoolAddress, Ref, StaticRoute
from director.model.problem import Problem
from director.model.tree import Tree

FRESH_S: Final = 30.0
"""For so long a list is not read again, unless a name is missing from it."""
_KNOWN: Final[Mapping[tuple[What, str], str]] = {
    **{(What.APP_PROFILE, word): f"{HOMES[What.APP_PROFILE][0]}/{name}" for word, name in APP_PROFILES.items()},
    **{(What.PERSISTENCE, word): f"{HOMES[What.PERSISTENCE][0]}/{name}" for word, name in PERSISTENCES.items()},
}
"""Words of ours for what every NSX has."""

Wanted = tuple[What, Ref]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What references mean, once resolved. Raises KeyError for those that could not be."""

    paths: Mapping[tuple[What, str], str] = field(default_factory=dict)
    monitors: Mapping[str, str] = field(default_factory=dict)

    def somehow(self, what: What, ref: Ref) -> str:
        """For whoever only wants to know where things are, not what they point to."""
        try:
            return self(what, ref)
        except KeyError:
            return f"/infra/unknown/{ref.to}"

    def __call__(self, what: What, ref: Ref) -> str:
        if not ref.is_ours:
            return self.paths[what, ref.to]
        return self.monitors[ref.to] if what is What.MONITOR else of_ours(what, ref.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """``at`` is the loop's time when its reading began."""

    at: float
    bodies: Sequence[Tree]


def references(things: Iterable[NetworkObject]) -> frozenset[Wanted]:
    """All that the objects point to, ours and strangers'."""
    found: set[Wanted] = set()

    def note(what: What, ref: Ref) -> str:
        found.add((what, ref))
        return "/infra/tier-1s/noted"

    for thing in things:
        pieces_of(thing, note)
    return frozenset(each for each in found if not is_address(each[1]) or each[0] is not What.GROUP)


def place_of(thing: NetworkObject) -> Wanted | None:
    """What an object lies in, where its id alone does not tell where it is."""
    match thing:
        case NatRule() | StaticRoute():
            return What.ROUTER, thing.router
        case PoolAddress():
            return What.IP_POOL, thing.pool
        case _:
            return None


class Refs:
    def __init__(self, client: NsxClient) -> None:
        self._client = client
        self._lists: dict[str, _List] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def names(
        self, things: Sequence[NetworkObject], more: Iterable[Wanted] = ()
    ) -> tuple[Names, tuple[Problem, ...]]:
        """Every reference of the objects, and ``more``; and a problem for each that means nothing or several things."""
        wanted = {*references(things), *more}
        problems: list[Problem] = []
        paths = {**_KNOWN}
        foreign = {(what, ref.to) for what, ref in wanted if not ref.is_ours}
        for what, name in sorted(foreign, key=lambda each: (each[0].value, each[1])):
            if (what, name) not in paths and (path := await self._find(what, name, problems)) is not None:
                paths[what, name] = path
        monitors: dict[str, str] = {thing.id: monitor_path(thing) for thing in things if isinstance(thing, Monitor)}
        ours = {ref.to for what, ref in wanted if ref.is_ours and what is What.MONITOR} - set(monitors)
        for name in sorted(ours):
            monitors[name] = await self._monitor(name)
        return Names(paths=paths, monitors=monitors), tuple(problems)

    async def places(self, things: Iterable[NetworkObject]) -> Names:
        """What objects lie in, of those for which it matters. A name that means nothing any more is left out."""
        wanted = {place for thing in things if (place := place_of(thing)) is not None}
        return (await self.names((), wanted))[0]

    async def kin(self, collection: str, *, since: float | None = None) -> Sequence[Tree]:
        """At most FRESH_S old, or read after ``since`` (the loop's time). Concurrent callers share one reading."""
        async with self._reading.setdefault(collection, asyncio.Lock()):
            now = asyncio.get_running_loop().time()
            known, at_least = self._lists.get(collection), now - FRESH_S if since is None else since
            if known is None or known.at < at_least:
                known = _List(at=now, bodies=await self._client.list(collection))
                self._lists[collection] = known
            return known.bodies

    async def _find(self, what: What, name: str, problems: list[Problem]) -> str | None:
        asked_at = asyncio.get_running_loop().time()
        for since in (None, asked_at):
            every = [body for home in HOMES[what] for body in await self.kin(home, since=since)]
            found = _matches(name, every)
            if found:
                break
        if len(found) > 1:
            problems.append(_ambiguous(what, name, found))
        elif not found and not (name.startswith("/") and await self._is_there(name)):
            problems.append(_unknown(what, name, every))
        elif not found:
            return name
        return found[0] if len(found) == 1 else None

    async def _is_there(self, path: str) -> bool:
        """Paths outside the usual collections, such as a project's."""
        try:
            await self._client.get(path)
        except NsxFault as fault:
            if fault.kind in {Kind.NOT_FOUND, Kind.INVALID}:
                return False
            raise
        return True

    async def _monitor(self, name: str) -> str:
        """A monitor of ours in another stack: its type, which is part of its id, is only told there."""
        every = await self.kin(HOMES[What.MONITOR][0], since=asyncio.get_running_loop().time())
        found = sorted(str(body.get("path")) for body in every if str(body.get("id", "")).rpartition("-")[0] == name)
        return found[0] if found else of_ours(What.MONITOR, name)


def _matches(name: str, bodies: Sequence[Tree]) -> list[str]:
    """Paths. The display name goes before the id, as it is what people see."""
    for key in ("display_name", "id", "path"):
        found = sorted({str(body.get("path")) for body in bodies if body.get(key) == name})
        if found:
            return found
    return []


def _unknown(what: What, name: str, bodies: Sequence[Tree]) -> Problem:
    known = [str(body.get("display_name") or body.get("id")) for body in bodies]
    return Problem(
        code="nsxt.unknown-name",
        summary="Unknown name in NSX-T",
        detail=f'NSX-T has no {what.value} "{name}".',
        fix=instead_of(name, known, "make it in NSX-T or correct the name"),
    )


def _ambiguous(what: What, name: str, paths: Sequence[str]) -> Problem:
    return Problem(
        code="nsxt.ambiguous-name",
        summary="Ambiguous name in NSX-T",
        detail=f'NSX-T has {len(paths)} {what.value}s called "{name}": {", ".join(paths)}.',
        fix="give the path of the one that is meant.",
    )
