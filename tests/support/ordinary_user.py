"""Runs programs as an ordinary user, on a machine where the tests run as root.

The user gets a mount namespace of its own, in which the way to this Python and to this checkout is open to it (they
may lie in root's home): nothing of the machine is changed.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# An id nobody has: the user owns nothing but what it is given here.
USER = "54321"
_CANNOT = 77


@contextmanager
def home_of_a_user():
    """A directory of the user's own. Not below pytest's, which every run of root's closes to others."""
    with tempfile.TemporaryDirectory(prefix="user-") as path:
        os.chown(path, int(USER), int(USER))
        yield Path(path)


def pytest_as_user(home, tests, timeout_s):
    """Runs these tests as the user and returns what pytest printed; skips where a user cannot run this Python."""
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all"]
    python = [*become, sys.executable, "-B", "-m", "pytest"]
    check = shlex.join([*python, "--version"])
    run = shlex.join([*python, "-q", "-p", "no:cacheprovider", f"--basetemp={home}/t", *map(str, tests)])
    paths = sorted({Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT})
    script = ["set -e", f"cd {shlex.quote(str(home))}", *_opened(paths), f"cd {shlex.quote(str(ROOT))}"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "\n".join([*script, f"{check} || exit {_CANNOT}", run])],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "USER": "somebody", "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode == _CANNOT:
        pytest.skip(f"an ordinary user cannot run {sys.executable}, even with its directories opened:\n{done.stdout}")
    assert done.returncode == 0, done.stdout
    return done.stdout


def _closed_above(path):
    """The topmost directory on the way to ``path`` that others may not enter, or None."""
    return next((top for top in reversed(path.parents) if not top.stat().st_mode & 0o001), None)


def _opened(paths):
    """Shell commands that lay an open directory over each closed one, with only the wanted paths in it."""
    lines = ["mkdir stage"]
    for number, path in enumerate(paths):
        if _closed_above(path) is not None:
            lines += [f"mkdir stage/{number}", f"mount --bind {shlex.quote(str(path))} stage/{number}"]
    for top in sorted({_closed_above(path) for path in paths} - {None}):
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(top))}")
    for number, path in enumerate(paths):
        if _closed_above(path) is not None:
            lines += [f"mkdir -p {shlex.quote(str(path))}", f"mount --bind stage/{number} {shlex.quote(str(path))}"]
    return lines
