"""Small values with a syntax of their own: counts, watch times, names (bosh-director.md 1.2, 1.5, 1.11).

Decides syntax and bounds. Also used where a flag overrides a manifest's value, such as ``--canaries``.
"""

import re
from typing import Final

from director.manifest import faults
from director.manifest.report import problem_of
from director.model.deployment import Count, Watch
from director.model.problem import Mark, Refused

PLACEHOLDER: Final = re.compile(r"\(\( ?!?([-/.\w]+) ?\)\)")
"""Double parentheses, one space of padding at most, an optional ``!``, then a name (section 1.11)."""

_COUNT: Final = re.compile(r"\+?([0-9]{1,9})(%?)")
_WATCH: Final = re.compile(r"([0-9]{1,12})(?: *- *([0-9]{1,12}))?")
_NAME: Final = re.compile(r"[-0-9A-Za-z_+.]+")
_VARIABLE: Final = re.compile(r"/?(?:[-\w!]+/)*(?:[-\w!]+)(?:\.[-\w!]+)*")


def parse_count(written: str | int, *, what: str = "count", at_least: int = 0, mark: Mark | None = None) -> Count:
    """``3`` or ``50%``. Raises Refused when it is neither, too small, or above 100%."""
    wrong = wrong_count(written, at_least)
    if wrong:
        detail = f'{what} is "{written}", which {wrong}.'
        raise Refused([problem_of(faults.BAD_COUNT, detail, count_fix(at_least), mark)])
    count = _count(written)
    assert count is not None, "a count without fault parses"
    return count


def wrong_count(written: str | int, at_least: int) -> str:
    """Why ``written`` cannot be such a count, as the end of a sentence; empty when it can."""
    count = _count(written)
    if count is None:
        return "is neither a number nor a percentage"
    if count.percent is not None and count.percent > 100:
        return "is more than all instances"
    size = count.percent if count.percent is not None else count.number
    if size is not None and size < at_least:
        return f"is below {at_least}"
    return ""


def count_fix(at_least: int) -> str:
    return f"write a number of {at_least} or more, or a percentage from {at_least}% to 100%."


def parse_watch(written: str | int, *, what: str = "watch time", mark: Mark | None = None) -> Watch:
    """``30000`` or ``1000-30000``, in milliseconds; a single number is both ends. Raises Refused."""
    found = _WATCH.fullmatch(str(written))
    low = int(found[1]) if found else 0
    high = int(found[2] or found[1]) if found else 0
    if not found or isinstance(written, bool) or low > high:
        why = "ends before it begins" if found else "is no time"
        detail = f'{what} is "{written}", which {why}.'
        fix = "write milliseconds such as 30000, or a range such as 1000-30000."
        raise Refused([problem_of(faults.BAD_WATCH, detail, fix, mark)])
    return Watch(min_ms=low, max_ms=high)


def canonical(name: str) -> str:
    """The form of a name inside DNS: lower case, ``_`` as ``-``, all else but letters and digits left out."""
    return re.sub(r"[^a-z0-9-]", "", name.lower().replace("_", "-"))


def is_name(text: str) -> bool:
    """Whether ``text`` may name a deployment or an instance group: letters, digits and ``-_+.``"""
    return _NAME.fullmatch(text) is not None


def is_dns_name(text: str) -> bool:
    """Whether the canonical form of ``text`` can be a label: not empty, no dash at either end."""
    form = canonical(text)
    return bool(form) and not form.startswith("-") and not form.endswith("-")


def is_variable_name(text: str) -> bool:
    """Dots only in the last segment, no empty segment, no dot at its ends (section 1.11)."""
    return _VARIABLE.fullmatch(text) is not None


def _count(written: str | int) -> Count | None:
    found = None if isinstance(written, bool) else _COUNT.fullmatch(str(written))
    if not found:
        return None
    number = int(found[1])
    return Count(percent=number) if found[2] else Count(number=number)
