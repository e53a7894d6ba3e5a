"""A director of its own that deploys Kubernetes with real programs: what demo, tests and benchmarks begin with.

Knows nothing of pytest. Needs root, and a stemcell and programs, which are built the first time on a machine (minutes).
"""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.director import Director, director
from tests.support import kubernetes_cluster
from tests.support.healing import Vms
from tests.support.kubernetes_cluster import REGISTRY, REGISTRY_PORT, Cluster, Registry
from tests.support.local_stemcell import stemcell

VERSION: Final = "1.36.3"
FORMER: Final = "1.35.4"
DEPLOYMENT: Final = "kubernetes"
MANIFEST: Final = "manifests/kubernetes.yml"
CLOUD: Final = "manifests/cloud-config-kubernetes.yml"
OPS: Final = "manifests/ops/kubernetes"
NETWORKS: Final = "10.245."
"""How the addresses of the sample's cloud config begin. Two clusters need networks that differ."""
IMAGE: Final = f"{REGISTRY}:{REGISTRY_PORT}/page:1"
"""Of tests/tools/page, which says what serves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release directory with the programs of one version in it."""

    version: str
    directory: Path

    @property
    def words(self) -> tuple[str, ...]:
        """What a deploy is told to take it."""
        of = {"kubernetes_version": self.version, "kubernetes_release": self.directory}
        return (*ops("version"), *(word for name, value in of.items() for word in ("-v", f"{name}={value}")))


def make_release(folder: Path, compiler: str, version: str = VERSION) -> Release:
    """One of its own below ``folder``, beside others: from the user's cache, else compiled, once. Raises Wrong."""
    made = Release(version=version, directory=folder / f"release-{version}")
    kubernetes_cluster.make_programs(version, compiler, made.directory)
    return made


def ops(*names: str) -> tuple[str, ...]:
    """The words that apply these files of manifests/ops/kubernetes."""
    return tuple(word for name in names for word in ("-o", f"{OPS}/{name}.yml"))


def write_cloud_config(read: Callable[..., str], folder: Path, networks: str, *edits: object) -> Path:
    """The sample's with ops files over it (``edits``), on networks that begin as ``networks``, such as ``10.220.``."""
    file = folder / "cloud-config.yml"
    file.write_text(read("interpolate", CLOUD, *edits).replace(NETWORKS, networks))
    return file


def cluster(read: Callable[..., str], folder: Path, release: Path) -> Cluster:
    """As whoever runs the errand meets it, with all rights. ``read`` gives what a director's command prints."""
    rows = json.loads(read("--json", "-n", "-d", DEPLOYMENT, "run-errand", "kubeconfig"))["Tables"][0]["Rows"]
    kubeconfig, kubectl = folder / "kubeconfig", folder / "kubectl"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(rows[0]["stdout"])
    if not kubectl.exists():
        kubernetes_cluster.unpack_kubectl(folder, release)
    return Cluster(kubectl=kubectl, kubeconfig=kubeconfig)


def push_page(folder: Path, compiler: str, registry: dict[str, str], vms: Vms) -> Path:
    """Makes the page's image and pushes it to the registry of this row; the image's archive. Raises Wrong."""
    archive = kubernetes_cluster.make_image(folder, compiler, IMAGE)
    name, _, tag = IMAGE.partition("/")[2].partition(":")
    Registry(address=registry["ips"], ca=_registry_ca(vms.pid(registry["vm_cid"]))).push(archive, name, tag)
    return archive


def _registry_ca(pid: int) -> str:
    """The certificate by which the registry is known, as it lies in its VM."""
    file = "/var/vcap/jobs/registry/config/ca.crt"
    words = ["nsenter", "--mount", "--root", f"--target={pid}", "cat", file]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """``folder`` goes with it; ``networks`` is how all its addresses begin."""

    director: Director
    folder: Path
    networks: str

    @property
    def vms(self) -> Vms:
        return Vms(self.director.state)

    def deploy(self, release: Release, *more: str, expect: int = 0) -> str:
        """What the command prints. Raises SystemExit with it when it ends with another exit code than ``expect``."""
        return self.director.run("-n", "deploy", MANIFEST, *release.words, *more, expect=expect)

    def cluster(self, release: Release) -> Cluster:
        """With a kubeconfig of now: it lists the masters there are."""
        return cluster(self.director.run, self.folder, release.directory)

    def instances(self) -> dict[str, dict[str, str]]:
        """Rows of `instances --details` by group/index."""
        said = self.director.run("--json", "-d", DEPLOYMENT, "instances", "--details")
        rows = json.loads(said)["Tables"][0]["Rows"]
        return {f"{row['instance'].partition('/')[0]}/{row['index']}": row for row in rows}

    def pid(self, label: str) -> int:
        """Of pid 1 of the VM of ``master/0``: whoever kills it kills the VM."""
        return self.vms.pid(self.instances()[label]["vm_cid"])

    def push_page(self, compiler: str) -> None:
        """The page's image to the registry of private-registry.yml; then pods may be made of it. Raises Wrong."""
        push_page(self.folder, compiler, self.instances()["registry/0"], self.vms)


@contextlib.contextmanager
def ready_director(networks: str) -> Iterator[Deployed]:
    """A running director that has the stemcell and the cloud config; nothing of it is left. Raises ``CannotBuild``."""
    image = stemcell()
    with director() as made:
        folder = made.state.parent
        found = Deployed(director=made, folder=folder, networks=networks)
        made.run("-n", "upload-stemcell", str(image))
        made.run("-n", "update-cloud-config", str(write_cloud_config(made.run, folder, networks)))
        yield found
