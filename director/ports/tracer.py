"""Where tasks and their steps are told as traces. Telling never fails and never waits."""

from typing import Final, Protocol

from director.model.names import TaskId


class Tracer(Protocol):
    """Times are wall clock seconds. Facts are without secrets."""

    def begin(self, task: TaskId, name: str, facts: dict[str, str]) -> str:
        """A task begins. Returns its trace's id in hex, empty when nothing is traced."""
        ...

    def span(self, task: TaskId, name: str, began: float, ended: float, error: str, facts: dict[str, str]) -> None:
        """A part of it that has ended; nothing when the task is not traced. ``error`` is empty when it went well."""
        ...

    def end(self, task: TaskId, error: str = "") -> None: ...


class _Nowhere:
    def begin(self, task: TaskId, name: str, facts: dict[str, str]) -> str:
        del task, name, facts
        return ""

    def span(self, task: TaskId, name: str, began: float, ended: float, error: str, facts: dict[str, str]) -> None:
        """Nothing is traced."""

    def end(self, task: TaskId, error: str = "") -> None:
        """Nothing is traced."""


NO_TRACER: Final[Tracer] = _Nowhere()
