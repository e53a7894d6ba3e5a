"""Cloud, runtime, cpi, network and resurrection configs by their own addresses: the text is the body (6.2)."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import iso, json_answer
from director.api.ask import number, text_of
from director.api.config import DEFAULT_NAME, file_of, write_config
from director.api.configs import compare
from director.api.services import services_of


def _type_of(request: Request) -> str:
    """``/cloud_configs`` and ``/cloud_configs/diff`` are about cloud configs."""
    return request.url.path.split("/")[1].removesuffix("_configs")


def _name_of(request: Request) -> str:
    return request.query_params.get("name") or DEFAULT_NAME


async def list_typed(request: Request) -> Response:
    """Newest first; without a name, those of every name."""
    name, limit = request.query_params.get("name"), number(request, "limit") or 1
    found = await services_of(request).store.configs(
        _type_of(request), None if name is None else name or DEFAULT_NAME, limit=limit
    )
    rows = [{"name": c.name, "properties": c.content, "created_at": iso(c.created_at)} for c in found]
    return json_answer(rows)


async def update_typed(request: Request) -> Response:
    content = await text_of(request)
    _, warnings = await write_config(request, _type_of(request), _name_of(request), content)
    return json_answer({"warnings": warnings}, 201)


async def diff_typed(request: Request) -> Response:
    content = await text_of(request)
    kind, name = _type_of(request), _name_of(request)
    return json_answer(await compare(services_of(request).store, kind, name, content, file_of(request, kind, name)))
