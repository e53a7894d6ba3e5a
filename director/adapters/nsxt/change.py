"""Makes a stack what it is wished to be, in one transaction of NSX's, or says who was in the way.

Note: revisions. What the plan saw as absent is written without reading: NSX refuses it when something is there. All
else is read again, and only what differs from the wish is written, on the revision just read; NSX refuses that too
when somebody was faster, and it is read again. Where our own fields are no longer what the plan saw, and not what is
wished for either, the plan is stale; a change of other fields is kept, as only ours are written.

Note: taking fields away. A hierarchical PATCH merges, so what has to lose a field is put whole, on its revision,
between what comes and what goes. That is the one case of more than one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.adapters.nsxt.bodies import Body, Piece
from director.adapters.nsxt.client import LINGERING, Kind, NsxFault
from director.adapters.nsxt.compare import changed_fields, cleared_fields
from director.adapters.nsxt.hierarchy import tree_of
from director.adapters.nsxt.leaving import Leaving
from director.adapters.nsxt.marks import TAGS_MAX, as_node, merged, tags_of
from director.adapters.nsxt.paths import topmost
from director.adapters.nsxt.site import Made, Site, make, make_places, paths_of
from director.adapters.nsxt.there import read_there
from director.model.names import ObjectId
from director.model.tree import Node, Tree
from director.ports.fabric import FabricFailure, StackChange, Stale
from director.ports.failure import Retry

READS_MAX: Final = 8
"""So often somebody else may be faster in the short time between our reading and writing."""
_PENDING: Final = frozenset({Kind.PENDING_DELETE})
_WAITED_OUT: Final = LINGERING


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """``puts`` are whole bodies that lose fields; of what is ``leaving`` there is type and revision, by path."""

    patches: Mapping[str, Body]
    puts: Mapping[str, Body]
    leaving: Mapping[str, Body]

    @property
    def is_nothing(self) -> bool:
        return not (self.patches or self.puts or self.leaving)


async def write(site: Site, change: StackChange, leaving: Leaving) -> tuple[Made, ...]:
    """The stack as NSX now holds it, accepted but perhaps not yet realised. Raises FabricFailure, Stale."""
    names, problems = await site.refs.names(change.stack.objects)
    if problems:
        raise FabricFailure(" ".join(str(problem) for problem in problems))
    made = make(change.stack.objects, names, site.owner(change.stack))
    # What goes may point to what strangers have removed since; then it is gone with that.
    former = await site.refs.places(change.gone)
    gone = make_places(change.gone, former)
    if not change.revisions and not gone:
        try:
            await _send(site, _all_new(made))
        except NsxFault as fault:
            if fault.kind is not Kind.STALE:
                raise
        else:
            return made
    await _settle(site, change.revisions, made, gone, leaving)
    await site.released.note(site.refs, former, change.gone)
    return made


async def _settle(
    site: Site, looked: Mapping[ObjectId, str], made: Sequence[Made], gone: Sequence[Made], leaving: Leaving
) -> None:
    for _ in range(READS_MAX):
        there = await read_there(site.client, paths_of(made) | paths_of(gone))
        for each in made:
            _refuse(site, each, there, looked.get(each.thing.id, ""))
        writing = plan_writing(site, made, gone, there)
        if writing.is_nothing:
            return
        try:
            await _send(site, writing)
        except NsxFault as fault:
            if fault.kind is not Kind.STALE:
                raise
            continue
        await leaving.gone(topmost(set(writing.leaving)), site.settings.removal_s)
        return
    names = ", ".join(f'"{each.thing.name}"' for each in made)
    raise FabricFailure(
        f"Somebody else keeps changing {names} in NSX at the same time. Find out who; deploy again.",
        retry=Retry.BOUNDED,
    )


def _refuse(site: Site, made: Made, there: Mapping[str, Tree], looked: str) -> None:
    """Raises FabricFailure when it is a stranger's, Stale when it is neither as looked at nor as wished."""
    for piece in made.pieces:
        if piece.path in there and piece.body is not None and not site.is_ours(there[piece.path]):
            raise FabricFailure(
                f"{piece.path} is not this director's: it has not its tags. Remove it in NSX, or tag it again as "
                "`director networks` shows."
            )
    if made.is_as_wished(there) and made.path in there:
        return
    now = made.mark(there) if any(piece.path in there for piece in made.pieces) else ""
    if now != looked.partition(":")[2]:
        raise Stale(_stale_words(made, there))


