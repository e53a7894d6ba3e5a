"""What every demo of tools/ is held to: it ends in order, however it ends, and leaves nothing."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from tests.e2e.conftest import IS_ROOT, ROOT, leftovers, started
from tests.support.ordinary_user import home_of_a_user, pytest_as_user
from tests.support.vcsim_fixtures import give_vcsim

TIMEOUT_S = 130
NUMBER = 100 + os.getpid() % 100
"""Of this test run's own addresses: somebody may be running the demo beside it."""
OWN = f"10.{NUMBER}." if IS_ROOT else f"127.{NUMBER}."


@contextmanager
def demo_of(name, ops=None, range_of_ops="", more_ops=""):
    """Its command and its folder; ``ops`` gives it networks, of which ``range_of_ops`` is made this run's own.

    Without ``ops`` its networks come from ``more_ops``, with ``OWN`` in them.
    """
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as above:
        folder, own_ops = Path(above) / "demo", Path(above) / "networks.yml"
        networks = (ROOT / "manifests/ops" / ops).read_text().replace(range_of_ops, OWN) if ops else ""
        own_ops.write_text(networks + more_ops)
        command = [sys.executable, ROOT / "tools" / name, "run", "--folder", folder, "-o", own_ops]
        yield SimpleNamespace(command=command, folder=folder)
        assert not folder.exists()
        for state in (folder / "state", folder / "guests"):
            assert leftovers(SimpleNamespace(state=state)) == []
        assert _mentioning(str(folder)) == []
        for what in ("addr", "route"):
            assert OWN not in subprocess.run(["ip", what], capture_output=True, text=True, check=True).stdout


def _mentioning(text):
    """Command lines of processes that work for this run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text()
        except OSError:
            continue
        if text in words:
            found.append(words)
    return found


def said_by(demo, timeout_s=TIMEOUT_S):
    """All it printed; it went well."""
    done = subprocess.run(
        demo.command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def parted(text, *marks):
    """What stands behind each mark, up to the next."""
    parts = []
    for mark in marks:
        before, _, text = text.partition(mark)
        parts.append(before)
    assert text, f"{marks} are not all there, in this order: {parts}"
    return [*parts[1:], text]


def is_doubled_and_interrupted(demo, at):
    """Once it has printed ``at`` a second one is begun beside it, and then it is interrupted."""
    with started(demo.command, start_new_session=True) as process:
        _await(process, at)
        second = subprocess.run(demo.command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of the foreground
        said = process.stdout.read()
    assert process.returncode == 130, said
    assert "Interrupted" in said
    assert second.returncode == 1
    assert "It runs already" in second.stderr


def is_killed_and_cleaned_up(demo, at):
    with started(demo.command) as process:
        _await(process, at)
        process.kill()
    clean = [word if word != "run" else "clean" for word in demo.command[:-2]]
    done = subprocess.run(clean, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _await(process, words):
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f'it ended without having printed "{words}"')


def works_for_an_ordinary_user(test, *, needs_vcsim=False):
    """``test`` is the file of the demo's tests, one of which is run by everybody."""
    with home_of_a_user() as home:
        if needs_vcsim:
            give_vcsim(home)
        said = pytest_as_user(home, [test], TIMEOUT_S)
    assert "1 passed" in said, said
