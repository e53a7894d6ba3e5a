"""The audit trail (sections 6.2 and 6.4): newest first, at most 200 at a time."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer
from director.api.ask import INVALID_VALUE, number
from director.api.services import services_of
from director.model.names import TaskId
from director.model.record import Event
from director.model.tree import Node, Tree
from director.ports.store import EventQuery

EVENT_NOT_FOUND = 100002


async def list_events(request: Request) -> Response:
    query = request.query_params
    task = number(request, "task")
    found = await services_of(request).store.events(
        EventQuery(
            before_id=number(request, "before_id"),
            before=_time(request, "before_time"),
            after=_time(request, "after_time"),
            task=None if task is None else TaskId(task),
            deployment=query.get("deployment") or None,
            instance=query.get("instance") or None,
            user=query.get("user") or None,
            action=query.get("action") or None,
            object_type=query.get("object_type") or None,
            object_name=query.get("object_name") or None,
        )
    )
    return json_answer([event_row(event) for event in found])


def _time(request: Request, name: str) -> float | None:
    """Seconds since the epoch, RFC 3339, or ``2026-01-31 12:00:00 UTC``; a time without zone is UTC."""
    text = request.query_params.get(name, "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 15:
        return float(text)
    try:
        at = datetime.fromisoformat(text.removesuffix("UTC").strip().replace(" +", "+"))
    except ValueError as error:
        raise Answered(400, INVALID_VALUE, f"?{name}={text}: write 2026-01-31T12:00:00Z.") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def event_row(event: Event) -> Tree:
    """Ids are texts, times whole seconds; a key without a value is left out, as BOSH does."""
    row: dict[str, Node] = {
        "id": str(event.id),
        "parent_id": None if event.parent is None else str(event.parent),
        "timestamp": int(event.at),
        "user": event.user,
        "action": event.action,
        "object_type": event.object_type,
        "object_name": event.object_name,
        "error": event.error,
        "task": None if event.task is None else str(event.task),
        "deployment": event.deployment,
        "instance": event.instance,
        "context": dict(event.context),
    }
    return {key: value for key, value in row.items() if value is not None}


async def show_event(request: Request) -> Response:
    text = request.path_params["id"]
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    found = await services_of(request).store.events(EventQuery(before_id=wanted + 1, limit=1)) if wanted else ()
    if not found or found[0].id != wanted:
        raise Answered(404, EVENT_NOT_FOUND, f"Event {text} not found")
    return json_answer(event_row(found[0]))
