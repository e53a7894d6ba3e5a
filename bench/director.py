"""A director of the benchmark's own: its state in a directory that goes with it, CPU and memory as /proc has them."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Director:
    state: Path
    env: dict[str, str]

    def run(self, *words: str, expect: int = 0) -> str:
        """One command in a new process; its output, of one that is to fail with what it says of that.

        Raises SystemExit with all it said when it ends with another code than ``expect``.
        """
        command = [sys.executable, "-m", "director", *words]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode != expect:
            raise SystemExit(f"director {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + (done.stderr if expect else "")

    def timed(self, *words: str) -> float:
        """Wall seconds of one command, new process included."""
        began = time.perf_counter()
        self.run(*words)
        return time.perf_counter() - began

    def cpu_s(self) -> float:
        """CPU seconds of the daemon and of the programs it ran and waited for; VMs are none of those."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(n) for n in fields[11:15]) / TICKS

    @property
    def pid(self) -> int:
        facts = json.loads((self.state / "director.json").read_text())
        return int(facts["pid"])

    def progress(self, task: int) -> list[dict[str, Any]]:
        """The progress lines of a task: the outline first, then one per step begun and ended."""
        text = (self.state / "tasks" / str(task) / "progress").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def newest_task(self) -> int:
        return max(int(path.name) for path in (self.state / "tasks").iterdir() if (path / "progress").exists())

    def agent_rss_mib(self) -> list[float]:
        """Resident memory of every agent of this director's VMs."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                root = str((path / "root").readlink())
            except OSError:
                continue
            if words[1:3] == [b"-m", b"agent"] and str(self.state) in root + _mounts(path):
                found.append(rss_mib(int(path.name)))
        return found


def _mounts(path: Path) -> str:
    try:
        return (path / "mountinfo").read_text()
    except OSError:
        return ""


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def director(prepare: Callable[[Path], None] = lambda _: None) -> Iterator[Director]:
    """A running director; everything it made on this machine is gone afterwards. ``prepare`` gets its state first."""
    with tempfile.TemporaryDirectory(prefix="director-bench-") as name:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("BOSH_", "DIRECTOR_"))}
        ports = {f"DIRECTOR_{port}_PORT": "0" for port in ("API", "AGENTS", "ENROL")}
        made = Director(state=Path(name) / "state", env={**kept, **ports, "DIRECTOR_STATE_DIR": f"{name}/state"})
        prepare(made.state)
        made.run("local", "start")
        try:
            yield made
        finally:
            made.run("-n", "local", "destroy")
