"""A program that is interrupted may clear up, and what it started ends with it."""

import subprocess
import sys
import time

import pytest

from tests.support import interruptible

SLOW = """
import pathlib, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
try:
    time.sleep(600)
except KeyboardInterrupt:
    time.sleep(0.5)
    pathlib.Path(sys.argv[1] + ".cleared").touch()
    child.wait()
"""


def test_what_it_printed_and_how_it_ended_is_told():
    words = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"]
    done = interruptible.run(words, timeout_s=30)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_it_is_given_the_time_to_clear_up_and_its_children_end(tmp_path):
    place = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        interruptible.run([sys.executable, "-c", SLOW, str(place)], timeout_s=2)
    assert time.monotonic() - began < 30
    assert (tmp_path / "pid.cleared").exists()
    assert subprocess.run(["kill", "-0", place.read_text()], capture_output=True, check=False).returncode != 0
