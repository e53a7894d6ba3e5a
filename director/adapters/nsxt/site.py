"""What every part of the adapter works with: the client, who we are, and what strangers' names mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from director.adapters.nsxt.bodies import Body, Piece, pieces_of
from director.adapters.nsxt.client import NsxClient
from director.adapters.nsxt.compare import changed_fields, mark_of, words
from director.adapters.nsxt.marks import Owner, Tags, missing, owner_of, tags_for, tags_of
from director.adapters.nsxt.refs import Names, Refs, place_of
from director.adapters.nsxt.released import Released
from director.adapters.nsxt.settings import NsxtSettings
from director.model.fabric import NetworkObject, SecurityPolicy, Stack
from director.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """``name`` is the CPI's; ``director`` the director's uuid, by which its objects are told from others'."""

    client: NsxClient
    refs: Refs
    settings: NsxtSettings
    director: str
    name: str
    released: Released = field(default_factory=Released)

    def is_ours(self, body: Tree) -> bool:
        return owner_of(body).director == self.director

    def owner(self, stack: Stack) -> Owner:
        return Owner(director=self.director, deployment=stack.owner, stack=stack.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One object as NSX has to hold it: its pieces, and whose tags they carry (None: whosever they are)."""

    thing: NetworkObject
    pieces: tuple[Piece, ...]
    owner: Owner | None = None

    @property
    def path(self) -> str:
        return self.pieces[0].path

    def tags(self, piece: Piece) -> Tags:
        """The object's kind only on the piece that stands for it, so that it is counted once."""
        assert self.owner is not None
        kind = self.thing.kind if piece is self.pieces[0] else ""
        return tags_for(_kinded(self.owner, kind))

    def surplus(self, there: Mapping[str, Tree]) -> tuple[str, ...]:
        """Pieces there that must not be: those without a body, and rules of ours that the policy no longer has."""
        wanted = {piece.path for piece in self.pieces if piece.body is not None}
        known = {piece.path for piece in self.pieces} - wanted
        rules = self._rules(there) - wanted
        mine = {path for path in rules if self.owner is None or owner_of(there[path]).director == self.owner.director}
        return tuple(sorted((known & there.keys()) | mine))

    def _rules(self, there: Iterable[str]) -> set[str]:
        """Only a policy has any; all of a look's paths for every object would be their square."""
        rules = f"{self.path}/rules/"
        return {path for path in there if path.startswith(rules)} if isinstance(self.thing, SecurityPolicy) else set()

    def differences(self, there: Mapping[str, Tree]) -> tuple[str, ...]:
        """In words, as far as it is there at all."""
        found: list[str] = []
        for piece in self.pieces:
            body = there.get(piece.path)
            if piece.body is None:
                continue
            if body is None:
                found.append(f"has no {piece.body['resource_type']}")
            else:
                found += [f"{_which(self, piece)}{text}" for text in words(piece.body, body)]
                found += self._untagged(piece, body)
        return (*found, *(f"has {path.rpartition('/')[2]} besides" for path in self.surplus(there)))

    def _untagged(self, piece: Piece, body: Tree) -> Sequence[str]:
        scopes = missing(tags_of(body), self.tags(piece)) if self.owner is not None else ()
        return [f"{_which(self, piece)}tag {scope} is not ours" for scope in scopes]

    def is_as_wished(self, there: Mapping[str, Tree]) -> bool:
        return not self.differences(there)

    def mark(self, there: Mapping[str, Tree]) -> str:
        return mark_of(self.pieces, there)

    def changed(self, piece: Piece, body: Tree) -> bool:
        """Whether this piece has to be written."""
        wished: Body = piece.body or {}
        return bool(changed_fields(wished, body) or self._untagged(piece, body))


def _kinded(owner: Owner, kind: str) -> Owner:
    return Owner(director=owner.director, deployment=owner.deployment, stack=owner.stack, kind=kind)


def _which(made: Made, piece: Piece) -> str:
    if piece is made.pieces[0] or piece.body is None:
        return ""
    return f"{piece.body['resource_type']} {piece.path.rpartition('/')[2]}: "


def make(things: Iterable[NetworkObject], names: Names, owner: Owner | None = None) -> tuple[Made, ...]:
    """Those whose references mean something; the others cannot be anywhere."""
    found: list[Made] = []
    for thing in things:
        try:
            found.append(Made(thing=thing, pieces=pieces_of(thing, names), owner=owner))
        except KeyError:
            continue
    return tuple(found)


def make_places(things: Iterable[NetworkObject], names: Names) -> tuple[Made, ...]:
    """Where objects are, whatever they point to. What lies in something that is gone is gone with it."""
    found: list[Made] = []
    for thing in things:
        place = place_of(thing)
        if place is None or place[1].is_ours or (place[0], place[1].to) in names.paths:
            found.append(Made(thing=thing, pieces=pieces_of(thing, names.somehow)))
    return tuple(found)


def paths_of(made: Iterable[Made]) -> set[str]:
    return {piece.path for each in made for piece in each.pieces}
