"""What a task prints, from any byte on (6.3, D.1): 206 new bytes, 416 nothing new, 204 empty, 200 all."""

import re
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from director.api.answer import Answered, nothing
from director.api.ask import INVALID_VALUE
from director.api.services import services_of
from director.api.tasks import task_of, wait_of
from director.model.names import TaskId
from director.ports.tasklog import TaskLog

KINDS = ("event", "result", "debug", "cpi", "progress")
CHUNK_BYTES = 262_144

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?", re.ASCII)


async def show_output(request: Request) -> Response:
    """With ``X-Director-Wait: seconds`` it waits for news before it answers 416, unless the task has ended."""
    tasklog = services_of(request).tasklog
    found = await task_of(request)
    task = found.id
    kind = request.query_params.get("type", "debug")
    if kind not in KINDS:
        raise Answered(400, INVALID_VALUE, f"?type={kind}: write one of {', '.join(KINDS)}.")
    span = _range_of(request)
    if span is None:
        return _whole(tasklog, task, kind)
    first, last = span
    wait_s = wait_of(request)
    if wait_s and not found.state.is_final and tasklog.size(task, kind) <= first:
        await tasklog.await_more(task, kind, first, wait_s)
    return _part(tasklog, task, kind, first, last)


def _range_of(request: Request) -> tuple[int, int | None] | None:
    """First and last byte asked for; None for all. A range in another form is ignored, as HTTP allows."""
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    return (int(found[1]), int(found[2]) if found[2] else None) if found else None


def _whole(tasklog: TaskLog, task: TaskId, kind: str) -> Response:
    size = tasklog.size(task, kind)
    return _stream(tasklog, task, kind, 0, size, 200) if size else nothing()


def _part(tasklog: TaskLog, task: TaskId, kind: str, first: int, last: int | None) -> Response:
    size = tasklog.size(task, kind)
    end = size if last is None else min(last + 1, size)
    if first >= end:
        headers = {"Content-Range": f"bytes */{size}"}
        return PlainTextResponse("Byte range unsatisfiable\n", status_code=416, headers=headers)
    response = _stream(tasklog, task, kind, first, end, 206)
    response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return response


def _stream(tasklog: TaskLog, task: TaskId, kind: str, first: int, end: int, status: int) -> Response:
    """Exactly the bytes there were when asked; a log that grows meanwhile is for the next request."""
    headers = {"Content-Length": str(end - first), "Accept-Ranges": "bytes"}
    if end - first <= CHUNK_BYTES:
        content = tasklog.read(task, kind, first, end - first)
        return PlainTextResponse(content, status_code=status, headers={"Accept-Ranges": "bytes"})
    chunks = _chunks(tasklog, task, kind, first, end)
    return StreamingResponse(chunks, status_code=status, headers=headers, media_type="text/plain")


def _chunks(tasklog: TaskLog, task: TaskId, kind: str, first: int, end: int) -> Iterator[bytes]:
    while first < end:
        chunk = tasklog.read(task, kind, first, min(CHUNK_BYTES, end - first))
        if not chunk:
            return
        first += len(chunk)
        yield chunk
