"""Against real programs."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from director.adapters.alerts import Program, SinkFailure
from director.adapters.alerts import program as module
from tests.unit.adapters.alerts.rings import alert

KEEPS = (
    "import sys\nfor line in sys.stdin:\n    open(sys.argv[1], 'a').write(line)\nopen(sys.argv[1], 'a').write('end\\n')"
)
ONE_THEN_ENDS = "import sys\nopen(sys.argv[1], 'a').write(sys.stdin.readline())"
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if child := os.fork():
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(f"{os.getpid()} {child}")
    os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def python(text, *args):
    return Program([sys.executable, "-c", text, *map(str, args)], director="prod")


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def lines_of(path: Path):
    return path.read_text().splitlines() if path.exists() else []


async def test_each_alert_is_a_line_and_the_end_of_input_is_the_end(tmp_path):
    kept, program = tmp_path / "kept", python(KEEPS, tmp_path / "kept")
    await program.deliver([alert()])
    await program.deliver([alert(subject="web/web/1"), alert(is_over=True)])
    await program.close()
    *sent, end = lines_of(kept)
    assert end == "end"
    assert [json.loads(line)["subject"] for line in sent] == ["web/web/0", "web/web/1", "web/web/0"]
    assert json.loads(sent[0])["director"] == "prod"


async def test_a_program_that_ended_is_started_again(tmp_path):
    kept, program = tmp_path / "kept", python(ONE_THEN_ENDS, tmp_path / "kept")
    await program.deliver([alert(subject="one")])
    await until(lambda: program._process.returncode is not None)
    await program.deliver([alert(subject="two")])
    await until(lambda: len(lines_of(kept)) == 2)
    await program.close()
    assert [json.loads(line)["subject"] for line in lines_of(kept)] == ["one", "two"]


async def test_one_that_does_not_read_is_killed_with_all_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DEADLINE_S", 0.5)
    monkeypatch.setattr(module, "GOODBYE_S", 0.05)
    pids, program = tmp_path / "pids", python(STUBBORN, tmp_path / "pids")
    await program.deliver([alert()])
    await until(pids.exists)
    with pytest.raises(SinkFailure, match="does not read its input"):
        await program.deliver([alert(context={"much": "x" * 200_000})])
    await until(lambda: not any(map(is_alive, pids.read_text().split())))


async def test_closing_kills_what_does_not_end_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GOODBYE_S", 0.05)
    pids, program = tmp_path / "pids", python(STUBBORN, tmp_path / "pids")
    await program.deliver([alert()])
    await until(pids.exists)
    await program.close()
    await until(lambda: not any(map(is_alive, pids.read_text().split())))


async def test_a_program_that_is_not_there_is_a_failure_in_words():
    with pytest.raises(SinkFailure, match="/no/such/program cannot be started: No such file"):
        await Program(["/no/such/program"], director="prod").deliver([alert()])


async def test_closing_one_that_never_began_does_nothing():
    await Program(["/no/such/program"], director="prod").close()


def is_alive(pid):
    """A zombie that nobody buries does nothing any more."""
    try:
        os.kill(int(pid), 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
