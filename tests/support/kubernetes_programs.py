"""Kubernetes' real programs for tests: found in the cache of tools/kubernetes-blobs, else compiled, once on a machine.

Compiling takes minutes of both cores, so it has to be asked for by a switch of its own, in CI as well: without it a
test whose programs are not there is skipped, and says how to get them.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "kubernetes-blobs"
VERSION = "1.36.3"
FLAG = "DIRECTOR_TEST_KUBERNETES"
IS_ASKED_FOR = os.environ.get(FLAG) == "1"


def release(directory: Path, version: str = VERSION) -> Path:
    """A release directory below ``directory`` with the programs in it. Skips where they would have to be compiled."""
    made = directory / f"release-{version}"
    only = [] if IS_ASKED_FOR else ["--from-cache"]
    command = [sys.executable, str(TOOL), "--ready-made", *only, version, str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and only:
        pytest.skip(
            f"Kubernetes {version} is not compiled here, which takes minutes: set {FLAG}=1 to have it compiled and "
            f"tested, in CI as well"
        )
    assert done.returncode == 0, done.stderr
    return made


def hyperkube(directory: Path, version: str = VERSION) -> Path:
    """The directory with `etcd`, `etcdctl`, `kubectl` and the others."""
    (archive,) = (release(directory, version) / "blobs" / "hyperkube").iterdir()
    programs = directory / f"programs-{version}"
    with tarfile.open(archive) as tar:
        tar.extractall(programs, filter="data")
    for name in ("etcd", "etcdctl", "kubectl", "kube-apiserver"):
        (programs / name).symlink_to("hyperkube")
    return programs
