"""The release kubernetes in its first form: sources, compiled by its own Go on compilation VMs, then taken elsewhere.

Compiled are its small programs; all of it, and a cluster of what came of that, only when asked for: some 400 s of CPU.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import IS_ROOT, ROOT, one_director, own_net
from tests.support import kubernetes_deployed
from tests.support.go_program import go
from tests.support.healing import Vms
from tests.support.kubernetes_cluster import ready
from tests.support.kubernetes_programs import TOOL, VERSION
from tests.support.local_stemcell_fixtures import local_stemcell

__all__ = ["local_stemcell"]
FLAG = "DIRECTOR_TEST_KUBERNETES_SOURCES"
IS_ASKED_FOR = os.environ.get(FLAG) == "1"
COMPILE_S = 3600
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.root,
    pytest.mark.kubernetes,
    pytest.mark.go,
    pytest.mark.skipif(not IS_ROOT, reason="VMs of a stemcell are VMs that only root can make"),
    pytest.mark.timeout(COMPILE_S),
]
RELEASE = f"kubernetes/{VERSION}"
SMALL = ("containerd", "cni")
"""Jobs without one program of Kubernetes itself."""
COMPILED = re.compile(r"Compiling packages: ([a-z-]+)/\w+ \(")
NODE = {
    "name": "node",
    "instances": 1,
    "azs": ["z1"],
    "stemcell": "default",
    "vm_type": "small",
    "networks": [{"name": "default"}],
    "jobs": [{"name": "containerd", "release": "kubernetes"}],
}


@contextmanager
def opened(archive, package):
    """A compiled package of an exported release."""
    with tarfile.open(archive) as release:
        inner = release.extractfile(f"compiled_packages/{package}.tgz")
        with tarfile.open(fileobj=inner) as tar:
            yield tar


def programs_of(archive, package):
    """The files of a compiled package, and whether they can be run."""
    with opened(archive, package) as tar:
        return {member.name.removeprefix("./"): bool(member.mode & 0o100) for member in tar if member.isfile()}


def read(archive, package, name):
    with opened(archive, package) as tar:
        return next(tar.extractfile(member).read() for member in tar if member.name.removeprefix("./") == name)


class Kept:
    """A director with the stemcell, and a cloud config in which there are compilation VMs of a size for Go."""

    def __init__(self, director, stemcell, networks):
        self.director = director
        director.run("-n", "upload-stemcell", stemcell)
        cloud = kubernetes_deployed.write_cloud_config(director.run, director.folder, networks)
        director.run("-n", "update-cloud-config", cloud)
        (row,) = (row for row in director.rows("stemcells") if row["os"] == "debian-bookworm")
        self.stemcell = f"{row['os']}/{row['version'].rstrip('*')}"

    def deploy(self, version, *groups, **release):
        """A deployment of these instance groups; the names of the packages compiled for it."""
        manifest = {
            "name": "kubernetes",
            "releases": [{"name": "kubernetes", "version": version, **release}],
            "stemcells": [{"alias": "default", "os": "debian-bookworm", "version": "latest"}],
            "update": yaml.safe_load((ROOT / kubernetes_deployed.MANIFEST).read_text())["update"],
            "instance_groups": groups,
        }
        file = self.director.folder / "manifest.yml"
        file.write_text(yaml.safe_dump(manifest))
        return COMPILED.findall(self.director.run("-n", "deploy", file))

    def export(self, version, *jobs):
        """The archive, and the names of the packages compiled for it."""
        out = self.director.folder / "-".join(("exported", version, *jobs))
        words = ("--dir", out, *(word for job in jobs for word in ("--job", job)))
        asked = ("-d", "kubernetes", "export-release", f"kubernetes/{version}", self.stemcell, *words)
        said = self.director.run(*asked, timeout=COMPILE_S)
        (archive,) = out.iterdir()
        return archive, COMPILED.findall(said)


@contextmanager
def kept(stemcell, *, second=False):
    with one_director(second=second) as director:
        yield Kept(director, stemcell, f"{own_net(second=second)}.")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The release directory with sources and toolchain: from the cache, else fetched, which takes a minute or two."""
    compiler = go()
    if compiler is None:
        without = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        without("Go modules are fetched by Go: install Go 1.26 or newer")
    env = {**os.environ, "PATH": f"{Path(compiler).parent}{os.pathsep}{os.environ['PATH']}"}
    directory = tmp_path_factory.mktemp("sources") / "kubernetes"
    command = [sys.executable, TOOL, VERSION, directory]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    archives = {path.parent.name: path.name for path in (directory / "blobs").rglob("*.tar.gz")}
    assert sorted(archives) == ["cni-plugins", "coredns", "go", "hyperkube"]
    assert all(file.endswith("-source.tar.gz") for name, file in archives.items() if name != "go")
    return directory


