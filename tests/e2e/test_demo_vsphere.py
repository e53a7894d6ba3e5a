"""``make demo-vsphere`` does what it shows, and leaves nothing, however it ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.e2e.conftest import IS_ROOT, ROOT, leftovers, started
from tests.support.ordinary_user import USER, home_of_a_user, pytest_as_user
from tests.support.vcsim import build
from tests.support.vcsim_fixtures import need_vcsim

pytestmark = [pytest.mark.e2e, pytest.mark.go, pytest.mark.timeout(150)]
THIS = "tests/e2e/test_demo_vsphere.py"
TIMEOUT_S = 120
OPS = ROOT / "manifests/ops/vsphere-unprivileged.yml"


@pytest.fixture
def demo():
    """Its command, with networks of this test run's own: somebody may be running the demo beside it."""
    need_vcsim()
    with tempfile.TemporaryDirectory(prefix="demo-vsphere-") as name:
        folder, ops = Path(name) / "demo", Path(name) / "networks.yml"
        own = f"10.{100 + os.getpid() % 100}." if IS_ROOT else f"127.{100 + os.getpid() % 100}."
        ops.write_text(OPS.read_text().replace("127.17.", own))
        command = [sys.executable, ROOT / "tools/demo-vsphere", "run", "--folder", folder, "-o", ops]
        yield SimpleNamespace(command=command, folder=folder, state=folder / "state", guests=folder / "guests")
        assert not folder.exists()
        assert leftovers(SimpleNamespace(state=folder / "state")) == []
        assert leftovers(SimpleNamespace(state=folder / "guests")) == []
        assert _mentioning(str(folder)) == []
        assert own not in subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout


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


def test_the_demo_deploys_breaks_finds_and_repairs(demo):
    done = subprocess.run(
        demo.command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    plan, deployed, tree, broken, repaired = _parted(
        said,
        "$ director plan",
        "$ director -n deploy",
        "What vCenter shows",
        "Somebody destroys",
        "$ director -n update-resurrection on",
    )
    assert "on cluster DC0_C1" in plan
    assert "Instances: create 5" in deployed
    assert "The guestbook answers." in deployed
    assert "all good" in deployed
    assert "├─ DC0_C0_H1" in tree
    assert ": 1024 MB, attached to store-0-" in tree
    assert "\n1 difference" in broken
    assert "repair deployment guestbook" in repaired
    assert "0 differences" in repaired
    assert "Deployed, broken, found, repaired" in repaired


def _parted(text, *marks):
    parts = []
    for mark in marks:
        before, _, text = text.partition(mark)
        parts.append(before)
    assert text, f"{marks} are not all there, in this order: {parts}"
    return [*parts[1:], text]


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="what is cleared up is the same for everybody")
def test_an_interrupted_demo_leaves_nothing_and_a_second_one_beside_it_disturbs_nothing(demo):
    with started(demo.command, start_new_session=True) as process:
        for line in process.stdout:
            if "Creating missing vms" in line:
                break
        second = subprocess.run(demo.command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of the foreground
        said = process.stdout.read()
    assert process.returncode == 130, said
    assert "Interrupted" in said
    assert second.returncode == 1
    assert "It runs already" in second.stderr


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="what is cleared up is the same for everybody")
def test_what_a_killed_demo_left_is_removed_by_the_next_one(demo):
    with started(demo.command) as process:
        for line in process.stdout:
            if "Updating instance web" in line:
                break
        process.kill()
    clean = [word if word != "run" else "clean" for word in demo.command[:-2]]
    done = subprocess.run(clean, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="only root can become an ordinary user; the first test is then run directly")
def test_it_works_for_an_ordinary_user():
    need_vcsim()
    with home_of_a_user() as home:
        cache = home / ".cache/director-tests"
        cache.mkdir(parents=True)
        program = Path(shutil.copy(build(), cache))
        for path in (program, cache, cache.parent):
            os.chown(path, int(USER), int(USER))
        said = pytest_as_user(home, [THIS], TIMEOUT_S)
    assert "1 passed" in said, said
