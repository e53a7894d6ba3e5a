"""A real cluster is updated, loses VMs, gets more masters and fewer again: it serves, and forgets nothing.

One cluster for all of it, in the order of the tests, each of which leaves it well.
"""

import json
import re
import signal
import time
from contextlib import contextmanager

import pytest
import yaml

from tests.e2e.kubernetes_fixtures import WITH_A_CLUSTER, kubernetes, local_stemcell, programs  # noqa: F401  fixtures
from tests.support.go_program import go
from tests.support.healing import Api, Listener, end, kill, until
from tests.support.kubernetes_clients import api, pages
from tests.support.kubernetes_cluster import ready, serve_page
from tests.support.kubernetes_deployed import DEPLOYMENT, FORMER, VERSION, ops
from tests.support.kubernetes_etcd import are_in_sync, is_whole, members

pytestmark = [*WITH_A_CLUSTER]
REGISTRY = ops("private-registry")
MASTERS = tuple(f"master/{index}" for index in range(3))
WELL_S = 180
KEYS = 40
BAD = [
    {"type": "replace", "path": f"/instance_groups/name=worker/jobs/name=kubelet/properties/{name}?", "value": value}
    for name, value in {"settings": {"imageGCHighThresholdPercent": 300}, "ready_timeout": 10}.items()
]
"""No kubelet starts with this."""
GOOD = [{**BAD[0], "path": BAD[0]["path"].replace("settings", "max_pods"), "value": 100}]
UPDATING = re.compile(
    r"Updating instance \w+: (\w+)/\S+ \((\d+)\)(?: \(canary\))?( \(\d\d:\d\d:\d\d\))?$", re.MULTILINE
)


class Scene:
    """The deployed cluster and all that was written into it."""

    def __init__(self, deployed, release):
        self.deployed, self.release, self.written = deployed, release, set()
        self.repaired = "master/2"
        self.deploy()
        deployed.push_page(go())
        serve_page(self.cluster, 2)
        self.workers = [self.address(f"worker/{index}") for index in (0, 1)]
        for address in self.workers:
            until(pages(address).is_answered, what=f"the page is not met at {address}")

    def deploy(self, *more, expect=0):
        said = self.deployed.deploy(self.release, *REGISTRY, *more, expect=expect)
        self.cluster = self.deployed.cluster(self.release)
        return said

    def address(self, label):
        return self.deployed.instances()[label]["ips"]

    def nodes(self):
        """Version and whether it is Ready, by name."""
        return {
            one["metadata"]["name"]: (one["status"]["nodeInfo"]["kubeletVersion"], ready(one)["status"])
            for one in self.cluster.items("nodes")
        }

    def node(self, name):
        return json.loads(self.cluster.ask("get", "node", name, "-o", "json"))

    def write(self, what):
        """Objects that must not be lost."""
        names = [f"{what}-{number}" for number in range(KEYS)]
        kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        file = self.deployed.folder / "objects.json"
        items = [{**kind, "metadata": {"name": name}, "data": {"of": name}} for name in names]
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        self.cluster.ask("create", "-f", str(file))
        self.written |= set(names)

    @contextmanager
    def unrepaired(self):
        """Nothing is repaired meanwhile."""
        self.deployed.director.run("update-resurrection", "off")
        try:
            yield
        finally:
            self.deployed.director.run("update-resurrection", "on")

    def lost(self, label):
        """Of what was written, as the API server and etcd of this master have it."""
        context = f"--context={DEPLOYMENT}-{label.replace('/', '-')}"
        found = {one["metadata"]["name"]: one.get("data") for one in self.cluster.items("configmaps", context)}
        return {name for name in self.written if found.get(name) != {"of": name}}


@pytest.fixture(scope="module")
def scene(kubernetes, programs):  # noqa: F811
    """Of the former version, where that is to be had: the next test updates it."""
    try:
        first = programs(FORMER)
    except pytest.skip.Exception:
        first = programs()
    return Scene(kubernetes, first)


@pytest.fixture
def health(scene):
    """What is told of the deployment meanwhile."""
    with Listener(api=Api(scene.deployed.director.state), deployment=DEPLOYMENT) as listener:
        yield listener


def steps(said):
    """What a deploy did to instances that it updated, in order."""
    return [f"{group}/{index} {'done' if took else 'begun'}" for group, index, took in UPDATING.findall(said)]


def one_after_another(*labels):
    return [f"{label} {what}" for label in labels for what in ("begun", "done")]


def test_an_update_to_the_next_version_rolls_every_node_and_no_request_fails(scene, programs):  # noqa: F811
    programs(FORMER)  # skips where it is not to be had
    scene.release = programs()
    assert scene.nodes() == dict.fromkeys(("worker-0", "worker-1"), (f"v{FORMER}", "True"))
    with pages(*scene.workers) as visitors:
        said = scene.deploy()
    assert steps(said) == one_after_another("master/0", "worker/0", "worker/1")
    assert scene.nodes() == dict.fromkeys(("worker-0", "worker-1"), (f"v{VERSION}", "True"))
    assert visitors.failed == {}
    assert visitors.asked > 100


