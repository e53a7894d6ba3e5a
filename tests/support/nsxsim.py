"""Starts and ends NSX simulators (``python -m tests.nsxsim``) and turns their control door's handles.

Used by tests, ``make demo-nsxt`` and the bench alike, so it knows nothing of pytest, which has its fixtures in
``tests/support/nsxsim_fixtures.py``. What the doors take and give stands in ``tests/nsxsim/README.md``.
"""

import contextlib
import json
import queue
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
START_S: Final = 30
END_S: Final = 10
USER: Final = "admin"
PASSWORD: Final = "VMware1!VMware1!"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nsxsim:
    """One running cluster. ``urls`` are its managers (``http://127.0.0.1:34567``); ``door`` stays up without them."""

    urls: tuple[str, ...]
    door: str
    user: str
    password: str = field(repr=False)
    pid: int

    @property
    def url(self) -> str:
        """The first manager."""
        return self.urls[0]

    def calls(self) -> list[Json]:
        """What was asked since the last ``reset_calls``, oldest first: method, path, query, status, code, user, …"""
        return list(self._control("GET", "calls")["calls"])

    def reset_calls(self) -> None:
        self._control("DELETE", "calls")

    def fault(self, **rule: Any) -> Json:
        """Adds one fault rule (README, "Faults on demand"). Raises ``urllib.error.HTTPError`` for nonsense."""
        return self._control("POST", "faults", rule)

    def faults(self) -> list[Json]:
        return list(self._control("GET", "faults")["faults"])

    def clear_faults(self) -> None:
        self._control("DELETE", "faults")

    def settings(self, **values: float | bool | str) -> Json:
        """Sets what is given, returns all that is set. Raises ``urllib.error.HTTPError`` for an unknown name."""
        return self._control("PATCH", "settings", values) if values else self._control("GET", "settings")

    def state(self) -> dict[str, Json]:
        """Every object there is, also those marked for delete, by path."""
        return dict(self._control("GET", "state")["objects"])

    def switch(self, manager: int, *, up: bool) -> None:
        """Makes one manager refuse connections, or take them again."""
        self._control("PATCH", f"managers/{manager}", {"up": up})

    def expire_sessions(self) -> None:
        self._control("POST", "sessions")

    def control(self, method: str, door: str, body: object = None) -> Json:
        """Any other door below ``/_sim/``. Raises ``urllib.error.HTTPError`` when it refuses."""
        return self._control(method, door, body)

    def _control(self, method: str, door: str, body: object = None) -> Json:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.door}/_sim/{door}", data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=START_S, context=unverified()) as answer:
            content = answer.read()
        told = json.loads(content) if content else {}
        assert isinstance(told, dict), f"/_sim/{door} gave {type(told).__name__}"
        return told


def unverified() -> ssl.SSLContext:
    """TLS as a client speaks it to a manager whose certificate nobody signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def nsxsim(
    *flags: str,
    managers: int = 1,
    user: str = USER,
    password: str = PASSWORD,
    settings: Mapping[str, float | bool | str] | None = None,
    state: Path | None = None,
    log: Path | None = None,
) -> Iterator[Nsxsim]:
    """A simulator of its own on loopback, ended with the block; ``flags`` are the program's further ones.

    ``settings`` are set before the block begins. ``log`` takes what it writes to standard error.
    """
    addresses = [word for _ in range(managers) for word in ("--listen", "127.0.0.1:0")] + ["--control", "127.0.0.1:0"]
    command = [sys.executable, "-m", "tests.nsxsim", "--stdin-exit", *flags, *addresses, "--user", f"{user}:{password}"]
    command += [] if state is None else ["--state", str(state)]
    with contextlib.ExitStack() as open_files:
        errors = subprocess.DEVNULL if log is None else open_files.enter_context(log.open("ab"))
        # A group of its own: Ctrl-C is for whoever started it, who ends it in good order.
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, process_group=0
        )
        try:
            ready = _ready(process)
            running = Nsxsim(
                urls=tuple(ready["urls"]), door=ready["control"], user=user, password=password, pid=process.pid
            )
            if settings:
                running.settings(**settings)
            yield running
        finally:
            _end(process)


def _ready(process: subprocess.Popen[bytes]) -> Json:
    """The one line it prints: where its managers and its control door are."""
    lines: queue.Queue[bytes] = queue.Queue(maxsize=1)
    out: IO[bytes] | None = process.stdout
    assert out is not None
    threading.Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
    line = lines.get(timeout=START_S)
    assert line, f"the simulator ended with {process.wait(END_S)} before it was ready"
    told = json.loads(line)
    assert isinstance(told, dict)
    return told


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_S)
    process.stdout.close()
