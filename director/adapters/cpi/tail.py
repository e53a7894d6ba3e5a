"""What programs write into files, line by line as they write it: the kernel tells (inotify(7)), nobody polls.

Files and not pipes, because a pipe breaks with the director, and a CPI that prints into a broken pipe dies halfway.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Final

from director.adapters.cpi.redact import Mask

_IN_MODIFY: Final = 0x2
_IN_Q_OVERFLOW: Final = 0x4000
_HEADER: Final = struct.Struct("iIII")
_EVENTS_SIZE: Final = 64 * 1024

LINE_MAX: Final = 64 * 1024
READ_SIZE: Final = 1024 * 1024
KEPT_MAX: Final = 16 * 1024 * 1024
"""A log that has grown so far is cut to nothing once it was read: a chatty program must not fill the disk."""


class Watch:
    """Tells when a file of ``directory`` was written to. Where the kernel has no watch left, it never tells."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None
        self._told: dict[str, Callable[[], object]] = {}

    def follow(self, name: str, told: Callable[[], object]) -> None:
        """``told`` is called in the context of now: whose log it writes to is the follower's, not the first one's."""
        if self._handle is None:
            self._open()
        self._told[name] = partial(copy_context().run, told)

    def leave(self, name: str) -> None:
        self._told.pop(name, None)

    def close(self) -> None:
        if self._handle is not None:
            asyncio.get_running_loop().remove_reader(self._handle)
            os.close(self._handle)
            self._handle = None

    def _open(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if handle < 0:
            return  # the user's limit; lines then come when the program has ended
        if libc.inotify_add_watch(handle, os.fsencode(self._directory), _IN_MODIFY) < 0:
            os.close(handle)
            return
        self._handle = handle
        asyncio.get_running_loop().add_reader(handle, self._read)

    def _read(self) -> None:
        assert self._handle is not None, "it is read only while it is open"
        try:
            data = os.read(self._handle, _EVENTS_SIZE)
        except BlockingIOError:
            return
        names: dict[str, None] = {}
        at = 0
        while at < len(data):
            _, mask, _, size = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            name = data[at : at + size].rstrip(b"\0").decode(errors="replace")
            names.update(dict.fromkeys(self._told) if mask & _IN_Q_OVERFLOW else {name: None})
            at += size
        for name in names:
            if (told := self._told.get(name)) is not None:
                told()


class Tail:
    """Hands on what is added to a file, in whole lines without secrets. ``last`` holds the end of it."""

    def __init__(self, path: Path, mask: Mask, say: Callable[[str], None]) -> None:
        self._path = path
        self._mask = mask
        self._say = say
        self._offset = 0
        self._begun = b""
        self._is_cut = False
        self.last: list[str] = []

    def more(self) -> bool:
        """Reads on, not more than ``READ_SIZE``. Whether there was anything."""
        try:
            with self._path.open("rb", buffering=0) as file:
                file.seek(self._offset)
                data = file.read(READ_SIZE)
        except FileNotFoundError:
            return False
        self._offset += len(data)
        *lines, rest = (self._begun + data).split(b"\n")
        if self._is_cut and lines:  # the end of a line whose beginning was told
            lines, self._is_cut = lines[1:], False
        for line in lines:
            self._tell(line)
        if self._is_cut:
            rest = b""
        elif len(rest) > LINE_MAX:
            self._tell(rest)
            rest, self._is_cut = b"", True
        self._begun = rest
        if self._offset > KEPT_MAX and len(data) < READ_SIZE:
            os.truncate(self._path, 0)
            self._offset = 0
        return bool(data)

    def end(self) -> None:
        """The program has ended: the rest, its last line too."""
        while self.more():
            pass
        if self._begun:
            self._tell(self._begun)
            self._begun = b""

    def _tell(self, line: bytes) -> None:
        """Of a line that is too long only the beginning; its end could be half a secret that no mask knows."""
        text = self._mask.of(line[:LINE_MAX].decode(errors="replace"))
        if len(line) > LINE_MAX:
            text = text[: max(0, len(text) - self._mask.longest)] + " ... (cut)"
        self.last = [*self.last[-9:], text]
        self._say(text)
