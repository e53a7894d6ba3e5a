"""``make demo-kubernetes`` brings up a real cluster, does with it what it says, and leaves nothing, however it ends.

Its programs and stemcell may have to be built first, for minutes: only when asked for.
"""

import json
import re
import subprocess

import pytest

from tests.e2e.conftest import IS_ROOT, ROOT
from tests.support.demo import (
    OWN,
    demo_of,
    is_doubled_and_interrupted,
    is_killed_and_cleaned_up,
    parted,
    said_by,
    works_for_an_ordinary_user,
)
from tests.support.kubernetes_programs import FLAG, IS_ASKED_FOR

TIMEOUT_S = 3000
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(TIMEOUT_S + 100)]
asked_for = pytest.mark.skipif(
    not IS_ASKED_FOR, reason=f"a real Kubernetes cluster takes minutes to build the first time: set {FLAG}=1, in CI too"
)
NETWORKS = f"""
- type: replace
  path: /networks/name=default/subnets
  value:
    - {{range: {OWN}1.0/24, gateway: {OWN}1.1, azs: [z1]}}
    - {{range: {OWN}2.0/24, gateway: {OWN}2.1, azs: [z2]}}
    - {{range: {OWN}3.0/24, gateway: {OWN}3.1, azs: [z3]}}
"""
NODE = re.compile(r"^(worker-\d) +Ready +<none> +\S+ +v1\.36\.3 +([0-9.]+) ", re.MULTILINE)
POD = re.compile(r"^(page-\S+) +1/1 +Running .* (worker-\d) ", re.MULTILINE)
FETCHED = re.compile(r"^(page-\S+) on worker-\d$", re.MULTILINE)
FIGURE = re.compile(r"^  \S.*? +([0-9.]+) (?:s|MiB) +\(goal: \d+\)$", re.MULTILINE)


@pytest.fixture
def demo():
    with demo_of("demo-kubernetes", more_ops=NETWORKS) as made:
        yield made


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="nodes are VMs that only root can make")
@pytest.mark.kubernetes
@asked_for
def test_a_cluster_serves_an_image_made_now_is_resized_and_heals(demo):
    said = said_by(demo, TIMEOUT_S)
    made, image, grown, shrunk, killed, removed = parted(
        said,
        "$ director local start",
        "An image with one program in it",
        "One worker more",
        "Instances: create 1",
        "A worker dies",
        "All of it is removed",
    )
    assert [name for name, _ in NODE.findall(made)] == ["worker-0", "worker-1"]
    assert all(address.startswith(OWN) for _, address in NODE.findall(made))
    pods = dict(POD.findall(image))
    assert len(pods) == 3
    assert set(pods.values()) == {"worker-0", "worker-1"}
    pages = FETCHED.findall(image)
    assert len(pages) == 2
    assert set(pages) <= set(pods)
    assert NODE.findall(grown) == []
    three, two = shrunk.split("Instances: delete 1")
    assert [name for name, _ in NODE.findall(three)] == ["worker-0", "worker-1", "worker-2"]
    assert [name for name, _ in NODE.findall(two)] == ["worker-0", "worker-1"]
    assert re.search(r"noticed: off \(.*\)\n +decided: reboot its VM, by task \d+\n", killed)
    assert "worker-1 is Ready again, with a new boot id" in killed
    assert [name for name, _ in NODE.findall(killed)] == ["worker-0", "worker-1"]
    assert len(FETCHED.findall(killed)) == 1
    figures = [float(value) for value in FIGURE.findall(removed)]
    assert len(figures) == 4
    assert all(0 < value < 600 for value in figures)
    rows = {row["name"]: row["value"] for row in json.loads((ROOT / "build/bench.json").read_text())}
    names = ("ready_s", "demo_s", "director_cpu_s", "director_rss_mib")
    assert [rows[f"kubernetes_{name}"] for name in names] == figures


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="nodes are VMs that only root can make")
@pytest.mark.kubernetes
@asked_for
def test_an_interrupted_demo_leaves_nothing_and_a_second_one_beside_it_disturbs_nothing(demo):
    is_doubled_and_interrupted(demo, "Updating instance worker")


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="nodes are VMs that only root can make")
@pytest.mark.kubernetes
@asked_for
def test_what_a_killed_demo_left_is_removed_by_clean(demo):
    is_killed_and_cleaned_up(demo, "Updating instance worker")


@pytest.mark.skipif(IS_ROOT, reason="for root it works; the next test becomes an ordinary user and runs this one")
def test_an_ordinary_user_is_told_in_a_sentence_that_it_needs_root(demo):
    done = subprocess.run(demo.command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"[^.]+ only root can make here: run it as root\.\n", done.stderr)


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="only root can become an ordinary user; the test before is then run directly")
def test_an_ordinary_user_is_told_so():
    works_for_an_ordinary_user("tests/e2e/test_demo_kubernetes.py")
