"""What tasks print, kept in this process: the TaskLog port for worlds without a disk."""

import asyncio
from collections import defaultdict
from typing import Final, TypeAlias

from director.model.names import TaskId

KINDS: Final = frozenset({"event", "result", "debug", "cpi", "progress"})

Key: TypeAlias = tuple[TaskId, str]


class MemoryTaskLog:
    """A kind beside ``KINDS`` is an AssertionError."""

    def __init__(self) -> None:
        self._texts: dict[Key, bytearray] = defaultdict(bytearray)
        self._waiting: dict[Key, asyncio.Event] = {}
        self._closed: set[TaskId] = set()

    def append(self, task: TaskId, kind: str, text: str) -> None:
        self._closed.discard(task)
        self._texts[_key(task, kind)].extend(text.encode("utf-8", "replace"))
        self._wake((task, kind))

    def size(self, task: TaskId, kind: str) -> int:
        return len(self._texts.get(_key(task, kind), b""))

    def read(self, task: TaskId, kind: str, offset: int = 0, size_max: int | None = None) -> bytes:
        end = None if size_max is None else offset + size_max
        return bytes(self._texts.get(_key(task, kind), b"")[offset:end])

    async def await_more(self, task: TaskId, kind: str, offset: int, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while self.size(task, kind) <= offset:
                    if task in self._closed:
                        return False
                    await self._waiting.setdefault((task, kind), asyncio.Event()).wait()
        except TimeoutError:
            return False
        return True

    def close(self, task: TaskId) -> None:
        self._closed.add(task)
        for key in [key for key in self._waiting if key[0] == task]:
            self._wake(key)

    def delete(self, task: TaskId) -> None:
        self.close(task)
        for key in [key for key in self._texts if key[0] == task]:
            del self._texts[key]

    def _wake(self, key: Key) -> None:
        if (event := self._waiting.pop(key, None)) is not None:
            event.set()


def _key(task: TaskId, kind: str) -> Key:
    if kind not in KINDS:
        raise AssertionError(f'"{kind}" is no kind of task log')
    return task, kind
