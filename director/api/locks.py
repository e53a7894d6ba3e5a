"""Who holds what: one lock per deployment that a task changes now (section 6.2)."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import json_answer
from director.api.services import services_of
from director.model.record import TaskState
from director.ports.store import TaskQuery

LOCK_S = 240
"""BOSH's lifetime of a lock, shown as its end. Ours end with their task, so it is always this far away."""


async def list_locks(request: Request) -> Response:
    services = services_of(request)
    running = await services.store.tasks(TaskQuery(states=(TaskState.PROCESSING, TaskState.CANCELLING)))
    held = {t.deployment: services.driver.is_locked(t.deployment) for t in running if t.deployment}
    timeout = f"{services.clock.now() + LOCK_S:.6f}"
    rows = [
        {"type": "deployment", "resource": [name], "timeout": timeout, "task_id": str(task)}
        for name, task in sorted(held.items())
        if task is not None
    ]
    return json_answer(rows)
