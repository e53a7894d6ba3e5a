"""Faults on demand: which requests go wrong, and how. Reference 5.4. The control door (door.py) takes them in.

A fault matches by method, a regular expression on path?query, user and manager; fires from its nth matching request
on, `count` times (0 = for ever), with a probability; and has one effect.
"""

import itertools
import random
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from tests.nsxsim.problems import Json, Refusal

ERRORS: Final[Mapping[str, tuple[int, int, str]]] = {
    "in-use": (400, 500030, "The object cannot be deleted: it has children or is being referenced by other objects"),
    "pending-delete": (400, 500045, "The object is marked for deletion"),
    "overlap": (400, 500105, "The address overlaps with another"),
    "ports-left": (400, 503040, "The segment still has ports or VMs attached"),
    "vlan-overlap": (400, 8327, "The VLAN overlaps with another"),
    "vlan-overlap-2": (400, 640873, "The VLAN overlaps with another"),
    "search-indexing": (400, 60508, "Indexing is in progress; search again later"),
    "search-timeout": (400, 60514, "The search timed out"),
    "search-out-of-sync": (400, 60515, "The search index is out of sync"),
    "invalid": (400, 255, "A field has an invalid value"),
    "not-found": (404, 600, "No object is found at the path"),
    "backend-not-found": (404, 202, "The backend resource is not found"),
    "stale-404": (404, 500090, "The object was changed by somebody else"),
    "stale-500087": (400, 500087, "The object was changed by somebody else"),
    "stale-500232": (400, 500232, "The object was changed by somebody else"),
    "stale-100148": (400, 100148, "The object was changed by somebody else"),
    "stale-409": (409, 409, "The object was changed by somebody else"),
    "stale-412": (412, 604, "The object was changed by somebody else"),
    "bad-session": (403, 98, "The XSRF token or the session is not valid"),
    "wrong-credentials": (403, 403, "The credentials were incorrect or the account specified has been locked"),
    "licence": (403, 505, "The licence does not allow this"),
    "throttled": (429, 102, "Client exceeded request rate"),
    "backend-down": (500, 98, "Cannot connect to the backend"),
    "certificate-untrusted": (500, 99, "The client certificate is not trusted"),
    "aborted": (500, 607, "The transaction was aborted by a concurrent one"),
    "overloaded": (503, 503, "The service is starting or overloaded"),
    "gateway-timeout": (504, 504, "The backend did not answer in time"),
}
"""By the name a fault may use: status, error_code, words."""

EFFECTS: Final = ("error", "lost", "delay", "refuse", "expire-sessions", "realization-error", "stale-search")


@dataclass(slots=True, kw_only=True)
class Fault:
    """See README for each field. `error` names a row of ERRORS; `status`, `code`, `message` say it in full instead."""

    effect: str = "error"
    method: str = ".*"
    path: str = ".*"
    user: str = ".*"
    manager: int = -1
    nth: int = 1
    count: int = 1
    probability: float = 1.0
    error: str = ""
    status: int = 500
    code: int = 0
    message: str = "injected"
    related: list[Json] = field(default_factory=list)
    retry_after_s: int = 0
    delay_s: float = 0.0
    seed: int = 0
    id: int = 0
    seen: int = 0
    fired: int = 0

    def refusal(self) -> Refusal:
        status, code, message = ERRORS.get(self.error, (self.status, self.code, self.message))
        related = [
            Refusal(int(each.get("status", status)), int(each.get("code", 0)), str(each.get("message", "injected")))
            for each in self.related
        ]
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
        return Refusal(status, code, message, related=related, headers=headers)


class Faults:
    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._random: dict[int, random.Random] = {}
        self.all: dict[int, Fault] = {}

    def add(self, said: Json) -> Fault:
        """Raises Refusal 400 for what makes no sense."""
        try:
            fault = Fault(**said)
            for pattern in (fault.method, fault.path, fault.user):
                re.compile(pattern)
        except (TypeError, re.error) as wrong:
            raise Refusal(400, 1, f"No such fault: {wrong}", module="nsxsim") from wrong
        if fault.effect not in EFFECTS or (fault.error and fault.error not in ERRORS):
            known = f"effects {', '.join(EFFECTS)}; errors {', '.join(ERRORS)}"
            raise Refusal(400, 1, f"No such fault; there are {known}", module="nsxsim")
        fault.id = next(self._ids)
        self.all[fault.id] = fault
        self._random[fault.id] = random.Random(fault.seed)
        return fault

    def remove(self, id: int | None = None) -> None:
        for each in list(self.all) if id is None else [id]:
            self.all.pop(each, None)

    def fires(self, method: str, target: str, user: str, manager: int) -> list[Fault]:
        """The faults that fire on this request, counted as having done so."""
        return [each for each in self.all.values() if self._fires(each, method, target, user, manager)]

    def _fires(self, fault: Fault, method: str, target: str, user: str, manager: int) -> bool:
        if fault.effect == "realization-error" or (fault.manager not in (-1, manager)):
            return False
        if not (
            re.fullmatch(fault.method, method) and re.search(fault.path, target) and re.fullmatch(fault.user, user)
        ):
            return False
        fault.seen += 1
        if fault.seen < fault.nth or (fault.count and fault.fired >= fault.count):
            return False
        if fault.probability < 1 and self._random[fault.id].random() >= fault.probability:
            return False
        fault.fired += 1
        return True

    def realisation_error(self, path: str) -> Fault | None:
        """The fault that makes the realisation of this intent fail, counted."""
        for fault in self.all.values():
            if fault.effect == "realization-error" and re.search(fault.path, path):
                fault.seen += 1
                if fault.seen >= fault.nth and not (fault.count and fault.fired >= fault.count):
                    fault.fired += 1
                    return fault
        return None

    def shown(self) -> list[Json]:
        return [asdict(each) for each in self.all.values()]
