"""What an operator changes in a cluster besides its size and version: pools, authorities, the disk of etcd.

One cluster for all of it, in the order of the tests, each of which leaves it well.
"""

import base64
import json
import subprocess
import sys

import pytest
import yaml

from tests.e2e.kubernetes_fixtures import WITH_A_CLUSTER, kubernetes, local_stemcell, programs  # noqa: F401  fixtures
from tests.support.healing import until
from tests.support.kubernetes_cluster import Cluster, Wrong, ready
from tests.support.kubernetes_deployed import DEPLOYMENT, ops

pytestmark = [*WITH_A_CLUSTER]
POOL = ops("node-pools")
AUTHORITIES = ("kubernetes_ca", "etcd_ca", "front_proxy_ca")
REFUSED = "the server has asked for the client to provide credentials|Unauthorized"
DNS = "10.96.0.10"
ASK_DNS = """
import socket, sys
server, name = sys.argv[1:]
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
asked = bytes([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + labels + bytes([0, 0, 1, 0, 1])
to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
to.settimeout(2)
to.sendto(asked, (server, 53))
sys.exit(to.recv(512)[3] & 15)
"""


class Scene:
    """The deployed cluster; ``pods`` are made of the one image that is on every node."""

    def __init__(self, deployed, release):
        self.deployed, self.release = deployed, release
        self.deploy()
        self.image = self.cluster.ask(
            "get", "deployment", "coredns", "-n", "kube-system", "-o", "jsonpath={..containers[0].image}"
        )

    def deploy(self, *more):
        said = self.deployed.deploy(self.release, *more)
        self.cluster = self.deployed.cluster(self.release)
        return said

    def rotate(self, *variables):
        for name in variables:
            self.deployed.director.run("-n", "-d", DEPLOYMENT, "rotate-variable", name)
        self.deploy()

    def nodes(self):
        return {node["metadata"]["name"]: node for node in self.cluster.items("nodes")}

    def run_pod(self, name, **spec):
        container = {"name": "one", "image": self.image, "imagePullPolicy": "Never"}
        whole = {"terminationGracePeriodSeconds": 1, "containers": [container], **spec}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}
        file = self.deployed.folder / f"{name}.json"
        file.write_text(json.dumps(pod))
        self.cluster.ask("apply", "-f", str(file))

    def pods(self):
        """How those of the default namespace are: node, identity, number of restarts."""
        return {
            pod["metadata"]["name"]: (
                pod["spec"].get("nodeName"),
                pod["metadata"]["uid"],
                sum(each["restartCount"] for each in pod["status"].get("containerStatuses", ())),
            )
            for pod in self.cluster.items("pods")
        }

    def resolves(self, name, label="worker/0"):
        """Whether the cluster's DNS knows it, asked from a node."""
        into = ["nsenter", f"--target={self.deployed.pid(label)}", "--net", sys.executable, "-c", ASK_DNS, DNS, name]
        return subprocess.run(into, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.fixture(scope="module")
def scene(kubernetes, programs):  # noqa: F811  fixtures
    return Scene(kubernetes, programs())


def test_a_pool_has_its_label_and_taint_and_only_pods_that_bear_it_come(scene):
    scene.deploy(*POOL)
    large = scene.nodes()["large-0"]
    assert ready(large)["status"] == "True"
    assert {key: large["metadata"]["labels"][key] for key in ("pool", "size")} == {"pool": "large", "size": "large"}
    assert {"key": "size", "value": "large", "effect": "NoSchedule"} in large["spec"]["taints"]
    bears = [{"key": "size", "operator": "Equal", "value": "large", "effect": "NoSchedule"}]
    scene.run_pod("bears", nodeSelector={"size": "large"}, tolerations=bears)
    scene.run_pod("bears-not", nodeSelector={"size": "large"})
    scene.cluster.ask("wait", "--for=condition=Ready", "pod/bears", "--timeout=60s")
    assert scene.pods()["bears"][0] == "large-0"
    assert scene.pods()["bears-not"][0] is None
    scene.cluster.ask("delete", "pod", "bears-not")


def test_a_pool_that_is_left_out_leaves_no_node_and_no_pod(scene):
    assert "delete 1" in scene.deploy()
    assert sorted(scene.nodes()) == ["worker-0", "worker-1"]
    assert "bears" not in scene.pods()


def test_every_authority_becomes_another_in_one_deploy_and_pods_go_on(scene):
    scene.run_pod("stays")
    scene.cluster.ask("wait", "--for=condition=Ready", "pod/stays", "--timeout=60s")
    token = scene.cluster.ask("create", "token", "default", "--duration=1h").strip()
    former, before = kept(scene.cluster), scene.pods()

    scene.rotate(*AUTHORITIES)

    assert {name: ready(node)["status"] for name, node in scene.nodes().items()} == {
        "worker-0": "True",
        "worker-1": "True",
    }
    assert scene.pods() == before
    with pytest.raises(Wrong, match="certificate signed by unknown authority"):
        former.ask("get", "nodes")
    with pytest.raises(Wrong, match=REFUSED):
        with_authority_of(former, scene.cluster).ask("get", "nodes")
    assert with_token(scene.cluster, token).ask("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == (
        "system:serviceaccount:default:default"
    )
    dns_learns_of(scene, "later")


def test_another_key_for_tokens_ends_those_of_before_and_dns_goes_on(scene):
    token, before = scene.cluster.ask("create", "token", "default", "--duration=1h").strip(), scene.pods()
    scene.rotate("service_account")
    with pytest.raises(Wrong, match=REFUSED):
        with_token(scene.cluster, token).ask("auth", "whoami")
    assert scene.pods() == before
    dns_learns_of(scene, "still-later")


def dns_learns_of(scene, service):
    scene.cluster.ask("create", "service", "clusterip", service, "--tcp=80:80")
    until(lambda: scene.resolves(f"{service}.default.svc.cluster.local"), what="DNS does not learn of a new service")


def with_token(cluster, token):
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    return written(cluster, "kubeconfig-token", config)


def kept(cluster):
    """The same with a kubeconfig that a later deploy does not renew."""
    copy = cluster.kubeconfig.with_name("kubeconfig-former")
    copy.touch(mode=0o600)
    copy.write_text(cluster.kubeconfig.read_text())
    return Cluster(kubectl=cluster.kubectl, kubeconfig=copy)


def with_authority_of(former, now):
    """``former``'s client certificate, shown to API servers as they are known now."""
    config, known = (yaml.safe_load(one.kubeconfig.read_text()) for one in (former, now))
    config["clusters"] = known["clusters"]
    return written(former, "kubeconfig-mixed", config)


def written(cluster, name, config):
    file = cluster.kubeconfig.with_name(name)
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    return Cluster(kubectl=cluster.kubectl, kubeconfig=file)


def test_a_larger_disk_for_etcd_keeps_every_object(scene):
    value = base64.b64encode(b"kept").decode()
    scene.cluster.ask("create", "secret", "generic", "old", "--from-literal=of=kept")
    before = scene.pods()
    cloud = yaml.safe_load((scene.deployed.folder / "cloud-config.yml").read_text())
    cloud["disk_types"].append({"name": "etcd-large", "disk_size": 6144})
    file = scene.deployed.folder / "cloud-config-large.yml"
    file.write_text(yaml.safe_dump(cloud))
    scene.deployed.director.run("-n", "update-cloud-config", str(file))
    ops_file = scene.deployed.folder / "disk.yml"
    place = "/instance_groups/name=master/persistent_disk_type"
    ops_file.write_text(f"- {{type: replace, path: {place}, value: etcd-large}}\n")
    scene.deploy("-o", str(ops_file))
    disk = scene.deployed.instances()["master/0"]["disks"]
    assert json.loads((scene.deployed.director.state / "disks" / f"{disk}.json").read_text())["size_mb"] == 6144
    assert scene.cluster.ask("get", "secret", "old", "-o", "jsonpath={.data.of}") == value
    assert scene.pods() == before
