"""Takes release and stemcell archives in: streamed to the director's disk, never whole in memory.

Accepts the archive as the body (as ``bosh`` sends it), as the first part of a multipart form, or by ``location``.
"""

import asyncio
import os
import re
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starlette.requests import Request

from director.api.answer import Answered
from director.api.ask import INVALID_VALUE, VIOLATED_MAX, json_of
from director.api.services import Services, services_of
from director.model.problem import Problem, Refused

WRITE_BYTES = 1024 * 1024
"""Gathered before each write, so that a large upload does not cross to a thread for every network packet."""

_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?', re.IGNORECASE)
_HEADERS_MAX = 16_384


async def take_upload(request: Request) -> tuple[Path, str]:
    """The file, which now belongs to whoever asked, and the sha1 the client states for it, if any."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return await _from_location(request)
    chunks = _first_part(request, kind) if kind.startswith("multipart/") else request.stream()
    return await _save(chunks, services_of(request)), ""


async def _from_location(request: Request) -> tuple[Path, str]:
    body = await json_of(request)
    location, services = body.text("location"), services_of(request)
    parts = urlsplit(location)
    source = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        raise Refused([_not_fetched(parts.scheme)])
    if not await asyncio.to_thread(source.is_file):
        raise Answered(400, INVALID_VALUE, f"There is no file {source} on the director's machine.")
    target = _new_file(services)
    await asyncio.to_thread(_copy, source, target)
    return target, body.text("sha1", "")


def _copy(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            shutil.copyfileobj(reader, writer, WRITE_BYTES)
            writer.flush()
            os.fsync(writer.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


async def _save(chunks: AsyncIterator[bytes], services: Services) -> Path:
    """A new file, as durable as the task that will read it; a broken or too large upload leaves nothing."""
    target = _new_file(services)
    try:
        await _write(chunks, target, services.upload_size_max)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


async def _write(chunks: AsyncIterator[bytes], target: Path, size_max: int) -> None:
    size, held = 0, bytearray()
    with target.open("wb") as writer:
        async for chunk in chunks:
            size += len(chunk)
            if size > size_max:
                raise Answered(413, VIOLATED_MAX, f"The upload is larger than {size_max} bytes, which is the limit.")
            held += chunk
            if len(held) >= WRITE_BYTES:
                await asyncio.to_thread(writer.write, bytes(held))
                held.clear()
        if size == 0:
            raise Answered(400, INVALID_VALUE, "The body is empty; send the archive as the body.")
        writer.write(held)
        writer.flush()
        await asyncio.to_thread(os.fsync, writer.fileno())


def _new_file(services: Services) -> Path:
    """An empty file that only the director may read (0600)."""
    target = services.uploads_dir / f"upload-{uuid.uuid4()}"
    target.touch(mode=0o600, exist_ok=False)
    return target


async def _first_part(request: Request, kind: str) -> AsyncIterator[bytes]:
    """The content of a form's first part; what follows it is read and dropped (RFC 2046, 5.1)."""
    found = _BOUNDARY.search(kind)
    if found is None:
        raise Answered(400, INVALID_VALUE, "The form has no boundary.")
    end = b"\r\n--" + found[1].encode("latin-1")
    held, is_inside, is_over = b"", False, False
    async for chunk in request.stream():
        if is_over:
            continue
        held += chunk
        if not is_inside:
            _, blank, rest = held.partition(b"\r\n\r\n")
            if not blank and len(held) > _HEADERS_MAX:
                raise Answered(400, INVALID_VALUE, "The form's first part does not begin.")
            if not blank:
                continue
            is_inside, held = True, rest
        before, mark, _ = held.partition(end)
        is_over = bool(mark)
        # What might be the beginning of the boundary waits for the next chunk.
        ready = before if mark else held[: max(0, len(held) - len(end))]
        held = held[len(ready) :]
        yield ready
    if not is_over:
        raise Answered(400, INVALID_VALUE, "The form ends before its first part does.")


def _not_fetched(scheme: str) -> Problem:
    return Problem(
        code="upload.location",
        summary="The director does not fetch archives",
        detail=f"Fetching an archive by {scheme or 'a relative location'} is not supported yet.",
        fix="download the file and upload it.",
        number=INVALID_VALUE,
    )
