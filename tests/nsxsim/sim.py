"""The simulator itself, without HTTP: the tree, its clock and settings, and everything that listens to them.

`Sim.ask(call)` answers one understood request; app.py makes calls out of HTTP.
"""

from collections.abc import Mapping
from typing import Any

from tests.nsxsim import hapi, kinds, kinds_all, problems, reads, routes
from tests.nsxsim.clock import Clock, RealClock
from tests.nsxsim.kinds import Place
from tests.nsxsim.problems import Json
from tests.nsxsim.realise import Realisation
from tests.nsxsim.routes import Answer, Call
from tests.nsxsim.settings import Settings
from tests.nsxsim.tree import Tree
from tests.nsxsim.write import Batch, Who

assert kinds_all.TABLES


class Sim:
    """One cluster's state. Builders of more rooms take it in their `install(sim)` and listen to `sim.tree`."""

    def __init__(self, *, clock: Clock | None = None, settings: Settings | None = None) -> None:
        self.clock: Clock = clock or RealClock()
        self.settings = settings or Settings()
        self.tree = Tree()
        self.rooms: dict[str, Any] = {}
        """Where added modules keep what they hold, by their name."""
        self.realisation = Realisation(self)
        self.tree.listen(self._bury)

    def batch(self, who: Who) -> Batch:
        return Batch(self.tree, self.clock, self.settings, who)

    def write(self, path: str, body: Mapping[str, Any], who: Who, *, replace: bool = False) -> Json:
        """PATCH (or PUT) from inside: seeds, tests, discovery. Returns the object; raises Refusal."""
        place = kinds.place(path)
        if place is None or not place.id:
            raise problems.no_such_url(path)
        batch = self.batch(who)
        with self.tree.transaction():
            batch.upsert(place, dict(body), replace=replace, check_revision=False)
            batch.settle()
        return self.tree.nodes[path].body

    def delete(self, path: str, who: Who, *, cascade: bool = False, force: bool = False) -> None:
        place = kinds.place(path)
        if place is None or not place.id:
            raise problems.no_such_url(path)
        batch = self.batch(who)
        with self.tree.transaction():
            batch.delete(place, cascade=cascade, force=force)
            batch.settle()

    def ask(self, call: Call) -> Json | Answer | None:
        """Answers one request. Raises Refusal."""
        pieces = call.path.strip("/").split("/")
        met = routes.find(call.method, pieces, call.query.get("action", ""))
        if met is not None:
            return met[0](call, *met[1])
        root, below = kinds.split_root(call.path)
        if root and not below:
            return self._tree(call, root)
        place = kinds.place(call.path)
        if place is None:
            raise problems.no_such_url(call.path)
        if not place.id:
            return self._collection(call, place)
        return self._object(call, place)

    def _tree(self, call: Call, root: str) -> Json | None:
        if self.tree.node(root) is None:
            raise problems.absent(root)
        if call.method == "GET":
            return hapi.read(call, root)
        if call.method not in ("PATCH", "PUT"):
            raise problems.not_allowed(call.method, call.path)
        hapi.write(call, root)
        return hapi.read(call, root) if call.method == "PUT" else None

    def _collection(self, call: Call, place: Place) -> Json:
        if call.method != "GET":
            raise problems.not_allowed(call.method, call.path)
        if self.tree.node(place.parent) is None:
            raise problems.absent(place.parent)
        return reads.listed(call, place.parent, place.collection)

    def _object(self, call: Call, place: Place) -> Json | None:
        match call.method:
            case "GET":
                node = self.tree.node(place.path)
                if node is None:
                    raise problems.absent(place.path)
                return reads.shown(self.tree, node, call.who)
            case "PATCH":
                self.write(place.path, call.body, call.who)
                return None
            case "PUT":
                self.write(place.path, call.body, call.who, replace=True)
                return reads.shown(self.tree, self.tree.nodes[place.path], call.who)
            case "DELETE":
                self.delete(place.path, call.who, force=call.flag("force"))
                return None
            case _:
                raise problems.not_allowed(call.method, call.path)

    def _bury(self, path: str, before: Json | None, after: Json | None) -> None:
        """What was marked for delete is gone after the lag, children before parents."""
        if after is not None and after.get("marked_for_delete") and not (before or {}).get("marked_for_delete"):
            self.clock.later(self.settings.delete_lag_s, self._drop, path)

    def _drop(self, path: str) -> None:
        node = self.tree.nodes.get(path)
        if node is None or not node.pending:
            return
        for child in list(self.tree.children(path, pending=True)):
            self._drop(child.path)
        self.tree.drop(path)
