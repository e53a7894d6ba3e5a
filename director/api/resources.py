"""Blobs by id, streamed: fetched logs (section 6.2)."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from director.api.services import services_of
from director.model.names import BlobId


async def show_resource(request: Request) -> Response:
    """Raises BlobMissing before anything is sent."""
    chunks = await services_of(request).blobs.read(BlobId(request.path_params["blob"]))
    return StreamingResponse(chunks, media_type="application/x-gzip")
