"""From the parser's events to plain data with places. Decides what YAML may do here; knows nothing of manifests.

Note: limits. They hold before anything large exists (performance-reliability.md 3.2): depth, number of nodes, and nodes
that come from aliases are counted while events arrive.
"""

from typing import Final, NoReturn, TypeAlias

import yaml

from director.manifest import faults
from director.manifest.document import Document, Place, kind_of
from director.manifest.faults import Fault
from director.manifest.report import errors_of, in_order, problem_of
from director.manifest.scalar import Meaning, meaning_of, meaning_of_tagged
from director.model.problem import Mark, Problem, Refused, Severity
from director.model.tree import Node

DEPTH_MAX: Final = 64
NODES_MAX: Final = 250_000
ALIASED_MAX: Final = 10_000

_Built: TypeAlias = tuple[Node, Place, int]
"""A node, its place, and how many nodes it stands for when every alias in it is written out."""

_CONTAINER_TAGS: Final = frozenset((None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))
_SHOWN_MAX: Final = 60


class Composer:
    """Walks the events of one text once."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._text = text
        self._events = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._anchors: dict[str, _Built | None] = {}
        self._problems: list[Problem] = []
        self._aliased = 0
        self._nodes = 0

    def document(self) -> Document:
        """The one document of the text. Raises Refused with all that is wrong."""
        try:
            node, place = self._whole()
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except yaml.reader.ReaderError as error:
            self._refuse_character(error)
        if errors_of(self._problems):
            raise Refused(in_order(self._problems))
        return Document(file=self._file, node=node, place=place, warnings=in_order(self._problems))

    def _whole(self) -> tuple[Node, Place]:
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None, Place(1, 1, 1, 1)
        node, place, _ = self._node(self._next(), 1)
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            detail = f"{self._file} has a second document here; only one is expected."
            self._say(faults.SEVERAL, detail, "remove this line ---, or keep each document in its own file.", after)
        return node, place

    def _next(self) -> yaml.Event:
        event: yaml.Event = next(self._events)
        return event

    def _node(self, event: yaml.Event, depth: int) -> _Built:
        self._count(event, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        assert isinstance(event, yaml.NodeEvent), f"the parser gave {type(event).__name__} where a node stands"
        name = event.anchor
        if name:
            self._anchors[name] = None
        if isinstance(event, yaml.ScalarEvent):
            built = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            built = self._list(event, depth)
        else:
            built = self._map(event, depth)
        if name:
            self._anchors[name] = built
        return built

    def _count(self, event: yaml.Event, depth: int) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            detail = f"{self._file} has more than {NODES_MAX} values."
            self._stop(faults.TOO_MANY_NODES, detail, "split it into several files.", event)
        if depth > DEPTH_MAX and isinstance(event, yaml.CollectionStartEvent):
            detail = f"{self._file} nests maps and lists more than {DEPTH_MAX} deep."
            self._stop(faults.TOO_DEEP, detail, "flatten it.", event)

    def _alias(self, event: yaml.AliasEvent) -> _Built:
        name = str(event.anchor)
        if name not in self._anchors:
            detail = f"*{_short(name)} refers to no anchor above it."
            self._stop(faults.ALIAS_UNKNOWN, detail, "define the anchor above this line, or quote the value.", event)
        built = self._anchors[name]
        if built is None:
            detail = f"*{_short(name)} stands inside the very part it refers to."
            self._stop(faults.ALIAS_CYCLE, detail, "write that part out.", event)
        node, place, size = built
        self._aliased += size
        if self._aliased > ALIASED_MAX:
            detail = f"The aliases of {self._file} stand for more than {ALIASED_MAX} values."
            self._stop(faults.ALIAS_BOMB, detail, "use fewer aliases of aliases.", event)
        line, column = _at(event)
        return node, Place(line, column, line, column, place.children, place.raw), size

    def _scalar(self, event: yaml.ScalarEvent) -> _Built:
        text: str = event.value
        line, column = _at(event)
        if event.tag is None and not event.implicit[0]:
            return text, Place(line, column, line, column), 1
        meaning = meaning_of(text) if event.tag is None else meaning_of_tagged(event.tag, text)
        if meaning.wrong or meaning.is_odd:
            self._remark(meaning, event)
        raw = None if isinstance(meaning.value, str) else text
        return meaning.value, Place(line, column, line, column, None, raw), 1

    def _remark(self, meaning: Meaning, event: yaml.ScalarEvent) -> None:
        if meaning.is_odd:
            said = "true" if meaning.value else "false"
            detail = f"The bare word {event.value} is read as the boolean {said}."
            fix = "quote it if you meant text, or write true or false."
            self._say(faults.LOOKS_BOOLEAN, detail, fix, event, Severity.WARNING)
        elif "tag" in meaning.wrong:
            detail = f"A value {meaning.wrong}: {_short(event.tag or '')}."
            self._say(faults.BAD_TAG, detail, "remove the tag.", event)
        else:
            self._say(faults.BAD_SCALAR, f"A value {meaning.wrong}.", "put it in quotes if you meant text.", event)

    def _list(self, event: yaml.SequenceStartEvent, depth: int) -> _Built:
        self._check_tag(event)
        items: list[Node] = []
        places: list[Place] = []
        size = 1
        while not isinstance(below := self._next(), yaml.SequenceEndEvent):
            node, place, more = self._node(below, depth + 1)
            items.append(node)
            places.append(place)
            size += more
        line, column = _at(event)
        return items, Place(line, column, line, column, places), size

    def _map(self, event: yaml.NodeEvent, depth: int) -> _Built:
        assert isinstance(event, yaml.MappingStartEvent), f"the parser gave {type(event).__name__} where a map stands"
        self._check_tag(event)
        entries: dict[str, Node] = {}
        places: dict[str, Place] = {}
        merged: list[_Built] = []
        size = 1
        while not isinstance(above := self._next(), yaml.MappingEndEvent):
            key = self._key(above, depth)
            node, place, more = self._node(self._next(), depth + 1)
            size += more + 1
            if _is_merge(above):
                merged.append((node, place, 0))
            elif key is not None:
                if key in entries:
                    self._say_duplicate(key, places[key], above)
                entries[key] = node
                places[key] = _keyed(place, above)
        if merged:
            entries, places = self._merge(entries, places, merged)
        line, column = _at(event)
        return entries, Place(line, column, line, column, places), size

    def _check_tag(self, event: yaml.CollectionStartEvent) -> None:
        if event.tag not in _CONTAINER_TAGS:
            detail = f"The tag {_short(str(event.tag))} is not plain data."
            self._say(faults.BAD_TAG, detail, "remove the tag.", event)

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        """The key's text; None, with a problem, when it is not text."""
        heard = len(self._problems)
        node, _, _ = self._node(event, depth + 1)
        if isinstance(node, str):
            return node
        del self._problems[heard:]  # one problem per key, not also that it looks boolean or has a tag
        written = _short(event.value) if isinstance(event, yaml.ScalarEvent) else ""
        detail = f"The key {written or '(no name)'} is read as {kind_of(node)}, but keys must be text."
        self._say(faults.BAD_KEY, detail, f'quote it: "{written}":' if written else "use text as the key.", event)
        return None

    def _merge(
        self, entries: dict[str, Node], places: dict[str, Place], merged: list[_Built]
    ) -> tuple[dict[str, Node], dict[str, Place]]:
        """What stands in the map wins over what is merged into it, and the first merged over later ones."""
        all_entries: dict[str, Node] = {}
        all_places: dict[str, Place] = {}
        for node, place in reversed([pair for built in merged for pair in self._sources(built)]):
            all_entries.update(node)
            all_places.update(place.children if isinstance(place.children, dict) else {})
        return all_entries | entries, all_places | places

    def _sources(self, built: _Built) -> list[tuple[dict[str, Node], Place]]:
        node, place, _ = built
        children = place.children if isinstance(place.children, list) else []
        several = list(zip(node, children, strict=True)) if isinstance(node, list) else [(node, place)]
        sources = [(one, where) for one, where in several if isinstance(one, dict)]
        if len(sources) < len(several):
            mark = Mark(file=self._file, line=place.line, column=place.column)
            fix = "give it a map, or a list of maps; quote it if you meant the key <<."
            self._problems.append(problem_of(faults.BAD_MERGE, "<< merges something that is not a map.", fix, mark))
        return sources

    def _say_duplicate(self, key: str, first: Place, event: yaml.Event) -> None:
        detail = f"The key {_short(key)} stands here a second time; the first is in line {first.key_line}."
        self._say(faults.DUPLICATE_KEY, detail, "keep one of the two.", event)

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        place = error.problem_mark or error.context_mark
        line, column = (place.line + 1, place.column + 1) if place else (1, 1)
        said = ", ".join(str(part) for part in (error.context, error.problem) if part)
        mark = Mark(file=self._file, line=line, column=column)
        detail = f"{self._file} is not valid YAML: {said}."
        fix = "correct this line or the one above it: look for a missing colon, quote, bracket or wrong indentation."
        self._problems.append(problem_of(faults.SYNTAX, detail, fix, mark))
        raise Refused(in_order(errors_of(self._problems)))

    def _refuse_character(self, error: yaml.reader.ReaderError) -> NoReturn:
        before = self._text.encode()[: error.position].decode(errors="ignore")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        mark = Mark(file=self._file, line=line, column=column)
        detail = f"{self._file} cannot be read: {error.reason}."
        raise Refused([problem_of(faults.CONTROL, detail, "remove that character.", mark)])

    def _say(self, fault: Fault, detail: str, fix: str, event: yaml.Event, severity: Severity = Severity.ERROR) -> None:
        line, column = _at(event)
        mark = Mark(file=self._file, line=line, column=column)
        self._problems.append(problem_of(fault, detail, fix, mark, severity))

    def _stop(self, fault: Fault, detail: str, fix: str, event: yaml.Event) -> NoReturn:
        """For what makes the rest unreadable: refuses with all that was found so far."""
        self._say(fault, detail, fix, event)
        raise Refused(in_order(errors_of(self._problems)))


def _at(event: yaml.Event) -> tuple[int, int]:
    start = event.start_mark
    assert start is not None, "the parser marks every event"
    return start.line + 1, start.column + 1


def _is_merge(event: yaml.Event) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and bool(event.implicit[0])


def _keyed(place: Place, event: yaml.Event) -> Place:
    """A value's place, told of its key; a container is pointed to by its key."""
    line, column = _at(event)
    if place.children is None:
        return place._replace(key_line=line, key_column=column)
    return Place(line, column, line, column, place.children)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 3] + "..."
