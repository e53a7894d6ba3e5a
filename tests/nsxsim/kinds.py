"""The resource tree as a table: what kinds of object there are, where they live, and which generic rules they obey.

Rows stand in kinds_*.py; behaviour lives elsewhere and reads the rows. A template's `*` is an id.
Field specs: `a.b[].c` is field c of every element of list b inside a. Reference sections 5.2 and 5.7.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Check = Callable[[Any], str | None]
"""Says what is wrong with a value, or None."""

ROOT: Final = "/infra"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of object. `name` is also what its hierarchical wrapper holds (`Child<name>`).

    `computed`: by resource type, fields only the manager sets; what clients say there is ignored, what was set is kept.
    `inline`: (field, kind) of children that stand in the body; `auto`: (kind, id) of children made with it.
    `ids`: the only ids there are; `owned`: goes with its parent; `entities`: what it is realised as.
    """

    name: str
    at: tuple[str, ...]
    types: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    type_defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    computed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    formats: Mapping[str, Check] = field(default_factory=dict)
    inline: tuple[tuple[str, str], ...] = ()
    auto: tuple[tuple[str, str], ...] = ()
    ids: tuple[str, ...] = ()
    owned: bool = False
    singleton: bool = False
    read_only: bool = False
    entities: tuple[str, ...] = ()

    @property
    def resource_types(self) -> tuple[str, ...]:
        return self.types or (self.name,)


KINDS: Final[dict[str, Kind]] = {}
"""Every kind by name."""

BY_TYPE: Final[dict[str, Kind]] = {}
"""Every kind by resource_type."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads. `id` is empty for a collection; `parent` is the owner's path; `prefix` the collection's."""

    kind: Kind
    path: str
    parent: str
    collection: str
    id: str
    template: str


class _Step:
    __slots__ = ("collection", "star", "steps", "template")

    def __init__(self) -> None:
        self.steps: dict[str, _Step] = {}
        self.star: _Step | None = None
        self.collection: Kind | None = None
        self.template = ""


_TREE: Final = _Step()


def add(*kinds: Kind) -> None:
    """Puts rows into the table and the path tree."""
    for kind in kinds:
        KINDS[kind.name] = kind
        BY_TYPE.update(dict.fromkeys(kind.resource_types, kind))
        for template in kind.at:
            step = _TREE
            for piece in template.split("/"):
                step = _star(step) if piece == "*" else step.steps.setdefault(piece, _Step())
            step.collection, step.template = kind, template


def _star(step: _Step) -> _Step:
    step.star = step.star or _Step()
    return step.star


def split_root(path: str) -> tuple[str, list[str]]:
    """(the tree's root, the pieces below it): `/infra` or a project's `/orgs/{o}/projects/{p}/infra`."""
    pieces = path.split("/")
    if pieces[1:2] == ["orgs"] and len(pieces) >= 6 and pieces[3] == "projects" and pieces[5] == "infra":
        return "/".join(pieces[:6]), pieces[6:]
    if pieces[1:2] == ["infra"]:
        return ROOT, pieces[2:]
    return "", pieces[1:]


def place(path: str) -> Place | None:
    """Which kind lives (or would live) at a path, or whose collection it is; None for no such path.

    Ids keep slashes out, so a path splits without ambiguity.
    """
    root, pieces = split_root(path)
    step, owner = _TREE, root
    kind: Kind | None = None
    if root == "":
        return None
    for index, piece in enumerate(pieces):
        if piece in step.steps:
            step = step.steps[piece]
            kind = step.collection
        elif step.collection is not None and not step.collection.singleton and piece:
            kind = step.collection
            found = _below(step, kind, path, root, pieces[: index + 1], owner)
            if index == len(pieces) - 1:
                return found
            owner = found.path
            step = step.star or _Step()
            continue
        else:
            return None
        if kind is not None and kind.singleton:
            found = _single(step, kind, root, pieces[: index + 1], owner)
            if index == len(pieces) - 1:
                return found
            owner = found.path
    if kind is None or not pieces:
        return None
    return Place(kind, path, owner, "/".join(_since(owner, path)), "", step.template)


def _below(step: _Step, kind: Kind, path: str, root: str, pieces: list[str], owner: str) -> Place:
    at = "/".join((root, *pieces))
    collection = "/".join(_since(owner, at)[:-1])
    return Place(kind, at, owner, collection, pieces[-1], step.template)


def _single(step: _Step, kind: Kind, root: str, pieces: list[str], owner: str) -> Place:
    at = "/".join((root, *pieces))
    return Place(kind, at, owner, pieces[-1], pieces[-1], step.template)


def _since(owner: str, path: str) -> list[str]:
    return path[len(owner) + 1 :].split("/")


def child_place(parent: str, kind: Kind, id: str) -> Place | None:
    """Where a child of this kind goes below a parent's path; None when it cannot live there."""
    for template in kind.at:
        tail = template if kind.singleton else f"{template}/{id}"
        head, candidate = _candidate(parent, tail)
        if head and (found := place(candidate)) is not None and found.kind is kind and found.parent == parent:
            return found
    return None


def _candidate(parent: str, template: str) -> tuple[bool, str]:
    root, below = split_root(parent)
    wanted = template.split("/")
    if len(wanted) <= len(below):
        return False, ""
    fits = all(want in ("*", have) for want, have in zip(wanted, below, strict=False))
    return fits, "/".join((root, *below, *wanted[len(below) :]))


def all_types() -> Iterable[str]:
    return sorted(BY_TYPE)
