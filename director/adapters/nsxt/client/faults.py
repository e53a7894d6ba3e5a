"""NSX's answers as faults, in words an operator can act on. Decides what they mean; repeats nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.adapters.nsxt.client.kinds import MANNERS, Kind, kind_of_status, known_kind
from director.ports.failure import InfrastructureFailure, Retry

_WORDS_MAX: Final = 600
_DEPTH_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """One of NSX's ``related_errors``, the inner ones after their outer one."""

    status: int | None
    code: int | None
    message: str


class NsxFault(InfrastructureFailure):
    """A call to NSX that did not do what was asked; its message is for an operator.

    ``status`` and ``code`` are NSX's, None when there was no answer; ``said`` is its own message. ``path`` is what was
    asked for, ``manager`` who was asked last. ``may_have_happened``: an answer was lost on the way, so NSX may have
    done it; STALE with it may be our own first write.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        status: int | None = None,
        code: int | None = None,
        message: str = "",
        related: Sequence[Related] = (),
        method: str = "",
        path: str = "",
        manager: str = "",
        after_s: float | None = None,
        may_have_happened: bool = False,
        retry: Retry | None = None,
    ) -> None:
        self.kind = kind
        self.status = status
        self.code = code
        self.said = message
        self.related = tuple(related)
        self.method = method
        self.path = path
        self.manager = manager
        self.after_s = after_s
        self.may_have_happened = may_have_happened
        super().__init__(self._words(), retry=retry or MANNERS[kind].retry)

    def like(
        self,
        *,
        kind: Kind | None = None,
        method: str | None = None,
        path: str | None = None,
        may_have_happened: bool | None = None,
        retry: Retry | None = None,
    ) -> "NsxFault":
        """The same for another caller, or told otherwise."""
        return NsxFault(
            kind or self.kind,
            status=self.status,
            code=self.code,
            message=self.said,
            related=self.related,
            method=self.method if method is None else method,
            path=self.path if path is None else path,
            manager=self.manager,
            after_s=self.after_s,
            may_have_happened=self.may_have_happened if may_have_happened is None else may_have_happened,
            retry=retry or (None if kind else self.retry),
        )

    def _words(self) -> str:
        asked = f"{self.method} {self.path}".strip() or "a call"
        at = f" at NSX manager {self.manager}" if self.manager else ""
        said = "; ".join(dict.fromkeys(text for text in (self.said, *(r.message for r in self.related)) if text))
        number = " ".join(str(number) for number in (self.status, self.code) if number is not None)
        told = _short(said) or self.kind.value.replace("-", " ")
        maybe = " NSX may have done it all the same." if self.may_have_happened else ""
        return f"{asked}{at}: {told}{f' ({number})' if number else ''}.{maybe} {MANNERS[self.kind].do}."


def fault_of(
    status: int, body: object, *, method: str, path: str, manager: str, after_s: float | None = None
) -> NsxFault:
    """What an answer of status 400 and above says; ``body`` is its JSON, or whatever came instead."""
    code, message, related = _read(body)
    kind = _kind_of(status, code, related)
    lost = MANNERS[kind].is_done_possible and method != "GET"
    return NsxFault(
        kind,
        status=status,
        code=code,
        message=message,
        related=related,
        method=method,
        path=path,
        manager=manager,
        after_s=after_s,
        may_have_happened=lost,
    )


def _kind_of(status: int, code: int | None, related: Sequence[Related]) -> Kind:
    """The outer code if it says something, else the first of the inner ones that does (a hierarchical write's)."""
    known = known_kind(status, code)
    inner = (known_kind(each.status or status, each.code) or known_kind(status, each.code) for each in related)
    return known or next((kind for kind in inner if kind is not None), None) or kind_of_status(status)


def _read(body: object) -> tuple[int | None, str, tuple[Related, ...]]:
    if not isinstance(body, Mapping):
        return None, "", ()
    return _code(body), _message(body), tuple(_related(body, 0))


def _related(body: Mapping[str, object], depth: int) -> list[Related]:
    inner = body.get("related_errors")
    found: list[Related] = []
    if depth < _DEPTH_MAX and isinstance(inner, list):
        for each in inner:
            if isinstance(each, Mapping):
                found.append(Related(status=_status(each), code=_code(each), message=_message(each)))
                found.extend(_related(each, depth + 1))
    return found


def _code(body: Mapping[str, object]) -> int | None:
    """Some of NSX's services give it as text."""
    code = body.get("error_code")
    return int(code) if isinstance(code, int | str) and str(code).isdecimal() else None


_NAMES: Final[Mapping[str, int]] = {
    "BAD_REQUEST": 400,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "PRECONDITION_FAILED": 412,
    "INTERNAL_SERVER_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
}


def _status(body: Mapping[str, object]) -> int | None:
    return _NAMES.get(str(body.get("httpStatus", "")))


def _message(body: Mapping[str, object]) -> str:
    return re.sub(r"\s+", " ", str(body.get("error_message") or body.get("details") or "")).strip().rstrip(".")


def _short(text: str) -> str:
    return text if len(text) <= _WORDS_MAX else text[:_WORDS_MAX] + " …"
