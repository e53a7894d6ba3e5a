"""The objects: by path, with children, referrers and listeners kept as indexes. Knows no rules.

Bodies are never changed in place: a write stores a new one, so a listener's `before` and `after` stay what they were.
All writes happen inside `transaction()`, which undoes them on an exception and tells listeners after the last.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

from tests.nsxsim import kinds, refs
from tests.nsxsim.problems import Json

Listener = Callable[[str, Json | None, Json | None], None]
"""(path, body before, body after). A delete is heard twice: `after` with marked_for_delete, then None when gone."""

_NONE: Final[Mapping[str, "Node"]] = {}


class Node:
    __slots__ = ("body", "children", "kind", "owner", "parent", "path", "refs")

    def __init__(self, path: str, kind: kinds.Kind | None, parent: str, body: Json, owner: str | None = None) -> None:
        self.path, self.kind, self.parent, self.body = path, kind, parent, body
        self.owner = owner
        """The principal identity it belongs to, when one made it."""
        self.children: dict[str, dict[str, Node]] = {}
        self.refs: frozenset[str] = frozenset()

    @property
    def pending(self) -> bool:
        return bool(self.body.get("marked_for_delete"))

    @property
    def id(self) -> str:
        return str(self.body["id"])


class Tree:
    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._users: dict[str, set[str]] = {}
        self._listeners: list[Listener] = []
        self._undo: list[Callable[[], None]] | None = None
        self._changed: dict[str, Json | None] = {}
        self._to_tell: deque[tuple[str, Json | None, Json | None]] = deque()
        self._telling = False
        self.numbers: dict[str, int] = {}
        self.root(kinds.ROOT)

    def root(self, path: str) -> Node:
        """Makes sure a tree's root stands (`/infra`, or a project's)."""
        if path not in self.nodes:
            body = {"id": "infra", "path": path, "resource_type": "Infra", "display_name": "infra", "_revision": 0}
            self.nodes[path] = Node(path, None, "", body)
        return self.nodes[path]

    def listen(self, listener: Listener) -> None:
        """Calls `listener(path, before, after)` after each change that stood."""
        self._listeners.append(listener)

    def get(self, path: str) -> Json | None:
        """The body of a living object; None when absent or marked for delete."""
        node = self.nodes.get(path)
        return None if node is None or node.pending else node.body

    def node(self, path: str) -> Node | None:
        """The living node, likewise."""
        node = self.nodes.get(path)
        return None if node is None or node.pending else node

    def children(self, parent: str, collection: str | None = None, *, pending: bool = False) -> Iterator[Node]:
        """Living children in order of creation: of one collection (`locale-services`), or all."""
        owner = self.nodes.get(parent)
        if owner is None:
            return
        groups = owner.children if collection is None else {collection: owner.children.get(collection, _NONE)}
        for group in groups.values():
            yield from (node for node in group.values() if pending or not node.pending)

    def below(self, path: str, *, pending: bool = False) -> Iterator[Node]:
        """All living descendants, parents before children."""
        for node in self.children(path, pending=pending):
            yield node
            yield from self.below(node.path, pending=pending)

    def users(self, path: str, *, pending: bool = False) -> frozenset[str]:
        """Paths of living objects that refer to this one."""
        return frozenset(each for each in self._users.get(path, ()) if pending or not self.nodes[each].pending)

    def next_number(self, name: str, first: int) -> int:
        """A number never given before under this name (rule ids and the like)."""
        self.numbers[name] = self.numbers.get(name, first - 1) + 1
        return self.numbers[name]

    def of_kind(self, name: str) -> Iterator[Node]:
        return (n for n in self.nodes.values() if n.kind is not None and n.kind.name == name and not n.pending)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Either all writes inside stand, or none. An inner one joins the outer."""
        if self._undo is not None:
            yield
            return
        self._undo, self._changed = [], {}
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            self._undo = None
            raise
        changed, self._undo = self._changed, None
        self._tell(changed)

    def put(self, place: kinds.Place, body: Json, *, owner: str | None = None) -> Node:
        """Stores a body as it is: rules and stamps are the caller's."""
        with self.transaction():
            node = self.nodes.get(place.path)
            if node is None:
                self._note(place.path, None)
                node = Node(place.path, place.kind, place.parent, body, owner)
                self._link(node, place.collection, place.id)
                self._undoable(partial(self._unlink, node, place.collection, place.id))
            else:
                self._swap(node, body)
            self._refer(node)
            return node

    def mark(self, node: Node, body: Json) -> None:
        """Replaces the body by one that says marked_for_delete; it stays in the tree until `drop`."""
        with self.transaction():
            self._swap(node, body)

    def drop(self, path: str) -> None:
        """Takes a node out for good."""
        node = self.nodes.get(path)
        if node is None:
            return
        where = kinds.place(path)
        assert where is not None
        with self.transaction():
            self._note(path, node.body)
            self._forget(node)
            self._unlink(node, where.collection, where.id)

    def _swap(self, node: Node, body: Json) -> None:
        before = node.body
        self._note(node.path, before)
        node.body = body

        def back() -> None:
            node.body = before
            self._refer(node)

        self._undoable(back)

    def _note(self, path: str, before: Json | None) -> None:
        self._changed.setdefault(path, before)

    def _undoable(self, undo: Callable[[], None]) -> None:
        assert self._undo is not None
        self._undo.append(undo)

    def _link(self, node: Node, collection: str, id: str) -> None:
        self.nodes[node.path] = node
        self.nodes[node.parent].children.setdefault(collection, {})[id] = node

    def _unlink(self, node: Node, collection: str, id: str) -> None:
        self._forget(node)
        del self.nodes[node.path]
        if (parent := self.nodes.get(node.parent)) is not None:
            parent.children.get(collection, {}).pop(id, None)

    def _refer(self, node: Node) -> None:
        assert node.kind is not None
        fresh = frozenset(said for _, said, _ in refs.of(node.kind.name, node.body))
        for gone in node.refs - fresh:
            self._users[gone].discard(node.path)
        for new in fresh - node.refs:
            self._users.setdefault(new, set()).add(node.path)
        node.refs = fresh

    def _forget(self, node: Node) -> None:
        for gone in node.refs:
            self._users[gone].discard(node.path)
        node.refs = frozenset()

    def _tell(self, changed: Mapping[str, Json | None]) -> None:
        """Tells listeners in order; what a listener changes is told after what is being told."""
        after = {path: self.nodes[path].body if path in self.nodes else None for path in changed}
        self._to_tell.extend((path, before, after[path]) for path, before in changed.items())
        if self._telling:
            return
        self._telling = True
        try:
            while self._to_tell:
                path, before, now = self._to_tell.popleft()
                if before is not now:
                    for listener in self._listeners:
                        listener(path, before, now)
        finally:
            self._telling = False
