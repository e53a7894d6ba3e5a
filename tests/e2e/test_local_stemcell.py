"""A real stemcell for this machine's VMs: what is in it, and what an upload, a crash and a deletion leave."""

import os
import signal
import subprocess
import time

import pytest

from director.adapters.archives.stemcell import open_stemcell
from director.adapters.archives.stream import Limits
from tests.e2e.conftest import one_director
from tests.support.local_stemcell import BUILD_S
from tests.support.local_stemcell_fixtures import local_stemcell

pytestmark = [pytest.mark.e2e, pytest.mark.root, pytest.mark.timeout(BUILD_S + 300)]

assert local_stemcell
NAME = "director-local-debian-bookworm"
PROGRAMS = """
    containerd containerd-shim-runc-v2 ctr runc iptables nft conntrack ip mount kmod ethtool socat ping curl ps python3
    mkfs.ext4 docker-registry tar gzip xz zstd unzip openssl
"""
PLUGINS = ("bridge", "host-local", "loopback", "portmap")


@pytest.fixture(scope="module")
def director(local_stemcell):
    with one_director() as made:
        yield made


@pytest.fixture(scope="module")
def root(director, local_stemcell):
    """The tree of the uploaded stemcell."""
    director.run("-n", "upload-stemcell", local_stemcell)
    (row,) = (row for row in director.rows("stemcells") if row["name"] == NAME)
    assert row["os"] == "debian-bookworm"
    return director.state / "stemcells" / row["cid"] / "root"


def _appears(place):
    """The tree that is being unpacked."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = list(place.glob("*.half"))
        if found:
            return found[0]
        time.sleep(0.01)
    raise AssertionError("nothing is unpacked")


def in_root(root, *command):
    done = subprocess.run(("chroot", str(root), *command), capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_it_has_what_a_kubelet_and_scripts_take_for_granted(root):
    asked = f'for one in {" ".join(PROGRAMS.split())}; do [ -n "$(command -v $one)" ] || echo $one; done'
    assert in_root(root, "sh", "-c", asked) == (0, "")
    assert {plugin.name for plugin in (root / "usr/lib/cni").iterdir()} >= set(PLUGINS)
    assert in_root(root, "iptables", "--version")[1].endswith("(nf_tables)\n")


def test_its_agent_starts_by_the_command_it_names(root, local_stemcell, tmp_path):
    read = open_stemcell(local_stemcell, tmp_path, Limits())
    program, *options = read.cloud_properties["agent"]["command"]
    assert options == ["--base", "/var/vcap"]
    assert "usage: director-agent" in in_root(root, program, "--help")[1]


def test_it_has_no_kernel_no_systemd_and_nothing_that_makes_vms_the_same(root):
    assert not list((root / "boot").iterdir())
    assert not (root / "usr/lib/systemd/systemd").exists()
    assert (root / "etc/machine-id").read_text() == ""
    assert [entry for name in ("dev", "proc", "run", "sys", "tmp") for entry in (root / name).iterdir()] == []
    assert not (root / "usr/sbin/policy-rc.d").exists()


def test_only_the_tree_stays_of_an_upload(root, director):
    assert sorted(entry.name for entry in root.parent.iterdir()) == ["root", "stemcell.json"]
    left = [entry for name in ("uploads", "scratch") for entry in (director.state / name).iterdir()]
    assert left == []
    assert not [
        blob for blob in (director.state / "blobs").rglob("*") if blob.is_file() and blob.stat().st_size > 1 << 20
    ]


def test_a_director_killed_while_it_unpacks_leaves_nothing_that_counts(root, director, local_stemcell):
    place = director.state / "stemcells"
    with director.start_command("-n", "upload-stemcell", "--fix", local_stemcell) as upload:
        half = _appears(place)
        os.kill(director.facts["pid"], signal.SIGKILL)
        upload.communicate(timeout=60)
    assert half.name.endswith(".half")
    director.run("local", "start")
    director.run("-n", "upload-stemcell", "--fix", local_stemcell)
    (row,) = (row for row in director.rows("stemcells") if row["name"] == NAME)
    assert sorted(entry.name for entry in place.iterdir()) == sorted({row["cid"], root.parent.name})


def test_a_deleted_stemcell_leaves_no_tree(root, director):
    version = next(row["version"] for row in director.rows("stemcells") if row["name"] == NAME)
    director.run("-n", "delete-stemcell", f"{NAME}/{version}")
    assert all(row["name"] != NAME for row in director.rows("stemcells"))
    assert list((director.state / "stemcells").iterdir()) == []
