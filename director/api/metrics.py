"""The director's numbers, for Prometheus. Read with the client's credentials or with the token for this alone."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.services import services_of


async def show_metrics(request: Request) -> Response:
    body, content_type = services_of(request).metrics(request.headers.get("accept", ""))
    return Response(body, media_type=None, headers={"Content-Type": content_type})
