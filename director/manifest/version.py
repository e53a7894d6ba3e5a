"""Semi-semantic versions: order, ``latest`` and ``prefix.latest`` (bosh-director.md 1.3, 1.4).

``release[-pre][+post]``, each dot-separated; numbers compare as numbers and stand below words; a version with a
pre-part stands below the same one without, one with a post-part above it.
"""

import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Final, TypeAlias

_VERSION: Final = re.compile(r"([0-9A-Za-z_.]+)(?:-([0-9A-Za-z_.-]+))?(?:\+([0-9A-Za-z_.-]+))?")
_OLD_DEV: Final = re.compile(r"(.+)\.([0-9]+)-dev")
_LENGTH_MAX: Final = 255

_Segment: TypeAlias = tuple[int, int, str]
_Cluster: TypeAlias = tuple[_Segment, ...]
_ZERO: Final[_Segment] = (0, 0, "")


def is_version(text: str) -> bool:
    return _parts(text) is not None


def is_wish(text: str) -> bool:
    """Whether ``text`` is ``latest`` or ``prefix.latest``."""
    return text == "latest" or (text.endswith(".latest") and is_version(text.removesuffix(".latest")))


def compare_versions(one: str, other: str) -> int:
    """Negative, zero or positive as ``one`` is lower, equal or higher. Raises ValueError for what is no version."""
    left, right = _parts(one), _parts(other)
    if left is None or right is None:
        raise ValueError(f"not a version: {one if left is None else other}")
    return (
        _compare(left[0], right[0])
        or _compare_optional(left[1], right[1], absent=1)
        or _compare_optional(left[2], right[2], absent=-1)
    )


def highest(versions: Iterable[str]) -> str | None:
    """The highest of ``versions``; what is no version is passed over; None when nothing is left."""
    best: str | None = None
    for version in sorted(set(versions)):
        if is_version(version) and (best is None or compare_versions(version, best) > 0):
            best = version
    return best


def resolve_version(wanted: str, available: Iterable[str]) -> str | None:
    """The exact version among ``available`` that ``wanted`` (exact, ``latest``, ``prefix.latest``) means, or None."""
    choices = list(available)
    if wanted == "latest":
        return highest(choices)
    if is_wish(wanted):
        prefix = _parts(wanted.removesuffix(".latest"))
        assert prefix is not None, "a wish has a readable prefix"
        return highest(version for version in choices if _begins(version, prefix[0]))
    if wanted in choices:
        return wanted
    modern = _modern(wanted)
    return next((version for version in sorted(choices) if _modern(version) == modern), None)


def _modern(text: str) -> str:
    """``1.3-dev`` of old releases is what is now written ``1+dev.3``."""
    return _OLD_DEV.sub(r"\1+dev.\2", text) if text.endswith("-dev") else text


def _parts(text: str) -> tuple[_Cluster, _Cluster | None, _Cluster | None] | None:
    found = _VERSION.fullmatch(_modern(text)) if len(text) <= _LENGTH_MAX else None
    if not found or any(part is not None and "" in part.split(".") for part in found.groups()):
        return None
    release, pre, post = found.groups()
    return _cluster(release), _cluster(pre) if pre else None, _cluster(post) if post else None


def _cluster(text: str) -> _Cluster:
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in text.split("."))


def _compare(one: _Cluster, other: _Cluster) -> int:
    for left, right in zip_longest(one, other, fillvalue=_ZERO):
        if left != right:
            return 1 if left > right else -1
    return 0


def _compare_optional(one: _Cluster | None, other: _Cluster | None, *, absent: int) -> int:
    if one is None and other is None:
        return 0
    if one is None:
        return absent
    if other is None:
        return -absent
    return _compare(one, other)


def _begins(version: str, prefix: _Cluster) -> bool:
    parts = _parts(version)
    return parts is not None and parts[0][: len(prefix)] == prefix
