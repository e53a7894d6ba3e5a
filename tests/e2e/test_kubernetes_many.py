"""Hundreds of nodes, all but a few of them fake (kwok): what real ones need still comes to them, and only to them."""

import json
import subprocess

import pytest

from tests.e2e.kubernetes_fixtures import WITH_A_CLUSTER, kubernetes, local_stemcell, programs
from tests.support.go_fixtures import built
from tests.support.healing import until
from tests.support.kubernetes_deployed import DEPLOYMENT, ops
from tests.support.kubernetes_fake import PROGRAM, fake_nodes, fake_pods, subnets
from tests.support.kubernetes_programs import FLAG, IS_ASKED_FOR

__all__ = ["kubernetes", "local_stemcell", "programs"]
pytestmark = [*WITH_A_CLUSTER]
NODES = 300
PODS = 600
ROOM = (*ops("pod-range"), "-v", "pod_range=10.200.0.0/14")


@pytest.fixture(scope="module")
def kwok():
    if not PROGRAM.path.exists() and not IS_ASKED_FOR:
        pytest.skip(f"kwok is not compiled here, which takes minutes: set {FLAG}=1, in CI too")
    return built(PROGRAM)


@pytest.fixture(scope="module")
def release(programs):
    return programs()


@pytest.fixture(scope="module")
def cluster(kubernetes, release, kwok):
    """With many fake nodes. Its range has no room for all of them: it is the sample's."""
    kubernetes.deploy(release)
    made = kubernetes.cluster(release)
    with fake_nodes(made, kwok, kubernetes.folder, subnets(kubernetes.networks), NODES):
        yield made


def ranges(cluster):
    """By node; None where it has none."""
    return {node["metadata"]["name"]: node["spec"].get("podCIDR") for node in cluster.items("nodes")}


def routes(pid):
    """Gateway by range, as the VM with this pid 1 has them."""
    command = ["nsenter", "--net", f"--target={pid}", "ip", "-json", "route", "show", "proto", "77"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {route["dst"]: route["gateway"] for route in found}


def all_routed(kubernetes, cluster, label):
    """To how many nodes, once all of them are and nobody else is."""
    others = [node for node in cluster.items("nodes") if node["metadata"]["name"] != label.replace("/", "-")]
    due = {node["spec"]["podCIDR"]: node["status"]["addresses"][0]["address"] for node in others}
    pid = kubernetes.pid(label)
    until(lambda: routes(pid) == due, what=f"{label} has not all routes it should have, or others")
    return len(due)


def fakes(cluster):
    """What tells whether anybody has touched the fake nodes or their pods."""
    found = [*cluster.items("nodes", "--selector=type=fake"), *cluster.items("pods", "--selector=type=fake")]
    return {
        (one["kind"], one["metadata"]["name"]): (one["metadata"]["uid"], one["spec"].get("unschedulable", False))
        for one in found
    }


def test_a_range_that_is_used_up_is_enlarged_and_nodes_keep_what_they_have(kubernetes, release, cluster):
    # Kubernetes gives out 20 ranges a second.
    until(lambda: len([pods for pods in ranges(cluster).values() if pods]) == 256, 60, what="not all ranges are given")
    before = ranges(cluster)
    assert len(before) == NODES + 2
    kubernetes.deploy(release, *ROOM, *ops("workers"), "-v", "workers=3")
    until(lambda: all(ranges(cluster).values()), 60, what="not all nodes have a range")
    after = ranges(cluster)
    assert len(set(after.values())) == NODES + 3
    assert {name: after[name] for name, pods in before.items() if pods} == {n: p for n, p in before.items() if p}
    assert after["worker-2"].startswith("10.201.")


def test_every_vm_has_a_route_to_every_other_node(kubernetes, cluster):
    for label in ("master/0", "worker/0", "worker/1", "worker/2"):
        assert all_routed(kubernetes, cluster, label) == NODES + (3 if label == "master/0" else 2)


def test_a_worker_is_emptied_and_made_anew_among_many_and_no_other_is_touched(kubernetes, cluster):
    fake_pods(cluster, kubernetes.folder, PODS, NODES)
    before, boot, uid = fakes(cluster), cluster.boot_id("worker-0"), uid_of(cluster)
    assert len(before) == NODES + PODS
    kubernetes.director.run("-n", "-d", DEPLOYMENT, "recreate", "worker/0")
    assert cluster.boot_id("worker-0") != boot
    assert uid_of(cluster) == uid
    assert fakes(cluster) == before
    all_routed(kubernetes, cluster, "worker/0")


def uid_of(cluster):
    return cluster.ask("get", "node", "worker-0", "-o", "jsonpath={.metadata.uid}")


def test_a_worker_that_goes_leaves_neither_node_nor_route(kubernetes, release, cluster):
    gone = ranges(cluster)["worker-2"]
    kubernetes.deploy(release, *ROOM)
    assert "worker-2" not in ranges(cluster)
    for label in ("master/0", "worker/0"):
        all_routed(kubernetes, cluster, label)
        assert gone not in routes(kubernetes.pid(label))
