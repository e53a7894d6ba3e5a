"""/search/query and /search/dsl over an index that lags behind the tree. Reference 5.3.

Objects marked for delete stay in it, saying so, until they are gone. Other modules put their own documents in with
`publish`.
"""

import re
from collections.abc import Iterable
from typing import Final

from tests.nsxsim import lucene, reads
from tests.nsxsim.problems import Json
from tests.nsxsim.routes import Call, computed
from tests.nsxsim.settings import Settings
from tests.nsxsim.sim import Sim

Settings.declare("search_page_size_min", 50, "smallest page_size /search takes")

INDEXED: Final = (
    "resource_type",
    "id",
    "display_name",
    "path",
    "parent_path",
    "attachment.id",
    "tags.scope",
    "tags.tag",
)
"""Fields whose exact values are looked up; anything else is gone through."""

FROZEN_S: Final = 5.0
WHERE: Final = re.compile(r"\s*(?P<type>\w+)(?:\s+where\s+(?P<rest>.+))?\s*", re.IGNORECASE | re.DOTALL)
EQUALS: Final = re.compile(r"""\s*([\w.]+)\s*(=|!=)\s*('[^']*'|"[^"]*"|[^\s'"]+)\s*""")


class Index:
    """Documents by key (a path, for objects), and by type. What is published shows after `search_lag_s`."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.documents: dict[str, Json] = {}
        self._by_value: dict[tuple[str, str], dict[str, None]] = {}
        self._still_until = 0.0
        sim.tree.listen(lambda path, _before, after: self.publish(path, after))

    def publish(self, key: str, document: Json | None) -> None:
        """Shows a document (None: takes it away) after the lag."""
        self.sim.clock.later(self.sim.settings.search_lag_s, self._show, key, document)

    def freeze(self, seconds: float) -> None:
        """The index stands still for so long."""
        self._still_until = self.sim.clock.now() + (seconds or FROZEN_S)

    def _show(self, key: str, document: Json | None) -> None:
        left = self._still_until - self.sim.clock.now()
        if left > 0:
            self.sim.clock.later(left, self._show, key, document)
            return
        before = self.documents.pop(key, None)
        if before is not None:
            for held in _held(before):
                self._by_value[held].pop(key, None)
        if document is not None:
            self.documents[key] = document
            for held in _held(document):
                self._by_value.setdefault(held, {})[key] = None

    def matching(self, query: lucene.Query) -> list[Json]:
        """The documents a query matches, by path."""
        found = [each for each in self._candidates(query) if lucene.holds(query, each)]
        found.sort(key=lambda each: str(each.get("path", each.get("external_id", ""))))
        return found

    def _candidates(self, query: lucene.Query) -> Iterable[Json]:
        keys = lucene.candidates(query, self._look_up)
        return self.documents.values() if keys is None else [self.documents[key] for key in keys]

    def _look_up(self, field: str, value: str) -> frozenset[str] | None:
        return frozenset(self._by_value.get((field, value), ())) if field in INDEXED else None


def _held(document: Json) -> set[tuple[str, str]]:
    return {(field, value) for field in INDEXED for value in lucene.exact_values(document, field)}


def install(sim: Sim) -> None:
    sim.rooms["search"] = Index(sim)


def _answer(call: Call, query: lucene.Query) -> Json:
    index: Index = call.sim.rooms["search"]
    found = index.matching(query)
    sort_by = call.query.get("sort_by", "")
    if sort_by:
        found.sort(key=lambda each: str(each.get(sort_by, "")))
    return reads.page(call, found, lambda each: each, sort_by=sort_by, least=call.sim.settings.search_page_size_min)


@computed("/search/query")
@computed("/search")
def search(call: Call) -> Json:
    return _answer(call, lucene.parse(call.needed("query")))


@computed("/search/dsl")
def search_dsl(call: Call) -> Json:
    """`Type where field = value and field != value`."""
    said = call.query.get("query") or call.needed("dsl")
    met = WHERE.fullmatch(said)
    if met is None:
        raise lucene.wrong(said, "it is `Type where field = value and ...`")
    parts: list[lucene.Query] = [lucene.parse(f'resource_type:"{met["type"]}"')]
    for each in re.split(r"\s+and\s+", met["rest"], flags=re.IGNORECASE) if met["rest"] else ():
        pair = EQUALS.fullmatch(each)
        if pair is None:
            raise lucene.wrong(said, f"'{each}' is not field = value")
        field, sign, value = pair.groups()
        has = lucene.parse(f'{field}:"{value.strip(chr(39) + chr(34))}"')
        parts.append(has if sign == "=" else lucene.Not(has))
    return _answer(call, lucene.All(tuple(parts)))
