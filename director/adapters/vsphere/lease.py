"""One import of an OVF by an NFC lease: vCenter makes the VM, its ESXi host takes the disks, vCenter is told the end.

The lease dies with the session, and after ``leaseTimeout`` without progress; what it made until then vCenter removes.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from pyVmomi import vim

from director.adapters.vsphere import upload
from director.adapters.vsphere.faults import Fault, fault_of
from director.adapters.vsphere.observe import observe
from director.adapters.vsphere.ovf import Image
from director.adapters.vsphere.session import Login, Session
from director.ports.failure import InfrastructureFailure, Retry

READY_S: Final = 600.0
"""vCenter prepares the VM and its host meanwhile."""
_TOLD_S: Final = 15.0
"""How often vCenter is told at most: often enough for its shortest lease, seldom enough to cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """``spec`` and ``files`` are vCenter's answer to CreateImportSpec; the rest says where the VM goes."""

    name: str
    image: Image
    spec: Any = field(repr=False)
    files: Sequence[Any] = field(repr=False)
    folder: vim.Folder
    pool: vim.ResourcePool
    host: vim.HostSystem | None


async def import_image(
    session: Session, login: Login, wish: Import, progress: Callable[[int], None]
) -> vim.VirtualMachine:
    """The VM, complete. ``progress`` is told percents of the upload, from a thread.

    Raises InfrastructureFailure (Fault when vCenter refuses). Whatever ends it, cancelling too, the lease is given
    back, and with it what was made so far.
    """
    what = f'import stemcell "{wish.name}"'
    lease = await session.call(
        what, lambda: wish.pool.ImportVApp(wish.spec, wish.folder, wish.host), repeatable=False, timeout_s=READY_S
    )
    try:
        info = await _ready(session, what, lease)
        await _upload(session, login, wish, lease, info, progress)
        await session.call(what, lease.Complete, repeatable=False, timeout_s=READY_S)
    except BaseException:
        await _give_back(session, what, lease)
        raise
    vm: vim.VirtualMachine = info.entity
    return vm


async def _ready(session: Session, what: str, lease: Any) -> Any:
    """Its info, once vCenter says that it is ready."""
    seen = await observe(
        session,
        what,
        lease,
        ("state", "error", "info"),
        lambda values: values.get("state") != "initializing",
        timeout_s=READY_S,
    )
    if seen is None:
        raise Fault(f"{what}: vCenter gave the lease up before it was ready.", retry=Retry.BOUNDED)
    if seen.get("error") is not None:
        raise fault_of(what, seen["error"])
    if seen.get("state") != "ready" or seen.get("info") is None:
        raise Fault(f"{what}: the lease is {seen.get('state')} before anything was uploaded.", retry=Retry.BOUNDED)
    return seen["info"]


async def _give_back(session: Session, what: str, lease: Any) -> None:
    """Best effort: what brought us here is what the operator is to read, and the lease ends by itself in any case."""
    abort = asyncio.ensure_future(session.call(f"{what}: give the lease back", lambda: lease.Abort(None)))
    await asyncio.wait([abort])
    if not abort.cancelled() and isinstance(abort.exception(), InfrastructureFailure):
        return
    abort.result()


class _Count:
    """Bytes sent, over all files, as percents. Written by the uploading thread, read by the loop's."""

    def __init__(self, total: int, progress: Callable[[int], None]) -> None:
        self._total = max(1, total)
        self._sent = 0
        self._told = -1
        self._progress = progress

    @property
    def percent(self) -> int:
        return min(100, self._sent * 100 // self._total)

    def add(self, size: int) -> None:
        self._sent += size
        if self.percent != self._told:
            self._told = self.percent
            self._progress(self._told)


async def _upload(
    session: Session, login: Login, wish: Import, lease: Any, info: Any, progress: Callable[[int], None]
) -> None:
    files = [(item, _target(login, info, item)) for item in wish.files]
    count = _Count(sum(int(item.size or 0) for item in wish.files), progress)
    stop = threading.Event()
    sending = asyncio.ensure_future(asyncio.to_thread(_send_all, wish.image, files, count, stop))
    try:
        while not sending.done():
            await session.call(f'import stemcell "{wish.name}"', lambda: lease.Progress(min(99, count.percent)))
            await asyncio.wait([sending], timeout=min(_TOLD_S, max(1.0, info.leaseTimeout / 4)))
    finally:
        # A thread cannot be ended from outside: it looks at ``stop`` between two chunks, and its socket has a deadline.
        stop.set()
        await asyncio.wait([sending])
        if not sending.cancelled():
            sending.exception()  # raised below, unless something else came first; then nobody wants it
    sending.result()


def _send_all(image: Image, files: Sequence[tuple[Any, upload.Target]], count: _Count, stop: threading.Event) -> None:
    for item, target in files:
        try:
            with image.open(item.path) as (content, size):
                upload.send(content, size, target, sent=count.add, stop=stop)
        except OSError as error:
            raise InfrastructureFailure(f"The stemcell's image cannot be read: {error}.") from error


def _target(login: Login, info: Any, item: Any) -> upload.Target:
    device = next((device for device in info.deviceUrl if device.importKey == item.deviceId), None)
    if device is None:
        raise InfrastructureFailure(f"vCenter named no address to upload {item.path} to, although it asked for it.")
    return upload.Target(
        url=_with_host(device.url, login),
        tls=_tls(login),
        thumbprint=device.sslThumbprint or "",
        is_created=bool(item.create),
    )


def _with_host(url: str, login: Login) -> str:
    """``*`` stands for the server that was asked."""
    parts = urlsplit(url)
    if parts.hostname != "*":
        return url
    host = f"[{login.host}]" if ":" in login.host else login.host
    return urlunsplit(parts._replace(netloc=parts.netloc.replace("*", host, 1)))


def _tls(login: Login) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=login.ca_certificate)
    if not login.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
