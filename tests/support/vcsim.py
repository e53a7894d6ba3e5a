"""Starts and ends vCenter simulators, which are ``tests/tools/vcsim``.

Used by tests, ``make demo-vsphere`` and the bench alike, so it knows nothing of pytest, which has its fixtures in
``tests/support/vcsim_fixtures.py``. What the simulator itself gets wrong is put right in ``tests/tools/vcsim``.
"""

import contextlib
import json
import queue
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from tests.support.go_program import TOOLS, GoProgram

PROGRAM: Final = GoProgram(name="the vCenter simulator", source=TOOLS / "vcsim")
START_S: Final = 30
END_S: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Vcsim:
    """One running simulator. ``ca`` is None: its certificate is the Go test suite's and proves nothing."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    ca: Path | None
    pid: int

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}/sdk"

    def fail_task(self, method: str, fault: str, *, times: int = 1, skip: int = 0, message: str = "") -> None:
        """The next ``times`` tasks of SOAP method ``method`` (``CloneVM_Task``) end in ``fault`` (``NoDiskSpace``).

        The first ``skip`` ones pass. Raises ``urllib.error.HTTPError`` when there is no such fault class.
        """
        self._control(
            "/test/faults", {"method": method, "fault": fault, "times": times, "skip": skip, "message": message}
        )

    def guest(self, moid: str, *, is_running: bool, address: str = "", hostname: str = "") -> None:
        """Tells what VMware's tools in a VM would tell of it; of a VM that is gone nobody wants to know."""
        told = {"vm": moid, "isRunning": is_running, "address": address, "hostname": hostname}
        try:
            self._control("/test/guest", told)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise

    def counts(self) -> Mapping[str, int]:
        """How many calls of each SOAP method the simulator has had."""
        return {str(name): int(count) for name, count in json.loads(self._control("/test/counts")).items()}

    def _control(self, path: str, body: Mapping[str, str | int | bool] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://{self.host}:{self.port}{path}", data=data)
        with urllib.request.urlopen(request, timeout=START_S, context=unverified()) as answer:
            content: bytes = answer.read()
        return content


def unverified() -> ssl.SSLContext:
    """TLS as a client speaks it to the simulator, whose certificate nobody signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def vcsim(
    *,
    listen: str = "127.0.0.1:0",
    user: str = "director@vsphere.local",
    password: str = "let me in, vCenter",
    task_delay_ms: int = 0,
    delay_ms: int = 0,
    method_delay_ms: Mapping[str, int] | None = None,
    free_gb: Mapping[str, int] | None = None,
    log: Path | None = None,
    **sizes: int,
) -> Iterator[Vcsim]:
    """A simulator of its own, ended with the block (and with this process, however that ends).

    ``sizes`` are the program's other flags with underscores: clusters, hosts, datastores, portgroups, nsx_portgroups,
    opaque, vms, pools, pods, host_mb, host_cores, datastore_gb. ``log`` takes what it writes to standard error.
    """
    flags: dict[str, object] = {"l": listen, "user": user, "password": password, "task-delay": task_delay_ms}
    flags |= {"delay": delay_ms, "method-delay": _pairs(method_delay_ms), "free-gb": _pairs(free_gb)}
    flags |= {name.replace("_", "-"): number for name, number in sizes.items()}
    command = [str(PROGRAM.build()), "-stdinexit", *(f"-{name}={value}" for name, value in flags.items())]
    with contextlib.ExitStack() as open_files:
        errors = subprocess.DEVNULL if log is None else open_files.enter_context(log.open("ab"))
        # Its standard input is a pipe that only this process holds: when this one is killed, the simulator ends too.
        # And a group of its own: Ctrl-C is for whoever started it, who ends it in good order.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, process_group=0
        )
        try:
            url = urlsplit(_url(process))
            host, port = str(url.hostname), int(url.port or 0)
            yield Vcsim(host=host, port=port, user=user, password=password, ca=None, pid=process.pid)
        finally:
            _end(process)


def _pairs(numbers: Mapping[str, int] | None) -> str:
    return ",".join(f"{name}:{number}" for name, number in sorted((numbers or {}).items()))


def _url(process: subprocess.Popen[bytes]) -> str:
    lines: queue.Queue[bytes] = queue.Queue(maxsize=1)
    out: IO[bytes] | None = process.stdout
    assert out is not None
    threading.Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
    line = lines.get(timeout=START_S)
    assert line, f"the simulator ended with {process.wait(END_S)} before it was ready"
    return str(json.loads(line)["url"])


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_S)
    process.stdout.close()
