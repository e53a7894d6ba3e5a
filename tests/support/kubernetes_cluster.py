"""A Kubernetes cluster that a director deployed on this machine, as its user meets it: kubectl, images, pages.

For demos, tests and benchmarks: knows nothing of pytest.
"""

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support import interruptible

ROOT: Final = Path(__file__).resolve().parents[2]
RELEASE: Final = ROOT / "manifests" / "releases" / "kubernetes"
PAGE: Final = ROOT / "tests" / "tools" / "page"
REGISTRY: Final = "registry.internal"
REGISTRY_PORT: Final = 5000
PAGE_PORT: Final = 30080
BUILD_S: Final = 3600
ASK_S: Final = 60
READY: Final = '{.status.conditions[?(@.type=="Ready")].status}'


class Wrong(Exception):
    """Something is not as it has to be; the words are for whoever started this."""


def make_programs(version: str, compiler: str, release: Path = RELEASE) -> None:
    """Kubernetes' programs into a release directory: from the user's cache, else compiled, once. Raises Wrong."""
    path = f"{Path(compiler).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    words = [sys.executable, str(ROOT / "tools" / "kubernetes-blobs"), "--ready-made", version, str(release)]
    done = interruptible.run(words, timeout_s=BUILD_S, env={**os.environ, "PATH": path}, is_shown=True)
    if done.returncode:
        raise Wrong(
            f"Without its programs there is no Kubernetes (tools/kubernetes-blobs ended with {done.returncode})."
        )


def unpack_kubectl(folder: Path, release: Path = RELEASE) -> Path:
    """kubectl is one of the programs in the release's archive."""
    (archive,) = (release / "blobs" / "hyperkube").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extract("hyperkube", folder, filter="data")
    kubectl = folder / "kubectl"
    (folder / "hyperkube").rename(kubectl)
    return kubectl


def ready(node: dict[str, Any]) -> dict[str, str]:
    """A node's condition of that name."""
    found: dict[str, str] = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    kubectl: Path
    kubeconfig: Path

    def ask(self, *words: str) -> str:
        """What kubectl prints. Raises Wrong with its words."""
        done = subprocess.run(self._command(*words), capture_output=True, text=True, timeout=2 * ASK_S, check=False)
        if done.returncode:
            raise Wrong(f"kubectl {' '.join(words)} ended with {done.returncode}.\n{done.stdout}{done.stderr}")
        return done.stdout

    def items(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ask("get", *words, "-o", "json"))["items"]
        return found

    def boot_id(self, node: str) -> str:
        return self.ask("get", "node", node, "-o", "jsonpath={.status.nodeInfo.bootID}")

    def await_reboot(self, node: str, former: str) -> None:
        """Until it is Ready with another boot id than ``former``. Raises Wrong when it is not so in time."""
        self._await("node", node, "{.status.nodeInfo.bootID}", lambda boot: boot != former)

    def await_restart(self, pod: str, since: float) -> None:
        """Until its first container is Ready and was started after ``since`` (seconds since 1970). Raises Wrong."""
        started = "{.status.containerStatuses[0].state.running.startedAt}"
        self._await("pod", pod, started, lambda at: bool(at) and datetime.fromisoformat(at).timestamp() >= int(since))

    def _await(self, kind: str, name: str, field: str, is_it: Callable[[str], bool]) -> None:
        """Until it is Ready and its field is right. It is watched, not asked again and again. Raises Wrong."""
        shape = f'jsonpath={READY} {field}{{"\\n"}}'
        watch = self._command("get", kind, name, "--watch", f"--request-timeout={ASK_S}s", "-o", shape)
        with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    ready, _, value = line.strip().partition(" ")
                    if ready == "True" and is_it(value):
                        return
            finally:
                process.kill()
        raise Wrong(f"{kind.capitalize()} {name} is not Ready again within {ASK_S} s.")

    def _command(self, *words: str) -> list[str]:
        return [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", *words]


def serve_page(cluster: Cluster, replicas: int) -> None:
    """So many replicas of the page over the nodes there are, of which one at a time may be evicted. Raises Wrong."""
    objects = list(yaml.safe_load_all((PAGE / "page.yml").read_text()))
    objects[0]["spec"]["replicas"] = replicas
    file = cluster.kubeconfig.parent / "page.yml"
    file.write_text(yaml.safe_dump_all(objects))
    cluster.ask("apply", "-f", str(file))
    cluster.ask("create", "poddisruptionbudget", "page", "--selector=app=page", "--max-unavailable=1")
    cluster.ask("rollout", "status", "deployment/page", f"--timeout={ASK_S}s")


def make_image(folder: Path, compiler: str, reference: str) -> Path:
    """An archive with one program in it, compiled now, and nothing else: no base image. Raises Wrong."""
    program, archive = folder / "page", folder / "page.tar"
    env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
    compiled = [compiler, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), "."]
    packed = [sys.executable, str(RELEASE / "src" / "node-tools" / "oci_image.py"), reference, str(archive)]
    for words in (compiled, [*packed, "/page", f"{program}=/page"]):
        done = interruptible.run(words, timeout_s=BUILD_S, cwd=PAGE, env=env)
        if done.returncode:
            raise Wrong(f"The image could not be made:\n{done.stdout}{done.stderr}")
    return archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One that is met at ``address`` and proves with ``ca`` (PEM) that it is ``registry.internal``."""

    address: str
    ca: str

    def push(self, archive: Path, name: str, tag: str) -> None:
        """All of an image in OCI's layout, by the distribution API. Raises Wrong."""
        with tarfile.open(archive) as tar:
            entry = json.loads(_content(tar, "index.json"))["manifests"][0]
            manifest = _blob(tar, entry["digest"])
            parts = json.loads(manifest)
            for part in (parts["config"], *parts["layers"]):
                self._upload(name, part["digest"], _blob(tar, part["digest"]))
        self._ask("PUT", f"/v2/{name}/manifests/{tag}", manifest, entry["mediaType"])

    def _upload(self, name: str, digest: str, data: bytes) -> None:
        place = self._ask("POST", f"/v2/{name}/blobs/uploads/")
        path = place.partition(f":{REGISTRY_PORT}")[2] or place
        self._ask("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", data, "application/octet-stream")

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> str:
        """Where it says to go on."""
        connection = http.client.HTTPSConnection(REGISTRY, REGISTRY_PORT)
        context = ssl.create_default_context(cadata=self.ca)
        plain = socket.create_connection((self.address, REGISTRY_PORT), timeout=ASK_S)
        connection.sock = context.wrap_socket(plain, server_hostname=REGISTRY)
        try:
            connection.request(method, path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Wrong(f"The registry answers {answer.status} to {method} {path}: {said[:200]!r}")
        return answer.headers.get("Location", "")


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None, name
    return file.read()


def _blob(tar: tarfile.TarFile, digest: str) -> bytes:
    return _content(tar, f"blobs/{digest.replace(':', '/')}")
