"""Configs by their general address: list, show, write, compare, delete (sections 2.0 and 6.2)."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, iso, json_answer, nothing, user_of
from director.api.ask import INVALID_VALUE, Body, flag, json_of, number
from director.api.config import DEFAULT_NAME, event_of, file_of, latest, tree_of, write_config
from director.api.services import services_of
from director.manifest.diff_text import diff_lines
from director.manifest.read import read
from director.model.names import DeploymentName
from director.model.record import Config
from director.model.tree import Tree
from director.ports.failure import Conflict
from director.ports.store import AddEvent, DropConfig, Store

BAD_REQUEST = 440010
CONFIG_NOT_FOUND = 440012


def config_row(config: Config) -> Tree:
    return {
        "id": str(config.id),
        "type": config.type,
        "name": config.name,
        "content": config.content,
        "created_at": iso(config.created_at),
        "team": None,
        "current": config.is_current,
    }


async def list_configs(request: Request) -> Response:
    query = request.query_params
    limit = 1 if flag(request, "latest") else number(request, "limit") or 1
    found = await services_of(request).store.configs(query.get("type") or None, query.get("name") or None, limit=limit)
    return json_answer([config_row(config) for config in found])


async def show_config(request: Request) -> Response:
    return json_answer(config_row(await _find(request, request.path_params["id"])))


async def _find(request: Request, id: str) -> Config:
    is_number = id.isascii() and id.isdigit() and len(id) < 19
    found = await services_of(request).store.config(int(id)) if is_number else None
    if found is None:
        raise Answered(404, CONFIG_NOT_FOUND, f"Config {id} not found")
    return found


async def update_config(request: Request) -> Response:
    """Appends a version; with ``expected_latest_id``, only if that is still the latest, else 412."""
    body = await json_of(request)
    kind, name, content = _named(body)
    expected = _expected(body)
    try:
        config, warnings = await write_config(request, kind, name, content, expected_latest_id=expected)
    except Conflict as conflict:
        now = await latest(services_of(request).store, kind, name)
        ids = {"latest_id": str(now.id) if now else "0", "expected_latest_id": str(expected)}
        return json_answer({"description": str(conflict), **ids}, 412)
    return json_answer({**config_row(config), "warnings": warnings}, 201)


def _named(body: Body) -> tuple[str, str, str]:
    kind, name = body.text("type"), body.text("name") or DEFAULT_NAME
    if not kind:
        raise Answered(400, BAD_REQUEST, '"type" must not be empty.')
    return kind, name, body.text("content")


def _expected(body: Body) -> int | None:
    """BOSH's client sends the id as a text."""
    value = body.tree.get("expected_latest_id")
    if value is None:
        return None
    try:
        return int(value)
    except (ValueError, TypeError) as error:
        raise Answered(400, INVALID_VALUE, '"expected_latest_id" must be the id of a config.') from error


async def delete_configs(request: Request) -> Response:
    """Hides every version of a type and name."""
    kind, name = request.query_params.get("type", ""), request.query_params.get("name", "")
    found = await latest(services_of(request).store, kind, name) if kind and name else None
    if found is None:
        raise Answered(404, CONFIG_NOT_FOUND, f"No config of type '{kind}' is named '{name}'")
    return await _drop(request, found, DropConfig(type=kind, name=name))


async def delete_config(request: Request) -> Response:
    found = await _find(request, request.path_params["id"])
    return await _drop(request, found, DropConfig(id=found.id))


async def _drop(request: Request, config: Config, drop: DropConfig) -> Response:
    services = services_of(request)
    event = event_of(config.type, config.name, "delete", services.clock.now(), user_of(request))
    await services.store.commit(drop, AddEvent(event=event))
    services.poke()
    return nothing()


async def diff_configs(request: Request) -> Response:
    """``{type, name, content}`` against the latest, or ``{from, to}``, each an id or a content."""
    body = await json_of(request)
    if "from" in body.tree or "to" in body.tree:
        before = await _side(request, body.part("from"), "from")
        return json_answer({"diff": _lines(before, await _side(request, body.part("to"), "to"))})
    kind, name, content = _named(body)
    return json_answer(await compare(services_of(request).store, kind, name, content, file_of(request, kind, name)))


async def _side(request: Request, body: Body, said: str) -> Tree:
    number_text, content = body.text("id", ""), body.text("content", "")
    if bool(number_text) == bool(content):
        raise Answered(400, BAD_REQUEST, f'"{said}" must have an id or a content, and not both.')
    return tree_of(await _find(request, number_text)) if number_text else read(content, said).root


async def compare(store: Store, type: str, name: str, content: str, file: str) -> dict[str, object]:
    """What writing ``content`` would change; ``from`` is the id it was compared with, "0" for none."""
    before = await latest(store, type, name)
    after = read(content, file).root
    lines = _lines(tree_of(before) if before else None, after)
    return {"diff": lines, "from": {"id": str(before.id) if before else "0"}}


def _lines(before: Tree | None, after: Tree) -> list[list[str | None]]:
    # Configs are shown as they are, as BOSH does; ``redact`` is for the properties of manifests.
    return [list(line) for line in diff_lines(before, after, False)]


async def list_deployment_configs(request: Request) -> Response:
    """Which configs the named deployments were deployed with."""
    store = services_of(request).store
    rows: list[Tree] = []
    for name in request.query_params.getlist("deployment[]"):
        deployment = await store.deployment(DeploymentName(name))
        for config_id in deployment.config_ids if deployment else ():
            config = await store.config(config_id)
            if config is not None:
                said: Tree = {"id": config.id, "type": config.type, "name": config.name}
                rows.append({"id": config.id, "deployment": name, "config": said})
    return json_answer(rows)
