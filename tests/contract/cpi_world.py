"""A CPI infrastructure for tests: the adapter, the program tests/support/testcpi.py, and a hand on that program."""

import json
import os
import shlex
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from director.adapters.cpi import CpiInfrastructure, CpiOptions

PROGRAM = Path(__file__).parents[1] / "support/testcpi.py"


class CpiWorld:
    """``lines`` are what the adapter logged. ``open`` gives another adapter on the same memory, as a restart does."""

    def __init__(self, directory, *, api=2, has_agent=False, formats="local"):
        self.state = directory / "cpi-state"
        self.memory = directory / "director/cpi"
        self.lines = []
        self.program = directory / "cpi"
        words = [sys.executable, str(PROGRAM), "--state", str(self.state), "--api", str(api)]
        words += ["--formats", formats]
        words += ["--agent"] if has_agent else []
        path = f"PYTHONPATH={shlex.quote(str(PROGRAM.parents[2]))} " if has_agent else ""
        self.program.write_text(f"#!/bin/sh\n{path}exec {shlex.join(words)}\n")
        self.program.chmod(0o755)

    def open(self, **options):
        given = {"name": "test", "program": self.program, "director_uuid": "uuid-of-director", "director_name": "Dir_1"}
        return CpiInfrastructure(CpiOptions(**given | options), self.memory, say=self.lines.append)

    def tell(self, method, *commands):
        """What the next calls of that method do."""
        place = self.state / "commands" / method
        place.mkdir(parents=True, exist_ok=True)
        for number, command in enumerate(commands, start=len(list(place.iterdir()))):
            (place / f"{number:03}.json").write_text(json.dumps(command))

    def fifo(self, name="gate"):
        path = self.state / name
        self.state.mkdir(exist_ok=True)
        os.mkfifo(path)
        return path

    def calls(self, method=None):
        """Every request that came, in order."""
        with suppress(FileNotFoundError):
            said = [json.loads(line) for line in (self.state / "calls.jsonl").read_text().splitlines()]
            return [call for call in said if method in {None, call["method"]}]
        return []

    def methods(self):
        return [call["method"] for call in self.calls()]

    def vms(self):
        return {path.stem: json.loads(path.read_text()) for path in sorted((self.state / "vms").glob("*.json"))}

    def disks(self):
        return {path.stem: json.loads(path.read_text()) for path in sorted((self.state / "disks").glob("*.json"))}

    def log(self):
        return "\n".join(map(str, self.lines))

    def end(self):
        """Ends every VM, and every program that still runs, by the ids they left."""
        for vm in self.vms().values():
            _kill(vm["pid"])
        for call in self.calls():
            if _is_ours(call["pid"]):
                _kill(call["pid"])


def _is_ours(pid):
    try:
        return str(PROGRAM).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill(pid):
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@asynccontextmanager
async def cpi(tmp_path):
    """For the suite that all infrastructures pass."""
    world = CpiWorld(tmp_path)
    try:
        yield world.open()
    finally:
        world.end()
