"""Takes objects of ours away, in one transaction, and waits until they are really gone. Never anything of others.

Note: what keeps one from going. Strangers' children of our router would go along with it in silence, so they are
looked for; ports of a segment are waited for, as those of VMs just deleted go by themselves; what refers to ours from
elsewhere NSX itself names.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from director.adapters.nsxt.bodies import Body
from director.adapters.nsxt.client import LINGERING, Kind, NsxClient, NsxFault, escaped
from director.adapters.nsxt.hierarchy import tree_of
from director.adapters.nsxt.leaving import Leaving
from director.adapters.nsxt.marks import ID
from director.adapters.nsxt.paths import id_of, parts, topmost
from director.adapters.nsxt.site import Made, Site, make_places
from director.adapters.nsxt.there import There, read_there, together, tree_below
from director.model.fabric import NetworkObject
from director.model.tree import Tree
from director.ports.fabric import FabricFailure
from director.ports.failure import Retry

_CHILDREN: Final = "LocaleServices;Tier1Interface;PolicyNat;PolicyNatRule;StaticRoutes;Segment"
"""What people put below a router."""
_IDS_MAX: Final = 20
"""In one search."""
_PORTS_PAUSE_S: Final = 2.0
_SHOWN_MAX: Final = 5


async def remove(site: Site, objects: Sequence[NetworkObject], leaving: Leaving) -> None:
    """Raises FabricFailure, with the names of what keeps one from going."""
    names = await site.refs.places(objects)
    made = make_places(objects, names)
    there = await _found(site, made)
    for path, body in there.items():
        if not site.is_ours(body):
            raise FabricFailure(f"{path} is not this director's: it has not its tags. It stays; remove it in NSX.")
    if not there:
        return
    await together(_refuse_strangers(site, path) for path in there if parts(path)[-1][0] == "tier-1s")
    await together(_await_no_ports(site, path) for path in there if parts(path)[-1][0] == "segments")
    await _delete(site, there)
    left = await leaving.gone(there.keys(), site.settings.removal_s)
    if left:
        raise FabricFailure(
            f"NSX has not removed {', '.join(left)} within {site.settings.removal_s:g} s. Look at their alarms in NSX, "
            "then try again.",
            retry=Retry.BOUNDED,
        )
    await site.released.note(site.refs, names, [each.thing for each in made if each.path in there])


async def _delete(site: Site, there: There) -> None:
    """What search knew, but somebody has removed meanwhile, is left out the second time."""
    try:
        await _send(site, there)
    except NsxFault as fault:
        if fault.kind is not Kind.NOT_FOUND:
            raise
        await _send(site, await read_there(site.client, there))


async def _send(site: Site, there: There) -> None:
    stubs: dict[str, Body] = {path: {"resource_type": body.get("resource_type")} for path, body in there.items()}
    within_s = site.settings.removal_s
    if stubs:
        await site.client.patch_tree(tree_of({}, stubs), enforce_revisions=False, also=LINGERING, timeout_s=within_s)


async def discard(client: NsxClient, path: str, body: Tree) -> None:
    """One object with all below it, at once: what was not given as it was asked for."""
    await client.patch_tree(tree_of({}, {path: dict(body)}), enforce_revisions=False)


async def _found(site: Site, made: Iterable[Made]) -> There:
    """What search knows as ours is taken for there: what is gone already does not mind. The others are read, but those
    that had to be absent.
    """
    pieces = [piece for each in made for piece in each.pieces]
    wanted = set(topmost({piece.path for piece in pieces}))
    found = await _searched(site, sorted({id_of(path) for path in wanted}))
    known = {path: body for path, body in found.items() if path in wanted}
    doubted = {piece.path for piece in pieces if piece.body is not None and piece.path in wanted} - known.keys()
    return {**known, **await read_there(site.client, doubted)}


async def _searched(site: Site, ids: Sequence[str]) -> There:
    chunks = [ids[start : start + _IDS_MAX] for start in range(0, len(ids), _IDS_MAX)]
    ours = f"tags.scope:{escaped(ID)} AND tags.tag:{escaped(site.director)}"
    queries = (f"{ours} AND id:({' OR '.join(escaped(each) for each in chunk)})" for chunk in chunks)
    answers = await together(site.client.search(query) for query in queries)
    return {str(body.get("path")): body for answer in answers for body in answer if site.is_ours(body)}


async def _refuse_strangers(site: Site, router: str) -> None:
    below = await tree_below(site.client, router, _CHILDREN)
    strangers = sorted(
        path for path, body in below.items() if path != router and not site.is_ours(body) and _is_somebodys(body)
    )
    if strangers:
        raise FabricFailure(
            f"The router {router} cannot go: others have made {_few(strangers)} below it. Remove that in NSX, then try "
            "again."
        )


def _is_somebodys(body: Tree) -> bool:
    """Sections of NAT come with the router."""
    return body.get("resource_type") != "PolicyNat" and body.get("_system_owned") is not True


async def _await_no_ports(site: Site, segment: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + site.settings.removal_s
    while ports := await ports_of(site.client, segment):
        if loop.time() > deadline:
            names = [str(port.get("display_name") or port.get("id")) for port in ports]
            raise FabricFailure(
                f"The segment {segment} cannot go: {len(ports)} ports are on it, {_few(names)}. Move or delete the VMs "
                "they belong to, then try again.",
                retry=Retry.BOUNDED,
            )
        await asyncio.sleep(_PORTS_PAUSE_S)


async def ports_of(client: NsxClient, segment: str) -> Sequence[Tree]:
    try:
        return await client.list(f"{segment}/ports")
    except NsxFault as fault:
        if fault.kind is Kind.NOT_FOUND:
            return ()
        raise


def _few(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_MAX
    return ", ".join(names[:_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
