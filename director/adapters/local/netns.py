"""A network namespace with a name, as ``ip netns`` knows it: makes it, removes it, and looks and acts inside it.

May not decide what is in it. A look inside is two calls of the kernel and no program: a thread enters, looks, and
returns before anything else of the director runs.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from director.adapters.local.process import find_program, run
from director.ports.failure import InfrastructureFailure

IP_TIMEOUT_S: Final = 30.0
_NAMES: Final = Path("/run/netns")
_OWN: Final = Path("/proc/thread-self/ns/net")
_NETWORK: Final = 0x40000000  # CLONE_NEWNET, sched.h
_LIBC: Final = ctypes.CDLL(None, use_errno=True)

# rtnetlink(7): a request for all links with one master, and the answer's first header.
_REQUEST: Final = struct.Struct("=IHHII BxHiII HHi")
_HEADER: Final = struct.Struct("=IHHII")
_GET_LINK, _NEW_LINK, _DUMP, _MASTER = 18, 16, 0x301, 10


class Namespace:
    """``name`` is unique on this machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = _NAMES / name

    @property
    def exists(self) -> bool:
        """A name without a namespace is what a crash in the middle of making one leaves."""
        try:
            return self._path.stat().st_dev == _OWN.stat().st_dev
        except FileNotFoundError:
            return False

    async def ensure(self) -> None:
        if self.exists:
            return
        self._path.unlink(missing_ok=True)
        await ip(["netns", "add", self.name])

    async def remove(self) -> None:
        """Its links go with it, a moment later."""
        if self.exists:
            await ip(["netns", "del", self.name])
        self._path.unlink(missing_ok=True)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The thread that asks is inside; it may await nothing meanwhile. What it starts stays inside."""
        own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter()
            try:
                yield
            finally:
                assert _LIBC.setns(own, _NETWORK) == 0, "a thread did not come back to its own network"
        finally:
            os.close(own)

    def _enter(self) -> None:
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InfrastructureFailure(f"The network namespace {self.name} has gone: {error.strerror}.") from error
        try:
            if _LIBC.setns(handle, _NETWORK) != 0:
                reason = os.strerror(ctypes.get_errno())
                raise InfrastructureFailure(f"The network namespace {self.name} cannot be entered: {reason}.")
        finally:
            os.close(handle)

    def links(self) -> frozenset[str]:
        """The names of its interfaces; none where it is not."""
        if not self.exists:
            return frozenset()
        with self.entered():
            return frozenset(name for _, name in socket.if_nameindex())

    def which(self, links: Iterable[str]) -> frozenset[str]:
        """Those of these that are in it."""
        if not self.exists:
            return frozenset()
        with self.entered():
            return frozenset(link for link in links if _index(link) is not None)

    def has(self, link: str) -> bool:
        return link in self.which((link,))

    def has_ports(self, bridge: str) -> bool:
        with self.entered():
            index = _index(bridge)
            return index is not None and _is_master(index)

    def routes(self) -> str:
        """As /proc/net/route inside."""
        with self.entered():
            return routes()

    def configure(self, settings: Sequence[tuple[str, str]]) -> None:
        """(path below /proc/sys/net, value). What this kernel does not have needs no setting."""
        with self.entered():
            for name, value in settings:
                with suppress(FileNotFoundError):
                    set_network(name, value)

    async def ip(self, lines: Sequence[str], *options: str) -> str:
        """``ip -batch`` inside."""
        return await run(
            [find_program("ip", "iproute2"), *options, "-batch", "-"],
            text="".join(f"{line}\n" for line in lines),
            timeout_s=IP_TIMEOUT_S,
            starting=self.entered(),
        )


def routes() -> str:
    """/proc/net/route of the namespace that this thread is in."""
    return Path("/proc/thread-self/net/route").read_text()


def set_network(name: str, value: str) -> None:
    """A setting below /proc/sys/net of the namespace that this thread is in. Raises FileNotFoundError."""
    setting = Path("/proc/sys/net", name)
    try:
        setting.write_text(value)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InfrastructureFailure(
            f"{setting} cannot be set, so VMs of different subnets could not reach each other: {error.strerror}."
        ) from error


async def ip(words: Sequence[str], *, lines: Sequence[str] = ()) -> str:
    """In this machine's own network; ``lines`` for ``ip -batch``."""
    text = "".join(f"{line}\n" for line in lines)
    return await run([find_program("ip", "iproute2"), *words], text=text, timeout_s=IP_TIMEOUT_S)


def _index(link: str) -> int | None:
    try:
        return socket.if_nametoindex(link)
    except OSError:
        return None


def _is_master(index: int) -> bool:
    size = _REQUEST.size
    request = _REQUEST.pack(size, _GET_LINK, _DUMP, 1, 0, socket.AF_UNSPEC, 0, 0, 0, 0, 8, _MASTER, index)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.sendto(request, (0, 0))
        _, kind, _, _, _ = _HEADER.unpack_from(kernel.recv(1 << 16))
    return bool(kind == _NEW_LINK)
