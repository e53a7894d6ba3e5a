"""Blocking work that talks to one other machine, with a deadline that holds whatever that machine does.

Timeouts of sockets are per operation: a byte now and then would keep a call for ever. So at the deadline the connection
is cut, which ends the work, and nobody waits for a thread that still does not end.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Cord:
    """Held by the work, cut by who waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def hold(self, connection: socket.socket) -> None:
        """Raises TimeoutError when it is too late."""
        with self._lock:
            if self._is_cut:
                raise TimeoutError
            self._socket = connection

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # closed already
                    # Not its own method: a TLS socket's would take the encryption away under the thread that reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


async def in_thread(work: Callable[[Cord], T], deadline_s: float, name: str) -> T:
    """What ``work`` returns or raises; TimeoutError at the deadline. Cut also when cancelled."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()
    cord = Cord()

    def settle(value: T | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(value)  # type: ignore[arg-type]  # it is the work's own value

    def run() -> None:
        value, error = None, None
        try:
            value = work(cord)
        except BaseException as raised:  # noqa: BLE001  not handled here: it goes to whoever asked for the work
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it who waited
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        async with asyncio.timeout(deadline_s):
            return await ended
    finally:
        cord.cut()
