"""Answers: JSON, the redirect to a task, and every kind of refusal in BOSH's shape (section 6.1, appendices A and D.1).

Decides which status an error has; never what is an error.
"""

import errno
import json
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from director.api.services import services_of
from director.model.names import TaskId
from director.model.problem import Problem, Refused
from director.ports.failure import BlobMissing, Conflict, Failure, Retry
from director.reconcile.requests import Request as TaskRequest

log = structlog.get_logger()

SYSTEM_ERROR = 500000
DISK_FULL = 500001
BLOB_NOT_FOUND = 100002
STALE = 440013
NOT_BUILT = 500100
"""Ours: a part of BOSH's API that this director does not have yet."""

_NOT_FOUND = frozenset((10000, 30005, 30006, 50003, 70000, 70001, 70009, 100002, 440012))
"""BOSH's numbers that mean 404 (appendix A)."""


class Answered(Exception):
    """An answer other than success, raised where it becomes clear. ``number`` is BOSH's (appendix A)."""

    def __init__(self, status: int, number: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.number = number


def json_answer(value: object, status: int = HTTPStatus.OK) -> Response:
    """``value`` as JSON."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(content, status_code=status, media_type="application/json")


def nothing() -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def start_task(request: Request, what: TaskRequest) -> Response:
    """Queues a task and points to it: 302 answers a GET, 303 everything else (D.1)."""
    driver = services_of(request).driver
    task = await driver.submit(what, user=user_of(request), context_id=context_of(request))
    return redirect_to(task.id, HTTPStatus.FOUND if request.method == "GET" else HTTPStatus.SEE_OTHER)


def redirect_to(task: TaskId, status: int) -> Response:
    return Response(status_code=status, headers={"Location": f"/tasks/{task}"})


def user_of(request: Request) -> str:
    """Who sent the request; the guard has made sure that it is somebody."""
    user = request.scope["director.user"]
    assert isinstance(user, str)
    return user


CONTEXT_ID_MAX = 64


def context_of(request: Request) -> str:
    """What the caller calls this piece of work. Raises Answered (70010) when that is too long."""
    context = request.headers.get("x-bosh-context-id", "")
    if len(context) > CONTEXT_ID_MAX:
        raise Answered(400, 70010, f"X-Bosh-Context-Id has {len(context)} characters; at most {CONTEXT_ID_MAX} fit.")
    return context


def not_built(what: str) -> Answered:
    return Answered(400, NOT_BUILT, f"This director does not have {what} yet.")


def iso(at: float | None) -> str | None:
    """RFC 3339 in UTC, which BOSH's client reads."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error_answer(status: int, number: int, description: str, **more: object) -> Response:
    return json_answer({"code": number, "description": description, **more}, status)


def problem_tree(problem: Problem) -> dict[str, object]:
    """One problem for a program to read. ``number`` is BOSH's code."""
    mark = problem.mark
    return {
        "code": problem.code,
        "number": problem.number,
        "summary": problem.summary,
        "detail": problem.detail,
        "fix": problem.fix,
        "severity": problem.severity.value,
        "file": mark.file if mark else None,
        "line": mark.line if mark else None,
        "column": mark.column if mark else None,
    }


async def on_refused(_: Request, error: Exception) -> Response:
    """400, or 404 when what the address names does not exist; a problem with a place is about the text sent."""
    assert isinstance(error, Refused)
    first = error.problems[0]
    status = 404 if first.number in _NOT_FOUND and first.mark is None else 400
    return error_answer(status, first.number, str(error), problems=[problem_tree(p) for p in error.problems])


async def on_answered(_: Request, error: Exception) -> Response:
    assert isinstance(error, Answered)
    return error_answer(error.status, error.number, str(error))


async def on_failure(_: Request, error: Exception) -> Response:
    """A broken world: 409 for a lost race, 404 for a missing blob, 503 when asking again can help, else 500."""
    assert isinstance(error, Failure)
    if isinstance(error, Conflict):
        return error_answer(409, STALE, str(error))
    if isinstance(error, BlobMissing):
        return error_answer(404, BLOB_NOT_FOUND, str(error))
    log.warning("a request failed", error=str(error))
    return error_answer(503 if error.retry is Retry.SOON else 500, SYSTEM_ERROR, str(error))


async def on_full_disk(_: Request, error: Exception) -> Response:
    """Only a full disk is foreseen; any other OSError is the director's own fault."""
    assert isinstance(error, OSError)
    if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
        raise error
    return error_answer(500, DISK_FULL, "The director's disk is full. Free space on it, then repeat the request.")


async def on_gone(_: Request, __: Exception) -> Response:
    """The client left while it was sending; nobody reads this."""
    return PlainTextResponse("", status_code=400)


async def on_http(request: Request, error: Exception) -> Response:
    """Unknown routes, also a known path with another method, are 404 in plain words, as BOSH has it."""
    assert isinstance(error, HTTPException)
    if error.status_code in {404, 405}:
        return PlainTextResponse(f"Endpoint '{request.method} {request.url.path}' not found.", status_code=404)
    return PlainTextResponse(error.detail, status_code=error.status_code)
