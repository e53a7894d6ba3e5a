"""One line of a CPI's log, as it is handed on: to a task's cpi log, or to the director's own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class CpiLine:
    """``kind`` is request, reply, log (of the reply) or debug (what the program printed to stderr). Free of secrets."""

    cpi: str
    request_id: str
    method: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"[external-cpi] [{self.request_id}] {self.method} {self.kind}: {self.text}"


Say: TypeAlias = Callable[[CpiLine], None]


def to_debug_log(line: CpiLine) -> None:
    log.debug("cpi", cpi=line.cpi, request=line.request_id, method=line.method, kind=line.kind, text=line.text)
