"""What a task prints: event, result, debug, cpi as BOSH has them, and progress, our own live view."""

from typing import Protocol

from director.model.names import TaskId


class TaskLog(Protocol):
    def append(self, task: TaskId, kind: str, text: str) -> None:
        """Adds text, wakes whoever waits. Never blocks on a reader."""
        ...

    def size(self, task: TaskId, kind: str) -> int: ...

    def read(self, task: TaskId, kind: str, offset: int = 0, size_max: int | None = None) -> bytes: ...

    async def await_more(self, task: TaskId, kind: str, offset: int, timeout_s: float) -> bool:
        """True as soon as there are more than ``offset`` bytes, False when the time is over or the log closed."""
        ...

    def close(self, task: TaskId) -> None:
        """Nothing more comes; releases waiters and file handles."""
        ...

    def delete(self, task: TaskId) -> None: ...
