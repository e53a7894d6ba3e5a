"""One look at what stacks are made of, for a plan. Reads only, and only what is true at that moment (``there.py``)."""

import asyncio
from collections.abc import Mapping, Sequence

from director.adapters.nsxt.alarms import read_alarms
from director.adapters.nsxt.compare import immutable_fields
from director.adapters.nsxt.marks import owner_of
from director.adapters.nsxt.paths import What, parent_of
from director.adapters.nsxt.refs import Names, place_of
from director.adapters.nsxt.site import Made, Site, make, make_places, paths_of
from director.adapters.nsxt.there import read_there
from director.model.fabric import FabricSighting, ObjectState, Ref, SeenMember, SeenObject
from director.model.problem import Problem
from director.model.tree import Tree
from director.ports.fabric import FabricWish


async def look(site: Site, wish: FabricWish) -> FabricSighting:
    wished = {thing.id: thing for stack in wish.stacks for thing in stack.objects}
    recorded = [thing for thing in wish.recorded if thing.id not in wished]
    asked = [(What.SERVER_POOL, ref) for ref in wish.pools]
    asked += [(What.GROUP, Ref(to=name, is_ours=False)) for name in wish.groups]
    names, problems = await site.refs.names(list(wished.values()), asked)
    made = [each for stack in wish.stacks for each in make(stack.objects, names, site.owner(stack))]
    # What is recorded may point to what strangers have removed since; that is no problem of the wish.
    made += make_places(recorded, await site.refs.places(recorded))
    moved = [thing for thing in wish.recorded if thing.id in wished and place_of(thing) != place_of(wished[thing.id])]
    former = make_places(moved, await site.refs.places(moved))
    pools = _pools(wish.pools, names)
    if not (made or former or pools):
        return FabricSighting(problems=problems)
    there, alarms = await asyncio.gather(
        read_there(site.client, {*paths_of(made), *paths_of(former), *pools.values()}), read_alarms(site.client)
    )
    seen = (_seen(site, each, there, alarms) for each in made)
    return FabricSighting(
        objects=tuple(sorted((each for each in seen if each is not None), key=lambda each: each.id)),
        members=tuple(_members(pools, there)),
        problems=(
            *problems,
            *_moved(former, made, there),
            *(problem for each in made for problem in _fixed(each, there)),
        ),
    )


def _pools(refs: Sequence[Ref], names: Names) -> dict[str, str]:
    """Path by the Ref's text."""
    found: dict[str, str] = {}
    for ref in refs:
        try:
            found[ref.to] = names(What.SERVER_POOL, ref)
        except KeyError:
            continue
    return found


def _seen(site: Site, made: Made, there: Mapping[str, Tree], alarms: Mapping[str, str]) -> SeenObject | None:
    body = there.get(made.path)
    parts = [piece.path for piece in made.pieces if piece.path in there]
    if not parts:
        return None
    first = body if body is not None else there[parts[0]]
    owner = owner_of(first)
    error = next((alarms[path] for path in parts if path in alarms), "")
    is_ours = site.is_ours(first)
    return SeenObject(
        id=made.thing.id,
        kind=made.thing.kind,
        name=str(first.get("display_name") or made.thing.name),
        state=ObjectState.FAILED if error else ObjectState.REALISED,
        owner=owner.deployment if is_ours else None,
        stack=owner.stack if is_ours else None,
        revision=f"{first.get('_revision', 0)}:{made.mark(there)}",
        differences=made.differences(there) if made.owner is not None else (),
        is_foreign=not is_ours,
        error=error,
        cpi=site.name,
        parent=parent_of(made.path),
    )


def _members(pools: Mapping[str, str], there: Mapping[str, Tree]) -> list[SeenMember]:
    found = [
        SeenMember(
            pool=name,
            label=str(member.get("display_name") or ""),
            ip=str(member.get("ip_address") or ""),
            port=_port(member.get("port")),
        )
        for name, path in pools.items()
        for member in _listed(there.get(path, {}).get("members"))
    ]
    return sorted(found, key=lambda each: (each.pool, each.label, each.ip, each.port or 0))


def _listed(value: object) -> list[Mapping[str, object]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _port(value: object) -> int | None:
    return int(str(value)) if value is not None and str(value).isdecimal() else None


def _moved(former: Sequence[Made], made: Sequence[Made], there: Mapping[str, Tree]) -> list[Problem]:
    """What lies in another router or pool than it should, would have to be removed there and made here."""
    paths = {each.path for each in made}
    return [
        _immutable("router or pool", each, each.path)
        for each in former
        if each.path in there and each.path not in paths
    ]


def _immutable(name: str, made: Made, path: str) -> Problem:
    return Problem(
        code="nsxt.immutable",
        summary="Cannot be changed in place",
        detail=f'The {name} of {made.thing.kind} "{made.thing.name}" ({path}) would have to change, which NSX refuses.',
        fix="set back what was changed, or give the network another name, so that it is made anew.",
    )


def _fixed(made: Made, there: Mapping[str, Tree]) -> list[Problem]:
    if made.owner is None:
        return []
    return [
        _immutable(name, made, piece.path)
        for piece in made.pieces
        if piece.body is not None and piece.path in there
        for name in immutable_fields(piece.body, there[piece.path])
    ]
