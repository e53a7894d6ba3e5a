"""How `node.py` tells whether the kubelet that runs now says Ready: its post-start, with a kubectl of the test's."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.kubernetes import RELEASE

NODE = RELEASE / "src" / "node-tools" / "node.py"
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
RANGE = {"podCIDR": "10.200.7.0/24"}
KUBECTL = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$*" in
  *leases*) cat "$(dirname "$0")/lease.json" ;;
  *"get node"*) cat "$(dirname "$0")/node.json" ;;
esac
"""


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def start(tmp_path):
    """Runs post-start of a kubelet that was started this very moment."""

    def start(*, boot=BOOT, ready="True", said_s_ago=-1, renewed_s_ago=None, runs=True, spec=RANGE):
        (tmp_path / "kubelet.pid").unlink(missing_ok=True)
        if runs:
            (tmp_path / "kubelet.pid").write_text("1")
        condition = {"type": "Ready", "status": ready, "message": "no network", "lastHeartbeatTime": ago(said_s_ago)}
        status = {"nodeInfo": {"bootID": boot}, "conditions": [condition]}
        (tmp_path / "node.json").write_text(json.dumps({"metadata": {"labels": {}}, "spec": spec, "status": status}))
        if renewed_s_ago is not None:
            (tmp_path / "lease.json").write_text(json.dumps({"spec": {"renewTime": ago(renewed_s_ago)}}))
        kubectl = tmp_path / "kubectl"
        kubectl.write_text(KUBECTL)
        kubectl.chmod(0o755)
        config = {"node": "worker-0", "kubectl": str(kubectl), "kubeconfig": "", "note": str(tmp_path / "note")}
        config |= {
            "log": str(tmp_path / "kubelet.log"),
            "pidfile": str(tmp_path / "kubelet.pid"),
            "labels": {},
            "pod_range": "10.200.0.0/16",
            "range_s": 0.5,
            "ready_s": 0.5,
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        command = [sys.executable, str(NODE), str(tmp_path / "config.json"), "post-start"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.stderr.strip().rpartition(": ")[2] if done.returncode else "ready"

    return start


def test_a_new_node_that_says_ready_is_so_before_it_has_a_lease(start):
    assert start() == "ready"


def test_a_ready_from_before_the_kubelet_was_started_counts_for_nothing_without_a_new_lease(start):
    assert start(said_s_ago=60, renewed_s_ago=60) == "its kubelet has not spoken since it was started"
    assert start(said_s_ago=60, renewed_s_ago=-1) == "ready"


def test_what_the_kubelet_before_said_as_it_ended_is_not_taken_for_this_one(start):
    assert start(said_s_ago=0.3, renewed_s_ago=0.3) == "its kubelet has not spoken since it was started"
    assert start(runs=False) == "its kubelet does not run"


def test_what_is_from_another_boot_or_not_ready_is_waited_for_and_told(start):
    assert start(boot="another") == "what is known of it is from before this boot"
    assert start(ready="False") == "no network"


def test_a_node_that_never_is_ready_tells_what_its_kubelet_complained_of_last(start, tmp_path):
    lines = ["E1121 19:00:00.000001 1 a.go:1] first", "E1121 19:00:01.000001 1 a.go:2] no runtime", "I1121 more", ""]
    (tmp_path / "kubelet.log").write_text("\n".join(lines))
    assert start(ready="False").endswith("no runtime")


def test_a_node_that_gets_no_range_for_its_pods_takes_none_until_it_has_one(start, tmp_path):
    assert "all of 10.200.0.0/16 may be taken" in start(spec={})
    asked = (tmp_path / "asked").read_text()
    assert "annotate node worker-0 --overwrite drained-by-deployment=true" in asked
    assert asked.strip().endswith("cordon worker-0")
    assert start() == "ready"


def test_a_node_that_never_was_known_is_given_up_at_once(tmp_path):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("""#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$*" in *delete*) exit 0 ;; esac
echo 'Error from server (NotFound): nodes "worker-0" not found' >&2
exit 1
""")
    kubectl.chmod(0o755)
    (tmp_path / "note").write_text(json.dumps({"BOSH_INSTANCE_NEXT_STATE": "delete"}))
    config = {"node": "worker-0", "kubectl": str(kubectl), "kubeconfig": "", "note": str(tmp_path / "note")}
    (tmp_path / "config.json").write_text(json.dumps(config | {"programs": []}))
    command = [sys.executable, str(NODE), str(tmp_path / "config.json"), "drain", "job_shutdown"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "0\n"
    assert "its kubelet never made the node known" in done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert ["annotate" in asked[0], "delete node worker-0" in asked[1], len(asked)] == [True, True, 2]
