"""Clients of a cluster that ask all the time and count: a page at its nodes' ports, and an API server.

Each request has a connection of its own. All moments are of this machine's monotonic clock.
"""

import base64
import http.client
import itertools
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import yaml

from tests.support.kubernetes_cluster import PAGE_PORT, ROOT, Wrong

THREADS: Final = 4
PAUSE_S: Final = 0.02
ANSWER_S: Final = 2.0
"""A page that takes longer counts as none. An API server's list that takes longer is asked for again."""
API_PORT: Final = 6443
PROXY_PORT: Final = 7443


@dataclass(eq=False)
class Asking:
    """Until the body of ``with`` is left, threads call ``ask`` again and again; it raises Wrong for an answer not good.

    ``failed`` are reasons and how often each was met.
    """

    ask: Callable[[], None]
    asked: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    _answered: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def gap_s(self) -> float:
        """The longest time without any good answer, also before the first one and after the last."""
        return longest_gap(self._answered)

    def is_answered(self) -> bool:
        """Whether one request, made now, gets a good answer; it is not counted."""
        try:
            self.ask()
        except Wrong:
            return False
        return True

    def __enter__(self) -> Self:
        self._answered.append(time.monotonic())
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=10 * ANSWER_S)
        self._answered.append(time.monotonic())

    def _run(self) -> None:
        while not self._ended.wait(PAUSE_S):
            try:
                self.ask()
                why = ""
            except Wrong as error:
                why = str(error)
            with self._lock:
                self._count(why)

    def _count(self, why: str) -> None:
        self.asked += 1
        if why:
            self.failed[why] += 1
        else:
            self._answered.append(time.monotonic())


def longest_gap(moments: list[float]) -> float:
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


def pages(*addresses: str) -> Asking:
    """The page at each of these nodes in turn. Each must answer by itself: nothing is tried again elsewhere."""
    turns, lock = itertools.cycle(addresses), threading.Lock()

    def ask() -> None:
        with lock:
            address = next(turns)
        _get(http.client.HTTPConnection(address, PAGE_PORT, timeout=ANSWER_S), "/")

    return Asking(ask)


def api(kubeconfig: Path, address: str, port: int = API_PORT) -> Asking:
    """A list of all nodes, as etcd has it now, of the API server there, with the rights of a kubeconfig."""
    secure = _identity(yaml.safe_load(kubeconfig.read_text()), kubeconfig.parent)

    def ask() -> None:
        _get(http.client.HTTPSConnection(address, port, timeout=ANSWER_S, context=secure), "/api/v1/nodes")

    return Asking(ask)


@contextmanager
def api_within(pid: int, kubeconfig: Path) -> Iterator[list[float]]:
    """The same asked from a VM, by the address that everything on it uses. Holds the seconds of the gap afterwards."""
    gaps: list[float] = []
    within = ["nsenter", f"--target={pid}", "--net", sys.executable, "-m", "tests.support.kubernetes_clients"]
    words = [*within, str(kubeconfig)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield gaps
        said, _ = process.communicate(timeout=10 * ANSWER_S)
        gaps.append(float(said))


def main() -> None:
    """Asks until its standard input ends."""
    with api(Path(sys.argv[1]), "127.0.0.1", PROXY_PORT) as asking:
        sys.stdin.read()
    print(asking.gap_s)


def _get(connection: http.client.HTTPConnection, path: str) -> None:
    """Raises Wrong where there is no good answer."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK or not answer.read():
            raise Wrong(f"{connection.host}: {answer.status}")
    except (OSError, http.client.HTTPException) as error:
        raise Wrong(f"{connection.host}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _identity(kubeconfig: dict[str, Any], folder: Path) -> ssl.SSLContext:
    """Who its user is, and whom that user believes. Keys are read from files only, which go again at once."""
    user, cluster = kubeconfig["users"][0]["user"], kubeconfig["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.check_hostname = False  # API servers have a name that is no address; nothing else is signed by this CA
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"".join(base64.b64decode(user[f"client-{name}-data"]) for name in ("certificate", "key")))
        file.flush()
        context.load_cert_chain(file.name)
    return context


if __name__ == "__main__":
    main()
