"""The agent bundle, for machines that have no agent and so no credentials: no secret is in it, and it is signed."""

from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

PATH = "/agent/bundle.tar.gz"


def bundle_route(file: Callable[[], Path | None]) -> Route:
    """404 until the director has offered a bundle to a machine: a stranger's request builds none."""

    async def show_bundle(request: Request) -> Response:
        del request
        path = file()
        if path is None:
            return PlainTextResponse("no bundle is offered\n", status_code=404)
        return FileResponse(path, media_type="application/gzip")

    return Route(PATH, show_bundle, methods=["GET"])
