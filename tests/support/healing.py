"""For whoever breaks what a local director runs: what to kill, what a visitor sees meanwhile, what the director says.

All moments are of this machine's monotonic clock.
"""

import base64
import contextlib
import http.client
import json
import os
import select
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from director.adapters.local.network import Networks

LOOK_S: Final = 0.05
FETCH_S: Final = 0.5
"""A page that takes longer is none: a lost SYN is sent again after a second, and would hide that nobody was there."""
DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Everything is on this machine: no proxy of its environment is asked."""


def until(condition: Callable[[], Any], seconds: float = 30.0, *, what: str = "it did not happen") -> Any:
    """The first true value of ``condition``. Raises AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(LOOK_S)
    return found


@dataclass(frozen=True)
class Vms:
    """The local VMs of the director in ``state``, as the machine has them. They are named by their cids."""

    state: Path

    def names(self) -> list[str]:
        return sorted(path.parent.name for path in (self.state / "vms").glob("*/vm.json"))

    def pid(self, name: str) -> int:
        """Of its pid 1."""
        return int(json.loads((self.state / "vms" / name / "vm.json").read_text())["process"]["pid"])

    def find(self, name: str, words: str) -> int | None:
        """The process in a VM whose command line holds ``words``."""
        with contextlib.suppress(FileNotFoundError, TypeError):
            found = (pid for pid in _below(self.pid(name)) if words in _command(pid))
            return next(found, None)
        return None

    def links(self, name: str) -> list[str]:
        """Its network cards' ends in the director's namespace. Only root's VMs have some."""
        networks = self._networks()
        port = networks.port(name, 0)
        return [port] if networks.namespace.has(port) else []

    def cut(self, name: str) -> None:
        """Takes its links down. It goes on running, and nobody reaches it."""
        for link in self.links(name):
            ip("-n", self._networks().namespace.name, "link", "set", link, "down")

    def _networks(self) -> Networks:
        return Networks(str(self.state.resolve()))


def is_alive(pid: int) -> bool:
    """One that has ended and was not collected yet is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def _below(top: int) -> list[int]:
    """Every process that descends from ``top``, oldest ids first."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {top}
    while news := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= news
    return sorted(found - {top})


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@contextlib.contextmanager
def management(address: str, name: str) -> Iterator[None]:
    """An address of this machine's own that VMs reach through their gateway, as one in another network. Needs root.

    A director that listens there, and shows VMs no sockets, is cut off from a VM by that VM's link.
    """
    ip("link", "add", name, "type", "bridge")  # without ports: kernels may lack dummy links, VMs need bridges anyway
    try:
        ip("addr", "add", f"{address}/32", "dev", name)
        ip("link", "set", name, "up")
        yield
    finally:
        ip("link", "del", name)


def reached_at(address: str) -> dict[str, str]:
    """Settings of a director that agents reach there only. Its ports stay the same when it is started again."""
    ports = {"DIRECTOR_AGENTS_PORT": "25581", "DIRECTOR_ENROL_PORT": "25580"}
    return {"DIRECTOR_AGENTS_HOST": address, "DIRECTOR_AGENT_SOCKETS": "false", **ports}


class Api:
    """A local director's HTTP API: quicker asked than by starting the command."""

    def __init__(self, state: Path) -> None:
        self._file = state / "director.json"

    def get(self, path: str) -> Any:
        """Raises OSError when there is no answer: it is down, or just coming up."""
        facts = json.loads(self._file.read_text())
        pair = f"{facts['client']}:{Path(facts['client_secret_file']).read_text().strip()}"
        word = f"Basic {base64.b64encode(pair.encode()).decode()}"
        secure = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=facts["ca_file"]))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), secure)
        asked = urllib.request.Request(facts["url"] + path, headers={"Authorization": word})
        with opener.open(asked, timeout=5) as answer:
            return json.load(answer)

    def pid(self) -> int:
        return int(json.loads(self._file.read_text())["pid"])


@dataclass(frozen=True)
class Told:
    """An event of the audit trail, and when it was seen there."""

    at: float
    event: dict[str, Any]

    @property
    def action(self) -> str:
        return str(self.event["action"])


@dataclass
class _Thread:
    """Does ``look`` again and again until the body of ``with`` is left."""

    _ended: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.look()
        self._runner = threading.Thread(target=self._run, daemon=True)
        self._runner.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._runner.join(timeout=10)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.look()


@dataclass
class Listener(_Thread):
    """Reads the audit trail and the health of one deployment while things happen."""

    api: Api = field(kw_only=True)
    deployment: str = "guestbook"
    told: list[Told] = field(default_factory=list)
    unwell: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """What `director health` listed, each time it was asked, and when."""
    now: list[dict[str, Any]] = field(default_factory=list)
    """What it lists now."""

    def look(self) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            known = {one.event["id"] for one in self.told}
            rows = self.api.get(f"/events?deployment={self.deployment}")
            at = time.monotonic()
            self.told += [Told(at, row) for row in reversed(rows) if row["id"] not in known]
            self.now = self.api.get(f"/health?deployment={self.deployment}")["instances"]
            self.unwell += [(at, row) for row in self.now]

    def first(self, instance: str, action: str, since: float) -> Told | None:
        """The first such event of an instance (group/id) after ``since``."""
        return next((one for one in self.since(since, action) if one.event.get("instance") == instance), None)

    def since(self, since: float, action: str) -> list[Told]:
        return [one for one in self.told if one.at >= since and one.action == action]

    def noticed(self, label: str, since: float) -> tuple[float, dict[str, Any]] | None:
        """When the director first had an instance (group/index) among those not well, and how."""
        return next((one for one in self.unwell if one[0] >= since and one[1]["instance"] == label), None)


@dataclass
class Visitor(_Thread):
    """Fetches a page again and again. ``outages`` are (from, to) of fetches that failed, the last one may be open."""

    url: str = field(kw_only=True)
    words: str = ""
    outages: list[tuple[float, float | None]] = field(default_factory=list)
    fetches: int = 0

    @property
    def is_away(self) -> bool:
        return bool(self.outages) and self.outages[-1][1] is None

    def look(self) -> None:
        began, is_well = time.monotonic(), self._fetch()
        if is_well and self.is_away:
            self.outages[-1] = (self.outages[-1][0], time.monotonic())
        elif not is_well and not self.is_away:
            self.outages.append((began, None))
        self.fetches += 1

    def _fetch(self) -> bool:
        try:
            with DIRECT.open(self.url, timeout=FETCH_S) as page:
                return self.words in page.read().decode()
        except (OSError, http.client.HTTPException):
            return False

    def back(self, since: float) -> float | None:
        """When it was there again after what happened at ``since``; None as long as it was not missed, or is away."""
        ends = [end for _, end in self.outages if end is None or end >= since]
        return ends[-1] if ends else None


def end(pid: int, patience_s: float = 10.0) -> None:
    """Kills it, and waits until it has ended: pid 1 of a VM when all of the VM has."""
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        assert ended.poll(patience_s * 1000), f"process {pid} has not ended within {patience_s:g} s"
    finally:
        os.close(handle)


def kill(pid: int | None, number: int) -> float:
    """The moment it was done."""
    assert pid is not None, "there is nothing to kill"
    os.kill(pid, number)
    return time.monotonic()
