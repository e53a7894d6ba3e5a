"""Tasks: list, show, cancel (section 6.2)."""

import asyncio
from typing import get_args

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, nothing
from director.api.ask import INVALID_VALUE, json_of, number, words
from director.api.services import Services, services_of
from director.model.names import DeploymentName, TaskId
from director.model.record import Task, TaskState
from director.model.tree import Tree
from director.ports.store import TaskQuery
from director.reconcile.requests import FetchLogs, ListInstances
from director.reconcile.requests import Request as TaskRequest

TASK_NOT_FOUND = 10000
UNEXPECTED_STATE = 10002
WAIT_MAX_S = 30

_QUIET = (FetchLogs, ListInstances)
_SHOWN = tuple(sorted(kind.task_type for kind in get_args(TaskRequest) if kind not in _QUIET))
"""What a list shows without ``verbose=2``: work that changes something (4.4)."""


async def list_tasks(request: Request) -> Response:
    query = request.query_params
    context = query.get("context_id") or None
    shows_all = context is not None or query.get("verbose", "1") == "2"
    deployment = query.get("deployment")
    found = await services_of(request).store.tasks(
        TaskQuery(
            states=tuple(_state(word) for word in words(request, "state")),
            deployment=DeploymentName(deployment) if deployment else None,
            context_id=context,
            types=() if shows_all else _SHOWN,
            limit=number(request, "limit"),
        )
    )
    return json_answer([task_row(task) for task in found])


def _state(word: str) -> TaskState:
    try:
        return TaskState(word)
    except ValueError as error:
        known = ", ".join(state.value for state in TaskState)
        raise Answered(400, INVALID_VALUE, f"{word} is no state of a task; there are {known}.") from error


def task_row(task: Task) -> Tree:
    """Times are whole seconds since the epoch."""
    return {
        "id": task.id,
        "state": task.state.value,
        "description": task.description,
        "timestamp": int(task.changed_at),
        "started_at": None if task.started_at is None else int(task.started_at),
        "result": task.result or None,
        "user": task.user,
        "deployment": task.deployment,
        "context_id": task.context_id,
    }


async def show_task(request: Request) -> Response:
    """With ``X-Director-Wait: seconds`` it answers when the task has ended, or when the time is over."""
    services = services_of(request)
    task = await task_of(request)
    wait_s = wait_of(request)
    if wait_s and not task.state.is_final:
        task = await _await_end(services, task, wait_s)
    return json_answer(task_row(task))


async def _await_end(services: Services, task: Task, wait_s: float) -> Task:
    """The event log is closed after the last state is stored, so its closing is what is waited for."""
    end = services.clock.monotonic() + wait_s
    while (left := end - services.clock.monotonic()) > 0:
        size = services.tasklog.size(task.id, "event")
        if not await services.tasklog.await_more(task.id, "event", size, left):
            break
    return await services.store.task(task.id) or task


async def task_of(request: Request) -> Task:
    """The task that the address names. Raises Answered (404, 10000)."""
    text = request.path_params["task"]
    found = await services_of(request).store.task(TaskId(int(text))) if _is_number(text) else None
    if found is None:
        raise Answered(404, TASK_NOT_FOUND, f"Task {text} not found")
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def wait_of(request: Request) -> float:
    """Seconds from X-Director-Wait, at most 30; 0 without it."""
    text = request.headers.get("x-director-wait", "0")
    if not _is_number(text):
        raise Answered(400, INVALID_VALUE, f"X-Director-Wait: {text}: write whole seconds.")
    return float(min(int(text), WAIT_MAX_S))


async def cancel_task(request: Request) -> Response:
    task = await task_of(request)
    if not await services_of(request).driver.cancel(task.id):
        raise Answered(400, UNEXPECTED_STATE, f"Task {task.id} has ended already; it cannot be cancelled.")
    return nothing()


async def cancel_tasks(request: Request) -> Response:
    """Those that match; without ``states``, whatever waits or runs."""
    services = services_of(request)
    body = await json_of(request)
    deployment = body.text("deployment", "")
    states = body.texts("states") or (TaskState.QUEUED.value, TaskState.PROCESSING.value)
    query = TaskQuery(
        states=tuple(_state(word) for word in states),
        deployment=DeploymentName(deployment) if deployment else None,
        types=body.texts("types"),
    )
    await asyncio.gather(*(services.driver.cancel(task.id) for task in await services.store.tasks(query)))
    return nothing()
