"""PATCH, PUT and DELETE of one object, the way reference 5.3 says; hapi.py strings many together.

A `Batch` collects writes in one tree transaction: bodies are checked as they come, references and kinds' rules when
all are in, so that order inside one request does not matter. A refusal anywhere leaves nothing changed.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.nsxsim import fields, kinds, refs, rules, shapes
from tests.nsxsim.clock import Clock
from tests.nsxsim.kinds import Place
from tests.nsxsim.problems import Json, Refusal, absent, bad_path, in_use, invalid, pending_delete, ports_left
from tests.nsxsim.settings import Settings
from tests.nsxsim.tree import Node, Tree

READ_ONLY: Final = frozenset(shapes.MANAGED) - {"display_name", "description", "tags"}
TAGS_MAX: Final = 30
OWNER_ID: Final = "5f1d2a4e-0000-4000-8000-000000000001"
SYSTEM: Final = "system"
INSIDERS: Final = (SYSTEM, "nsx_policy")
"""Names under which the manager itself writes: they may set what only it sets."""


@dataclass(frozen=True, slots=True)
class Who:
    """On whose behalf: `principal` is set for certificate logins; `overwrite` is X-Allow-Overwrite."""

    name: str
    role: str = "enterprise_admin"
    principal: bool = False
    overwrite: bool = False


class Batch:
    """Writes that stand or fall together. Use inside `tree.transaction()`, then `settle()`."""

    def __init__(self, tree: Tree, clock: Clock, settings: Settings, who: Who) -> None:
        self.tree, self.clock, self.settings, self.who = tree, clock, settings, who
        self.written: dict[str, tuple[Place, Json | None]] = {}
        self.deleted: dict[str, Place] = {}

    def upsert(self, place: Place, body: Json, *, replace: bool, check_revision: bool) -> Node:
        """Creates or changes one object; `replace` is PUT. Returns its node."""
        self._may_live(place)
        node = self.tree.node(place.path)
        body, inline = self._read(place, node, body)
        if node is not None:
            self._may_change(node)
            if check_revision or replace:
                self._is_current(node, body)
        elif replace and body.get("_revision") is not None:
            raise self._stale(place.path, "there is no such object")
        before = node.body if node is not None else None
        fresh = self._merged(place, before, body, replace=replace)
        if before is not None:
            self._keeps(place, before, fresh)
        touched = self._inline(place, inline, replace=replace, first=True)
        if before is None or touched or not _same(before, fresh):
            node = self._store(place, before, fresh)
        assert node is not None
        self._inline(place, inline, replace=replace, first=False)
        return node

    def delete(self, place: Place, *, cascade: bool = False, force: bool = False) -> None:
        """Marks one object for delete, with what it owns; with everything below it when `cascade`."""
        node = self.tree.node(place.path)
        if node is None:
            if self.tree.nodes.get(place.path) is not None and not cascade:
                raise pending_delete(place.path)
            raise absent(place.path)
        self._may_change(node)
        if place.kind.read_only:
            raise _fixed(place.path)
        below = list(self.tree.below(node.path))
        if not cascade:
            lingering = self.tree.below(node.path, pending=True) if self.settings.lingering_blocks else below
            _has_only_its_own(node, list(lingering), force=force)
        elif not force:
            _holds_no_vms(node, below)
        for each in (*reversed(below), node):
            found = kinds.place(each.path)
            assert found is not None
            self._mark(each, found)

    def settle(self) -> None:
        """References, kinds' rules and referrers, now that all is in. Raises the first, relating the rest."""
        raise_all(self._found())

    def _found(self) -> Iterator[Refusal]:
        for path, (place, before) in self.written.items():
            body = self.tree.get(path)
            if body is not None:
                yield from (_at(path, each) for each in self._references(place, body))
                yield from (_at(path, each) for each in rules.problems(self.tree, place, body, before))
        for path, place in self.deleted.items():
            yield from rules.delete_problems(self.tree, place, self.tree.nodes[path].body, self.deleted)
            users = self.tree.users(path, pending=self.settings.lingering_blocks) - set(self.deleted)
            if users:
                yield in_use(path, users)

    def _references(self, place: Place, body: Json) -> Iterator[Refusal]:
        for field, said, targets in refs.of(place.kind.name, body):
            node = self.tree.node(said)
            if node is None or (targets and (node.kind is None or node.kind.name not in targets)):
                yield bad_path(said, field)

    def _may_live(self, place: Place) -> None:
        node = self.tree.nodes.get(place.path)
        if node is not None and node.pending:
            raise pending_delete(place.path)
        if self.tree.node(place.parent) is None:
            raise absent(place.parent)
        if (place.kind.read_only or (place.kind.ids and place.id not in place.kind.ids)) and self.who.name != SYSTEM:
            raise _fixed(place.path)
        if not place.id or len(place.id) > 255 or "/" in place.id:
            raise invalid(f"'{place.id}' is not an id", field="id")

    def _read(self, place: Place, node: Node | None, body: Json) -> tuple[Json, Json]:
        """The body as said, checked for shape, apart from what stands inline for children."""
        if body.get("id") not in (None, place.id):
            raise _at(place.path, invalid(f"id '{body['id']}' in the body is not the id in the path", field="id"))
        type_name = self._type_of(place, node, body)
        said = {name: value for name, value in body.items() if name not in ("children", "marked_for_delete")}
        said["resource_type"] = type_name
        inline = {name: said.pop(name) for name, _ in place.kind.inline if said.get(name) is not None}
        found = list(shapes.problems(type_name, said, strict=self.settings.strict_fields))
        found += _common_problems(said)
        raise_all(_at(place.path, each) for each in found)
        return said, inline

    def _type_of(self, place: Place, node: Node | None, body: Json) -> str:
        types = place.kind.resource_types
        said = body.get("resource_type")
        if said is None:
            if node is not None:
                return str(node.body["resource_type"])
            if len(types) > 1:
                raise _at(place.path, invalid(f"one of {list(types)} is needed", code=255, field="resource_type"))
            return types[0]
        if said not in types or (node is not None and node.body["resource_type"] != said):
            raise _at(place.path, invalid(f"'{said}' cannot stand at this path", code=255, field="resource_type"))
        return str(said)

    def _may_change(self, node: Node) -> None:
        if self.who.name == SYSTEM:
            return
        if node.body.get("_system_owned"):
            raise _fixed(node.path)
        if node.owner is None or node.owner == self.who.name:
            return
        if self.who.role == "enterprise_admin" and self.who.overwrite:
            return
        raise Refusal(
            self.settings.protected_status,
            289,
            f"Principal '{self.who.name}' with role '{self.who.role}' changes or deletes path=[{node.path}], which "
            f"'{node.owner}' owns (X-Allow-Overwrite={str(self.who.overwrite).lower()}).",
            module="common-services",
        )

    def _is_current(self, node: Node, body: Json) -> None:
        said, current = body.get("_revision"), node.body["_revision"]
        if said != current:
            raise self._stale(node.path, f"its revision is {current}, the request carries {said}")

    def _stale(self, path: str, why: str) -> Refusal:
        settings = self.settings
        return Refusal(
            settings.stale_status,
            settings.stale_code,
            f"The object path=[{path}] was changed by somebody else: {why}. Read it again and retry.",
            module="common-services",
        )

    def _merged(self, place: Place, before: Json | None, said: Json, *, replace: bool) -> Json:
        type_name = said["resource_type"]
        ours = () if self.who.name in INSIDERS else place.kind.computed.get(type_name, ())
        wanted = {k: v for k, v in said.items() if k not in READ_ONLY and k not in ours and v is not None}
        kept = {} if before is None or replace else {k: v for k, v in before.items() if k not in READ_ONLY}
        # What cannot be changed need not be said again, not even in a PUT.
        fixed = {k: v for k, v in (before or {}).items() if k in ours or k in place.kind.immutable}
        body = {**fixed, **kept, **wanted}
        body.setdefault("display_name", place.id)
        body = fields.with_defaults(place.kind, type_name, {**body, "resource_type": type_name})
        body = rules.completed(self.tree, place, body, before)
        raise_all(_at(place.path, each) for each in fields.problems(place.kind, body))
        return body

    def _keeps(self, place: Place, before: Json, fresh: Json) -> None:
        for spec in place.kind.immutable:
            was = [value for _, value in fields.values(before, spec)]
            now = [value for _, value in fields.values(fresh, spec)]
            if was and was != now:
                raise _at(place.path, invalid("cannot be changed after creation", code=500016, field=spec))

    def _store(self, place: Place, before: Json | None, fresh: Json) -> Node:
        now = int(self.clock.now() * 1000)
        by = self.who.name
        if before is None:
            body = {**fresh, **_identity(place), "_create_time": now, "_create_user": by, "_revision": 0}
            body["_system_owned"] = by == SYSTEM
        else:
            body = {**fresh, **{k: before[k] for k in READ_ONLY if k in before}}
            body["_revision"] = before["_revision"] + 1
        body["_last_modified_time"], body["_last_modified_user"] = now, by
        node = self.tree.put(place, body, owner=by if self.who.principal and before is None else None)
        self.written.setdefault(place.path, (place, before))
        if before is None:
            self._make_auto(place)
        return node

    def _make_auto(self, place: Place) -> None:
        for name, child in place.kind.auto:
            made = kinds.child_place(place.path, kinds.KINDS[name], child)
            assert made is not None
            inner = Batch(self.tree, self.clock, self.settings, Who(SYSTEM))
            inner.upsert(made, {"display_name": child}, replace=False, check_revision=False)

    def _inline(self, place: Place, inline: Json, *, replace: bool, first: bool) -> bool:
        """Rules of a policy, entries of a service: `first` says whether they would change, then they are written."""
        changed = False
        for name, child in place.kind.inline:
            listed = inline.get(name)
            if listed is not None:
                changed |= self._inline_one(place, kinds.KINDS[child], listed, replace=replace, first=first)
        return changed

    def _inline_one(self, place: Place, kind: kinds.Kind, listed: Any, *, replace: bool, first: bool) -> bool:
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise _at(place.path, invalid("must be a list of objects", code=220, field=kind.name))
        for index, each in enumerate(listed):
            each.setdefault("id", f"{kind.name.lower()}-{index}" if not each.get("display_name") else _id_of(each))
        named = {each["id"] for each in listed}
        gone = [node for node in self._kin(place.path, kind) if node.id not in named] if replace else []
        if first:
            return bool(gone) or any(self._differs(place.path, kind, each) for each in listed)
        for node in gone:
            found = kinds.place(node.path)
            assert found is not None
            self._mark(node, found)
        for each in listed:
            at = kinds.child_place(place.path, kind, each["id"])
            assert at is not None
            self.upsert(at, {k: v for k, v in each.items() if k != "_revision"}, replace=False, check_revision=False)
        return True

    def _kin(self, parent: str, kind: kinds.Kind) -> Iterable[Node]:
        return [node for node in self.tree.children(parent) if node.kind is kind]

    def _differs(self, parent: str, kind: kinds.Kind, said: Json) -> bool:
        at = kinds.child_place(parent, kind, said["id"])
        body = self.tree.get(at.path) if at is not None else None
        return body is None or any(body.get(k) != v for k, v in said.items() if k not in READ_ONLY and v is not None)

    def _mark(self, node: Node, place: Place) -> None:
        now = int(self.clock.now() * 1000)
        body = {**node.body, "marked_for_delete": True, "_last_modified_time": now}
        body["_last_modified_user"] = self.who.name
        body["_revision"] = node.body["_revision"] + 1
        self.tree.mark(node, body)
        self.deleted[place.path] = place