def _stale_words(made: Made, there: Mapping[str, Tree]) -> str:
    body = there.get(made.path)
    what = f'the {made.thing.kind} "{made.thing.name}" ({made.path})'
    if body is None:
        return f"Somebody removed {what} in NSX after it was looked at."
    who = body.get("_last_modified_user") or body.get("_create_user") or "somebody"
    return f"{who} changed {what} in NSX after it was looked at: {'; '.join(made.differences(there)) or 'it came'}."


def plan_writing(site: Site, made: Sequence[Made], gone: Sequence[Made], there: Mapping[str, Tree]) -> Writing:
    """The least that makes it as wished. Pure."""
    patches: dict[str, Body] = {}
    puts: dict[str, Body] = {}
    for each in made:
        for piece in each.pieces:
            body = there.get(piece.path)
            if piece.body is None or (body is not None and not each.changed(piece, body)):
                continue
            if body is not None and cleared_fields(piece.body, body):
                puts[piece.path] = _whole(each, piece, body)
            else:
                patches[piece.path] = _part(each, piece, body)
    kept = {piece.path for each in made for piece in each.pieces if piece.body is not None}
    surplus = {path for each in made for path in each.surplus(there)}
    former = {piece.path for each in gone for piece in each.pieces if piece.path in there} - kept
    for path in former:
        if not site.is_ours(there[path]):
            raise FabricFailure(f"{path} is to go, but is not this director's: it has not its tags.")
    leaving = {path: stub(there[path]) for path in topmost(surplus | former)}
    return Writing(patches=patches, puts=puts, leaving=leaving)


def _all_new(made: Sequence[Made]) -> Writing:
    bodies = {piece.path: _part(each, piece, None) for each in made for piece in each.pieces if piece.body is not None}
    return Writing(patches=bodies, puts={}, leaving={})


def _part(made: Made, piece: Piece, there: Tree | None) -> Body:
    """Our fields and tags, and on what is there its revision. A field that is as wished is sent as it is there: what
    strangers added inside it stays.
    """
    wished = piece.body or {}
    body: Body = {name: value for name, value in wished.items() if value is not None}
    if there is None:
        return {**body, "tags": as_node(made.tags(piece))}
    wrong = changed_fields(wished, there)
    body = {name: value if name in wrong else there.get(name, value) for name, value in body.items()}
    return {**body, "tags": _tags(made, piece, there), "_revision": there.get("_revision", 0)}


def _whole(made: Made, piece: Piece, there: Tree) -> Body:
    """All that is there, with our fields in place; NSX takes its own read-only ones back."""
    wished = piece.body or {}
    kept: Body = {name: value for name, value in there.items() if wished.get(name, value) is not None}
    return {**kept, **_part(made, piece, there)}


def _tags(made: Made, piece: Piece, there: Tree) -> list[Node]:
    tags = merged(tags_of(there), made.tags(piece))
    if len(tags) > TAGS_MAX:
        raise FabricFailure(
            f"{piece.path} would have {len(tags)} tags; NSX allows {TAGS_MAX}. Remove some that others put there."
        )
    return as_node(tags)


def stub(body: Tree) -> Body:
    """What a hierarchical write needs to know of an object that goes."""
    return {"resource_type": body.get("resource_type"), "_revision": body.get("_revision", 0)}


async def _send(site: Site, writing: Writing) -> None:
    """Raises NsxFault; STALE when somebody was faster. Waits out what of the same ids is still on its way out."""
    client, also = site.client, _WAITED_OUT if writing.leaving else _PENDING
    if not writing.puts:
        tree = tree_of(writing.patches, writing.leaving)
        await client.patch_tree(tree, enforce_revisions=True, also=also, timeout_s=site.settings.removal_s)
        return
    if writing.patches:
        await client.patch_tree(tree_of(writing.patches), enforce_revisions=True, also=_PENDING)
    for path, body in sorted(writing.puts.items()):
        await client.put(path, body)
    if writing.leaving:
        await client.patch_tree(tree_of({}, writing.leaving), enforce_revisions=True, also=also)
