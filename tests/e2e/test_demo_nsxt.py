"""``make demo-nsxt`` does what it shows, and leaves nothing, however it ends."""

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
THIS = "tests/e2e/test_demo_nsxt.py"
TIMEOUT_S = 120
OPS = ROOT / "manifests/ops/nsxt-unprivileged.yml"
BALANCER = """
- type: replace
  path: /networks/name=default/subnets/0/cloud_properties/load_balancer/virtual_servers/name=web/ip
  value: {address}
"""


@pytest.fixture
def demo(monkeypatch):
    """Its command, with addresses of this test run's own: somebody may be running the demo beside it."""
    need_vcsim()
    with tempfile.TemporaryDirectory(prefix="demo-nsxt-") as name:
        folder, ops = Path(name) / "demo", Path(name) / "networks.yml"
        number = 100 + os.getpid() % 100
        own = f"10.{number}." if IS_ROOT else f"127.{number}."
        ops.write_text(OPS.read_text().replace("127.18.", own) + BALANCER.format(address=f"127.{number}.0.80"))
        command = [sys.executable, ROOT / "tools/demo-nsxt", "run", "--folder", folder, "-o", ops]
        drawing = Path(name) / "map.svg"
        monkeypatch.setenv("DEMO_NETWORK_MAP", str(drawing))
        yield SimpleNamespace(command=command, folder=folder, page=f"http://127.{number}.0.80:8080/", drawing=drawing)
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


def test_the_demo_deploys_behind_a_load_balancer_goes_from_nat_to_routed_and_cleans_up(demo):
    done = subprocess.run(
        demo.command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    plan, deployed, tree, drawn, routed, after, left = _parted(
        said,
        "$ director plan",
        "$ director -n deploy",
        "$ director networks",
        "$ director network-map --text",
        "From NAT to routed",
        "$ director networks",
        "$ director -n -d guestbook delete-deployment",
    )
    assert "+ router default" in plan
    assert "+ virtual server default" in plan
    assert "Instances: create 5" in deployed
    assert f"$ curl {demo.page}\nThe guestbook answers." in deployed
    assert tree.count("announced") == 3
    assert "SNAT" in tree
    assert "┌─ ● load balancer default" in drawn
    assert "Networks: update 1" in routed
    assert "Instances:" not in routed
    assert f"$ curl {demo.page}\nThe guestbook answers." in routed
    assert "SNAT" not in after
    assert "Nothing of it is left in NSX-T, and nothing of others is missing." in left
    assert "<svg" in demo.drawing.read_text()


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
