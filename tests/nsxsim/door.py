"""The control door, /_sim/*: faults, calls, settings, state, managers. For tests and demonstrations; no login."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from tests.nsxsim import faults
from tests.nsxsim.problems import Json, Refusal, no_such_url
from tests.nsxsim.routes import Answer

if TYPE_CHECKING:
    from tests.nsxsim.cluster import Cluster

Knob = Callable[["Cluster", Json, list[str]], Any]
KNOBS: Final[dict[tuple[str, str], Knob]] = {}
"""(method, name after /_sim/) to what it does with (cluster, body, further pieces of the path)."""


def knob(method: str, name: str) -> Callable[[Knob], Knob]:
    """Adds one: what it returns is the JSON answer; it may be awaitable."""

    def hang(made: Knob) -> Knob:
        KNOBS[method, name] = made
        return made

    return hang


async def answer(cluster: "Cluster", method: str, path: str, text: bytes) -> Answer:
    _, _, name, *more = path.split("/") if path.count("/") >= 2 else [*path.split("/"), ""]
    made = KNOBS.get((method, name))
    try:
        if made is None:
            raise no_such_url(path)
        said = made(cluster, _body(text), [unquote(piece) for piece in more])
        if hasattr(said, "__await__"):
            said = await said
    except Refusal as refusal:
        return Answer(refusal.status, refusal.body())
    return Answer(201 if method == "POST" else 200, said if said is not None else {})


def _body(text: bytes) -> Json:
    try:
        said = json.loads(text) if text.strip() else {}
    except ValueError as wrong:
        raise Refusal(400, 1, f"The body is not JSON: {wrong}", module="nsxsim") from wrong
    return said if isinstance(said, dict) else {}


@knob("GET", "")
def _index(_cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    return {"knobs": sorted(f"{method} /_sim/{name}" for method, name in KNOBS)}


@knob("GET", "faults")
def _faults(cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    return {"faults": cluster.faults.shown()}


@knob("POST", "faults")
def _add_fault(cluster: "Cluster", body: Json, _more: list[str]) -> Json:
    return {"id": cluster.faults.add(body).id}


@knob("DELETE", "faults")
def _remove_faults(cluster: "Cluster", _body: Json, more: list[str]) -> None:
    cluster.faults.remove(int(more[0]) if more and more[0].isdigit() else None)


@knob("GET", "errors")
def _errors(_cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    return {name: {"status": s, "code": c, "message": m} for name, (s, c, m) in sorted(faults.ERRORS.items())}


@knob("GET", "calls")
def _calls(cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    return cluster.calls.shown()


@knob("DELETE", "calls")
def _reset_calls(cluster: "Cluster", _body: Json, _more: list[str]) -> None:
    cluster.calls.reset()


@knob("GET", "settings")
def _settings(cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    return cluster.settings.all()


@knob("PATCH", "settings")
def _change_settings(cluster: "Cluster", body: Json, _more: list[str]) -> Json:
    cluster.settings.change(body)
    return cluster.settings.all()


@knob("GET", "state")
def _state(cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    return {"objects": {path: node.body for path, node in sorted(cluster.sim.tree.nodes.items())}}


@knob("GET", "managers")
def _managers(cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    count = max(1, len(cluster.managers))
    return {"managers": [{"manager": number, "up": number not in cluster.down} for number in range(count)]}


@knob("PATCH", "managers")
async def _switch(cluster: "Cluster", body: Json, more: list[str]) -> None:
    """PATCH /_sim/managers/0 {"up": false}: connections to it are refused until it is up again."""
    if not more or not more[0].isdigit() or not isinstance(body.get("up"), bool):
        raise Refusal(400, 1, 'Say which manager and {"up": true or false}', module="nsxsim")
    await cluster.switch(int(more[0]), up=body["up"])


@knob("POST", "sessions")
def _expire(cluster: "Cluster", _body: Json, _more: list[str]) -> None:
    """Expires every session now."""
    cluster.auth.expire_all()