def raise_all(found: Iterable[Refusal]) -> None:
    """Raises the first, with the others as its related errors; nothing when there are none."""
    listed = list(found)
    if listed:
        first = listed[0]
        first.related = (*first.related, *listed[1:])
        raise first


def _at(path: str, refusal: Refusal) -> Refusal:
    if path not in refusal.message and "path=[" not in refusal.details:
        refusal.details = f"path=[{path}]" + (f", {refusal.details}" if refusal.details else "")
    return refusal


def _fixed(path: str) -> Refusal:
    return Refusal(400, 500040, f"The object path=[{path}] is system owned and cannot be created, changed or deleted.")


def _same(before: Json, fresh: Json) -> bool:
    return {k: v for k, v in before.items() if k not in READ_ONLY} == {
        k: v for k, v in fresh.items() if k not in READ_ONLY
    }


def _id_of(said: Json) -> str:
    return str(said["display_name"]).replace("/", "_").replace(" ", "_")


def _identity(place: Place) -> Json:
    made = str(uuid.uuid4())
    return {
        "id": place.id,
        "path": place.path,
        "relative_path": place.id,
        "parent_path": place.parent,
        "remote_path": "",
        "unique_id": made,
        "realization_id": made,
        "owner_id": OWNER_ID,
        "marked_for_delete": False,
        "overridden": False,
        "_protection": "NOT_PROTECTED",
    }