@pytest.fixture(scope="module")
def first(local_stemcell):
    with kept(local_stemcell) as made:
        yield made


@pytest.fixture(scope="module")
def exported(first, sources):
    """Compiled out of a deployment without instances."""
    assert first.deploy(VERSION, url=f"file://{sources}") == []
    archive, compiled = first.export(VERSION, *SMALL)
    assert sorted(compiled) == ["cni-plugins", "go", "node-tools", "pause"]
    return archive


def test_what_is_compiled_from_source_are_programs(exported):
    assert programs_of(exported, "cni-plugins") == dict.fromkeys(
        (f"bin/{name}" for name in ("bridge", "host-local", "loopback", "pod-range", "portmap")), True
    )
    assert programs_of(exported, "pause") == {"images/pause.tar": False}
    assert read(exported, "go", "bin/go").startswith(b"\x7fELF")


def test_packages_that_are_the_same_in_another_version_are_not_compiled_again(first, exported, sources, tmp_path):
    other = tmp_path / "kubernetes"
    shutil.copytree(sources, other)
    with (other / "jobs" / "cni" / "templates" / "bpm.yml.j2").open("a") as file:
        file.write("# of another version\n")
    assert first.deploy("other", url=f"file://{other}") == []
    archive, compiled = first.export("other", *SMALL)
    assert compiled == []
    assert programs_of(archive, "pause") == programs_of(exported, "pause")


def test_another_director_runs_them_without_source_and_without_compiling(exported, local_stemcell):
    with kept(local_stemcell, second=True) as second:
        second.director.run("-n", "upload-release", exported)
        assert second.deploy(VERSION, NODE) == []
        inside = within(second.director, "node/0")
        asked = inside("sh", "-c", "CNI_COMMAND=VERSION /var/vcap/packages/cni-plugins/bin/bridge </dev/null")
        assert "1.0.0" in json.loads(asked)["supportedVersions"]
        assert not inside("sh", "-c", "ls -d /var/vcap/packages/go || true")
        image = "localhost/kubernetes/pause:1"
        inside("ctr", "images", "import", "/var/vcap/packages/pause/images/pause.tar")
        inside("ctr", "run", "--detach", image, "held")
        (line,) = (line for line in inside("ctr", "tasks", "ls").splitlines() if line.startswith("held "))
        assert line.endswith("RUNNING")
        inside("ctr", "tasks", "kill", "--signal", "SIGKILL", "held")


def within(director, label):
    """Runs a command in the VM of ``node/0``; what it prints."""
    pid = Vms(director.state).pid(director.instances("kubernetes")[label]["vm_cid"])
    enter = ["nsenter", f"--target={pid}", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root"]

    def run(*words):
        done = subprocess.run([*enter, *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.mark.skipif(
    not IS_ASKED_FOR, reason=f"all of Kubernetes is compiled for many minutes: set {FLAG}=1, in CI as well"
)
def test_a_cluster_comes_up_from_an_exported_release_without_compiling(
    first, exported, sources, local_stemcell, tmp_path
):
    whole, compiled = first.export(VERSION)
    assert sorted(compiled) == ["coredns", "hyperkube"], "what the tests before compiled is there"
    kubectl = tmp_path / "kubectl"
    kubectl.write_bytes(read(whole, "hyperkube", "bin/hyperkube"))
    kubectl.chmod(0o755)
    with kept(local_stemcell, second=True) as second:
        second.director.run("-n", "upload-release", whole)
        words = (*kubernetes_deployed.ops("workers"), "-v", "workers=1")
        said = second.director.run("-n", "deploy", kubernetes_deployed.MANIFEST, *words, timeout=COMPILE_S)
        assert "Uploading release" not in said, "the release directory that the manifest names is not read"
        assert COMPILED.findall(said) == []
        nodes = kubernetes_deployed.cluster(second.director.run, tmp_path, sources).items("nodes")
        assert [(node["metadata"]["name"], ready(node)["status"]) for node in nodes] == [("worker-0", "True")]
        assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {f"v{VERSION}"}
