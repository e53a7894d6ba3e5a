"""``FileTaskLog``: the TaskLog port on files ``<directory>/<task>/<kind>``.

All but ``size`` and ``read`` is called from the event loop's thread. An append is one write to a file kept
open; readers are woken by it and never by a timer. The files outlive the director: a log is read on after a
restart as if nothing had been.
"""

import asyncio
import os
import shutil
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from director.model.names import TaskId
from director.ports.failure import Failure, Retry

KINDS: Final = frozenset({"event", "result", "debug", "cpi", "progress"})

HANDLES_MAX: Final = 128
"""Files kept open for appending; the one longest unused is closed first and opened again when needed."""

Key: TypeAlias = tuple[TaskId, str]


class FileTaskLog:
    """Makes the directory (0700) when missing; files are 0600. A kind beside ``KINDS`` is an AssertionError."""

    def __init__(self, directory: Path, *, handles_max: int = HANDLES_MAX) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._handles_max = handles_max
        self._handles: OrderedDict[Key, int] = OrderedDict()
        weakref.finalize(self, _close_all, self._handles)  # a log that is dropped holds no file
        self._waiting: dict[Key, asyncio.Event] = {}
        self._closed: set[TaskId] = set()

    def append(self, task: TaskId, kind: str, text: str) -> None:
        """Raises Failure (retry SOON) when the disk does not take it. Opens a closed log again."""
        self._closed.discard(task)
        view = memoryview(text.encode("utf-8", "replace"))
        try:
            handle = self._handle((task, kind))
            while view:
                view = view[os.write(handle, view) :]
        except OSError as error:
            words = f"The log of task {task} cannot be written in {self._directory}: {error.strerror}."
            raise Failure(words, retry=Retry.SOON) from error
        self._wake((task, kind))

    def size(self, task: TaskId, kind: str) -> int:
        try:
            return self._path((task, kind)).stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, task: TaskId, kind: str, offset: int = 0, size_max: int | None = None) -> bytes:
        """Bytes from ``offset``, fewer than asked for at the end; nothing when there is no such log."""
        try:
            with self._path((task, kind)).open("rb", buffering=0) as file:
                file.seek(offset)
                return file.read(-1 if size_max is None else size_max)
        except FileNotFoundError:
            return b""

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
        for key in [key for key in self._handles if key[0] == task]:
            os.close(self._handles.pop(key))
        for key in [key for key in self._waiting if key[0] == task]:
            self._wake(key)

    def delete(self, task: TaskId) -> None:
        """Nothing happens when there is none. Raises Failure when a file cannot be removed."""
        self.close(task)
        try:
            shutil.rmtree(self._directory / str(task))
        except FileNotFoundError:
            return
        except OSError as error:
            raise Failure(f"The log of task {task} cannot be removed: {error.strerror}.") from error

    def _handle(self, key: Key) -> int:
        if key in self._handles:
            self._handles.move_to_end(key)
            return self._handles[key]
        path = self._path(key)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        while len(self._handles) >= self._handles_max:
            os.close(self._handles.popitem(last=False)[1])
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._handles[key] = handle
        return handle

    def _wake(self, key: Key) -> None:
        if (event := self._waiting.pop(key, None)) is not None:
            event.set()

    def _path(self, key: Key) -> Path:
        task, kind = key
        if kind not in KINDS:
            raise AssertionError(f'"{kind}" is no kind of task log')
        return self._directory / str(int(task)) / kind


def _close_all(handles: Mapping[Key, int]) -> None:
    for handle in handles.values():
        os.close(handle)