def _common_problems(body: Json) -> Iterator[Refusal]:
    for field, longest in (("display_name", 255), ("description", 1024)):
        if isinstance(body.get(field), str) and len(body[field]) > longest:
            yield invalid(f"is longer than {longest} characters", code=255, field=field)
    tags = body.get("tags")
    if not isinstance(tags, list):
        return
    if len(tags) > TAGS_MAX:
        yield invalid(f"{len(tags)} tags; at most {TAGS_MAX} are allowed", code=500059, field="tags")
    for tag in tags:
        if isinstance(tag, dict) and (len(tag.get("scope") or "") > 128 or len(tag.get("tag") or "") > 256):
            yield invalid("scope is at most 128 characters and tag at most 256", code=255, field="tags")


def _holds_no_vms(node: Node, below: list[Node]) -> None:
    """Also a cascading delete stops at ports that something is plugged into."""
    ports = [each for each in (node, *below) if each.kind is not None and each.kind.name == "SegmentPort"]
    plugged = [port for port in ports if (port.body.get("attachment") or {}).get("id") and port is not node]
    if plugged:
        raise ports_left(plugged[0].parent, [port.path for port in plugged])


def _has_only_its_own(node: Node, below: list[Node], *, force: bool) -> None:
    strangers = [each for each in below if each.kind is not None and not each.kind.owned]
    ports = [each.path for each in strangers if each.kind is not None and each.kind.name == "SegmentPort"]
    if node.kind is not None and node.kind.name == "Segment" and ports:
        if not force:
            raise ports_left(node.path, ports)
        strangers = [each for each in strangers if each.path not in ports]
    if strangers:
        raise in_use(node.path, (each.path for each in strangers))
