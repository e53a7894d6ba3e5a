"""Runs the suites on local VMs once more, as an ordinary user, on a machine where the tests run as root.

The user gets a mount namespace of its own, in which the way to this Python is open to it (it may lie in root's home):
nothing of the machine is changed.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.contract.local_vm import IS_ROOT

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("tests/contract/test_infrastructure.py", "tests/contract/test_local.py", "tests/unit/adapters/local")
# An id nobody has: the user owns nothing but what it is given here.
USER = "54321"
TIMEOUT_S = 110


def closed_above(path):
    """The topmost directory on the way to ``path`` that others may not enter, or None."""
    return next((top for top in reversed(path.parents) if not top.stat().st_mode & 0o001), None)


def opened(paths):
    """Shell commands that lay an open directory over each closed one, with only the wanted paths in it."""
    lines = ["mkdir stage"]
    for number, path in enumerate(paths):
        top = closed_above(path)
        if top is not None:
            lines += [f"mkdir stage/{number}", f"mount --bind {shlex.quote(str(path))} stage/{number}"]
    for top in sorted({closed_above(path) for path in paths} - {None}):
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(top))}")
    for number, path in enumerate(paths):
        if closed_above(path) is not None:
            lines += [f"mkdir -p {shlex.quote(str(path))}", f"mount --bind stage/{number} {shlex.quote(str(path))}"]
    return lines


@pytest.fixture
def home():
    """Not below pytest's own directory, which every run of root's closes to others."""
    with tempfile.TemporaryDirectory(prefix="user-") as path:
        yield Path(path)


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="only root can become an ordinary user")
def test_what_holds_for_root_holds_for_an_ordinary_user(home):
    os.chown(home, int(USER), int(USER))
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all"]
    python = [sys.executable, "-B", "-m", "pytest"]
    check = shlex.join([*become, *python, "--version"])
    tests = shlex.join([*become, *python, "-q", "-p", "no:cacheprovider", f"--basetemp={home}/t", *SUITES])
    paths = sorted({Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT})
    script = "\n".join(["set -e", f"cd {shlex.quote(str(home))}", *opened(paths), f"cd {shlex.quote(str(ROOT))}"])
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{script}\n{check} || exit 77\n{tests}"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "USER": "somebody", "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(f"an ordinary user cannot run {sys.executable}, even with its directories opened:\n{done.stdout}")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
