"""Which function answers which URL, apart from the objects of the tree themselves.

Patterns are paths below /policy/api/v1 (`/infra/segments/*/state`) or whole ones beginning with /api/; `*` is one id.
A literal piece wins over `*`.

    @computed("/infra/segments/*/state")         GET
    def state(call, segment): return {...}       a dict becomes the JSON answer; None an empty 200
    @action("/infra/tier-1s/*", "reprocess")     POST ?action=reprocess ("" for POST without an action)
    @route("PUT", "/orgs/*/projects/*")          any other method
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.nsxsim.problems import Json, Refusal, invalid
from tests.nsxsim.write import Who

if TYPE_CHECKING:
    from tests.nsxsim.sim import Sim


@dataclass(slots=True, kw_only=True)
class Call:
    """One request, understood. `path` is decoded and below the base; `body` is {} when none was sent."""

    sim: "Sim"
    method: str
    path: str
    query: dict[str, str]
    body: Json
    who: Who
    headers: dict[str, str] = field(default_factory=dict)
    text: bytes = b""
    secure: bool = False
    """Whether it came over TLS."""

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() == "true"

    def needed(self, name: str) -> str:
        """A query parameter that must be there; 400 otherwise."""
        if not self.query.get(name):
            raise invalid("Required request parameter is missing", code=253, field=name)
        return self.query[name]


@dataclass(slots=True)
class Answer:
    """What a handler may return instead of a plain dict."""

    status: int = 200
    body: Json | list[Any] | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    media: str = "application/json"


Handler = Callable[..., Json | Answer | None]


class _Step:
    __slots__ = ("handlers", "literal", "star")

    def __init__(self) -> None:
        self.literal: dict[str, _Step] = {}
        self.star: _Step | None = None
        self.handlers: dict[tuple[str, str], Handler] = {}


_ROOT: Final = _Step()


def route(method: str, pattern: str, action: str = "") -> Callable[[Handler], Handler]:
    def hang(handler: Handler) -> Handler:
        step = _ROOT
        for piece in pattern.strip("/").split("/"):
            if piece == "*":
                step.star = step.star or _Step()
                step = step.star
            else:
                step = step.literal.setdefault(piece, _Step())
        step.handlers[method, action] = handler
        return handler

    return hang


def computed(pattern: str) -> Callable[[Handler], Handler]:
    """A GET-able resource that is worked out, not stored."""
    return route("GET", pattern)


def action(pattern: str, name: str) -> Callable[[Handler], Handler]:
    """POST ?action=name."""
    return route("POST", pattern, name)


def find(method: str, pieces: list[str], name: str) -> tuple[Handler, list[str]] | None:
    """The handler and the ids its stars took; None when the tree should answer. 405 is the caller's."""
    met = _walk(_ROOT, pieces, (method, name if method == "POST" else ""))
    return met and (met[0], met[1])


def _walk(step: _Step, pieces: list[str], wanted: tuple[str, str]) -> tuple[Handler, list[str]] | None:
    if not pieces:
        made = step.handlers.get(wanted)
        return None if made is None else (made, [])
    down = step.literal.get(pieces[0])
    if down is not None and (met := _walk(down, pieces[1:], wanted)) is not None:
        return met
    if step.star is not None and (met := _walk(step.star, pieces[1:], wanted)) is not None:
        return met[0], [pieces[0], *met[1]]
    return None


def whole(call: Call, name: str, default: int) -> int:
    """A query parameter that is a whole number."""
    said = call.query.get(name)
    if said is None or said == "":
        return default
    if not said.lstrip("-").isdigit():
        raise Refusal(400, 255, f"Parameter {name} must be an integer, not '{said}'", module="common-services")
    return int(said)
