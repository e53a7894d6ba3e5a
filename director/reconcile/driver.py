"""Takes queued tasks and runs each to its end: at most one at a time per deployment, many side by side."""

from director.model.names import TaskId
from director.model.plan import Plan
from director.model.record import Task
from director.reconcile.requests import Deploy, Request


class Driver:
    """What the API may ask for. (Filled in below the port line while the rooms around it are built.)"""

    async def check(self, request: Deploy) -> Plan:
        """Reads, resolves and plans without touching anything. Raises Refused with every problem."""
        raise NotImplementedError

    async def submit(self, request: Request, *, user: str, context_id: str = "") -> Task:
        """Stores a queued task and wakes the pulse. Never waits for the task itself.

        A Deploy is checked first, so that bad input raises Refused before any task exists.
        """
        raise NotImplementedError

    async def cancel(self, task: TaskId) -> bool:
        """Asks a queued or running task to stop at its next step boundary. False when it has ended already."""
        raise NotImplementedError

    def is_locked(self, deployment: str) -> TaskId | None:
        """The task that changes this deployment now."""
        raise NotImplementedError
