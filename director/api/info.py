"""Who this director is (section 6.2). Open to anybody; tells whether credentials sent along are valid."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import json_answer
from director.api.services import services_of


async def show_info(request: Request) -> Response:
    info = services_of(request).info
    off = {"status": False, "extras": {}}
    value = {
        "name": info.name,
        "uuid": info.uuid,
        "version": info.version,
        "user": request.scope["director.user"],
        "cpi": info.cpi,
        "stemcell_os": None,
        "stemcell_version": None,
        "user_authentication": {"type": "basic", "options": {}},
        "features": {"local_dns": off, "snapshots": off, "config_server": off},
    }
    return json_answer(value)


async def show_health(_: Request) -> Response:
    """That this process answers; nothing more."""
    return json_answer({"status": "ok"})