def test_a_failed_canary_stops_the_deploy_and_says_why_and_the_next_good_one_goes_on(scene):
    bad, good = (scene.deployed.folder / f"{name}.yml" for name in ("bad", "good"))
    bad.write_text(yaml.safe_dump(BAD))
    good.write_text(yaml.safe_dump(GOOD))
    vm = scene.deployed.instances()["worker/1"]["vm_cid"]
    kubelet = scene.deployed.vms.find(vm, "bin/kubelet ")
    with pages(*scene.workers) as visitors:
        failed = scene.deploy("-o", str(bad), expect=1)
        assert steps(failed) == ["worker/0 begun", "worker/0 done"]
        assert "1 of 2 post-start scripts failed. Failed Jobs: kubelet." in failed
        assert "imageGCHighThresholdPercent (--image-gc-high-threshold) 300 must be between 0 and 100" in failed
        assert scene.deployed.vms.find(vm, "bin/kubelet ") == kubelet
        went_on = scene.deploy("-o", str(good))
    assert steps(went_on) == one_after_another("worker/0", "worker/1")
    assert visitors.failed == {}


def test_one_master_becomes_three_and_etcd_has_all_that_was_written(scene):
    scene.write("one")
    scene.deploy(*ops("three-masters"))
    found = members(scene.deployed)
    assert [member.name for member in found] == ["master-0", "master-1", "master-2"]
    assert are_in_sync(found)
    assert [scene.lost(label) for label in MASTERS] == [set()] * 3


def test_the_leader_dies_and_the_others_answer_without_it_and_it_comes_back_with_its_data(scene, health):
    scene.write("three")
    before = members(scene.deployed)
    leader = scene.repaired = next(member.name for member in before if member.is_leader).replace("-", "/")
    rows = scene.deployed.instances()
    others = [label for label in MASTERS if label != leader]
    with scene.unrepaired():
        since = time.monotonic()
        end(scene.deployed.pid(leader))
        for label in others:
            until(api(scene.cluster.kubeconfig, rows[label]["ips"]).is_answered, WELL_S, what=f"{label} serves not")
    until(lambda: health.first(rows[leader]["instance"], "recover", since), WELL_S, what="it is not repaired")
    until(lambda: not health.now, WELL_S, what="it does not become well")
    until(lambda: is_whole(scene.deployed, others[0], before), WELL_S, what="etcd does not have its members back")
    assert scene.deployed.instances()[leader]["ips"] == rows[leader]["ips"]
    assert scene.lost(leader) == set()


def test_two_masters_that_die_at_once_are_repaired_one_after_the_other_and_it_is_said_why(scene, health):
    rows, before = scene.deployed.instances(), members(scene.deployed)
    left = scene.repaired  # it would be given a pause, so that nothing else held it back
    lost = [label for label in MASTERS if label != left]
    pids = [scene.deployed.pid(label) for label in lost]
    since = min(kill(pid, signal.SIGKILL) for pid in pids)
    repairs = until(lambda: both(health.since(since, "repair"), rows, lost), WELL_S, what="they are not repaired")
    until(lambda: not health.now, WELL_S, what="it does not become well")
    first, second = (repair.event["task"] for repair in repairs)
    ended = next(one for one in health.told if one.event.get("task") == first and "result" in one.event["context"])
    assert int(ended.event["id"]) < int(repairs[1].event["id"])
    assert second != first
    held = {row["hold"]["reason"] for at, row in health.unwell if at >= since and row["hold"] is not None}
    assert any(re.search(r"of the 3 instances of master, .* no more than 1 may be away at a time", why) for why in held)
    until(lambda: is_whole(scene.deployed, left, before), WELL_S, what="etcd does not have its members back")
    assert [scene.lost(label) for label in MASTERS] == [set()] * 3


def both(repairs, rows, labels):
    """Their events once there is one for each of the two, in order."""
    ids = {rows[label]["instance"] for label in labels}
    found = [one for one in repairs if one.event.get("instance") in ids]
    return found if len(found) == len(ids) else None


def test_three_masters_become_one_that_has_all_that_was_written(scene):
    scene.write("again")
    scene.deploy()
    (left,) = members(scene.deployed)
    assert left.name == "master-0"
    assert scene.lost("master/0") == set()
    assert {status for _, status in scene.nodes().values()} == {"True"}


def test_a_killed_worker_is_the_same_node_again_after_a_new_boot(scene, health):
    before = scene.node("worker-1")
    kill(scene.deployed.pid("worker/1"), signal.SIGKILL)
    scene.cluster.await_reboot("worker-1", before["status"]["nodeInfo"]["bootID"])
    after = scene.node("worker-1")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["podCIDR"] == before["spec"]["podCIDR"]
    until(lambda: not health.now, WELL_S, what="it does not become well")
    until(pages(scene.workers[1]).is_answered, WELL_S, what="the page is not met there again")
