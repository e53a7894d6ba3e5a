"""``make demo-heal`` heals what it breaks, says so, and leaves nothing, however it ends."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.e2e.conftest import IS_ROOT, ROOT, leftovers, started
from tests.support.ordinary_user import home_of_a_user, pytest_as_user

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]
THIS = "tests/e2e/test_demo_heal.py"
TIMEOUT_S = 130
OPS = ROOT / "manifests/ops/unprivileged.yml"
ROW = re.compile(r"  (\S.*?) {2,}([0-9.]+) s {2,}([0-9.]+) s   (.*)")


@pytest.fixture
def demo():
    """Its command, with addresses of this test run's own: somebody may be running the demo beside it."""
    with tempfile.TemporaryDirectory(prefix="demo-heal-") as name:
        folder, ops = Path(name) / "demo", Path(name) / "networks.yml"
        own = f"10.{100 + os.getpid() % 100}." if IS_ROOT else f"127.{100 + os.getpid() % 100}."
        ops.write_text(OPS.read_text().replace("127.16.", own))
        command = [sys.executable, ROOT / "tools/demo-heal", "run", "--folder", folder, "-o", ops]
        yield SimpleNamespace(command=command, folder=folder)
        assert not folder.exists()
        assert leftovers(SimpleNamespace(state=folder / "state")) == []
        assert _mentioning(str(folder)) == []
        assert own not in subprocess.run(["ip", "addr"], capture_output=True, text=True, check=True).stdout


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


def test_what_dies_in_the_demo_comes_back_and_how_is_told(demo):
    done = subprocess.run(
        demo.command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    rows = {
        match[1]: (float(match[2]), float(match[3]), match[4])
        for match in map(ROW.fullmatch, said.splitlines())
        if match
    }
    cut = ["store/0's network"] if IS_ROOT else []
    assert list(rows) == ["store/0's process", "proxy/0's VM", *cut, "web/2's VM meanwhile", "the director"]
    assert rows["store/0's process"][2].startswith("left to its agent")
    assert re.match("reboot its VM, by task [0-9]+; off", rows["proxy/0's VM"][2])
    assert rows["proxy/0's VM"][0] < 5
    if IS_ROOT:
        noticed_s, served_s, how = rows["store/0's network"]
        assert 4 < noticed_s < 12
        assert served_s > noticed_s
        assert re.match("recreate its VM, by task [0-9]+; unresponsive agent", how)
        assert "was removed before its disk and address went to" in said
    else:
        assert "No network was cut: only root's VMs have networks of their own." in said
    assert "nothing is lost" in said
    assert "Deployed, killed, healed, removed" in said


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="what is cleared up is the same for everybody")
def test_an_interrupted_demo_leaves_nothing_and_a_second_one_beside_it_disturbs_nothing(demo):
    with started(demo.command, start_new_session=True) as process:
        for line in process.stdout:
            if "A VM dies: the proxy's" in line:
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
    with home_of_a_user() as home:
        said = pytest_as_user(home, [THIS], TIMEOUT_S)
    assert "1 passed" in said, said
