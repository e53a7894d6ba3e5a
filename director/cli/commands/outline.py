"""What the command itself must know of a manifest: its name, and the releases it brings. Checks nothing.

It reads events instead of building a tree, so that no text, however nested or aliased, costs much; what is wrong with
the text is the director's to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

DEPTH_MAX: Final = 100
"""No manifest nests so deeply, and the parser takes quadratic time over what does."""

Path: TypeAlias = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """``span`` is where the version stands in the text, as start and end; (0, 0) when it stands nowhere."""

    name: str = ""
    version: str = ""
    url: str = ""
    span: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    name: str = ""
    releases: tuple[Release, ...] = ()


def outline(text: str) -> Outline:
    """As much as can be read; nothing of a text that is no YAML."""
    name = ""
    entries: dict[int | str | None, dict[str, yaml.ScalarEvent]] = {}
    brings = "url" in text
    try:
        for path, event in _scalars(text):
            match path:
                case ("name",):
                    name = event.value
                case ("releases", int(number), str(key)):
                    entries.setdefault(number, {})[key] = event
            if name and not brings:
                break
    except yaml.YAMLError:
        return Outline()
    shift = 1 if text.startswith("\ufeff") else 0  # the parser does not count a byte order mark
    return Outline(name=name, releases=tuple(_release(found, shift) for found in entries.values()))


def _release(found: dict[str, yaml.ScalarEvent], shift: int) -> Release:
    texts = {key: event.value for key, event in found.items()}
    span = _span(found["version"]) if "version" in found else (-shift, -shift)
    return Release(
        name=texts.get("name", ""),
        version=texts.get("version", ""),
        url=texts.get("url", ""),
        span=(span[0] + shift, span[1] + shift),
    )


def _span(event: yaml.ScalarEvent) -> tuple[int, int]:
    start, end = event.start_mark, event.end_mark
    assert start is not None, "the parser marks every event"
    assert end is not None, "the parser marks every event"
    return start.index, end.index


@dataclass(slots=True)
class _Frame:
    """A map or list that is open. ``key`` is where in it the next value stands; None for an odd key."""

    is_map: bool
    key: str | int | None = field(default=None)
    awaits_key: bool = True

    def begin(self, event: yaml.Event) -> bool:
        """Whether ``event`` begins a value, not a key."""
        if not self.is_map:
            self.key = 0 if self.key is None else int(self.key) + 1
            return True
        if self.awaits_key:
            self.key = event.value if isinstance(event, yaml.ScalarEvent) else None
        self.awaits_key = not self.awaits_key
        return self.awaits_key


def _scalars(text: str) -> Iterator[tuple[Path, yaml.ScalarEvent]]:
    """Every scalar that is a value, and the way to it."""
    frames: list[_Frame] = []
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            frames.pop()
        elif isinstance(event, yaml.NodeEvent):
            is_value = frames[-1].begin(event) if frames else False
            if isinstance(event, yaml.CollectionStartEvent):
                if len(frames) >= DEPTH_MAX:
                    return
                frames.append(_Frame(is_map=isinstance(event, yaml.MappingStartEvent)))
            elif is_value and isinstance(event, yaml.ScalarEvent):
                yield tuple(frame.key for frame in frames), event
