"""How `node.py` tells whether the kubelet that runs now says Ready: its post-start, with a kubectl of the test's."""

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.layout import Layout
from tests.support.kubernetes import RELEASE, Ground, manifest

NODE = RELEASE / "src" / "node-tools" / "node.py"
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
RANGE = {"podCIDR": "10.200.7.0/24"}
KUBECTL = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$*" in
  *"get node"*) cat "$(dirname "$0")/node.json" ;;
esac
"""


def stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def kubelet(tmp_path):
    """A process that began in the middle of a second, and its pid file; returns that second."""
    time.sleep((1.5 - time.time() % 1) % 1)
    with subprocess.Popen(["sleep", "60"]) as process:
        (tmp_path / "kubelet.pid").write_text(f"{process.pid}\n")
        yield int(time.time())
        process.kill()


@pytest.fixture
def start(tmp_path, kubelet):
    """Runs post-start. The node's Ready is as old as the kubelet's process, but for ``said_s`` that it is younger."""

    def start(*, boot=BOOT, ready="True", said_s=1, spec=RANGE):
        condition = {
            "type": "Ready",
            "status": ready,
            "message": "no network",
            "lastHeartbeatTime": stamp(kubelet + said_s),
        }
        status = {"nodeInfo": {"bootID": boot}, "conditions": [condition]}
        (tmp_path / "node.json").write_text(json.dumps({"metadata": {"labels": {}}, "spec": spec, "status": status}))
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


def test_what_this_kubelet_said_counts_from_the_second_after_its_start(start):
    assert start(said_s=1) == "ready"
    assert start(said_s=2) == "ready"


def test_a_ready_of_the_kubelet_before_counts_for_nothing(start):
    assert start(said_s=0) == "its kubelet has not spoken since it was started"
    assert start(said_s=-60) == "its kubelet has not spoken since it was started"


@pytest.mark.parametrize("pid", ["", "4194305"])
def test_a_kubelet_that_does_not_run_is_not_ready(start, tmp_path, pid):
    (tmp_path / "kubelet.pid").write_text(pid)
    assert start() == "its kubelet does not run"


def test_a_kubelet_that_the_agent_started_with_the_vm_is_ready_although_pre_start_runs_beside_it(start, tmp_path):
    """Its pid file is the one that the agent writes, and pre-start leaves it."""
    scripts = placed(tmp_path)
    written = Layout(base=tmp_path).run("kubelet") / "kubelet.pid"
    (tmp_path / "sys").symlink_to("data/sys")
    written.parent.mkdir(parents=True)
    (tmp_path / "kubelet.pid").rename(written)
    (tmp_path / "kubelet.pid").symlink_to(json.loads(scripts["node.json"].read_text())["pidfile"])
    subprocess.run([scripts["pre-start"]], timeout=30, check=True)
    assert start() == "ready"


def test_a_kubelet_does_not_speak_in_the_second_in_which_its_process_began(tmp_path):
    kubelet = placed(tmp_path)["kubelet"]
    for _ in range(2):
        began = int(time.time())
        said = int(subprocess.run([kubelet], capture_output=True, timeout=30, check=True).stdout)
        assert said > began


def placed(folder):
    """The job's scripts with ``folder`` for /var/vcap; its kubelet says the time, and ends."""
    ground = Ground(folder / "ground")
    asyncio.run(ground.read())
    files = asyncio.run(ground.render(manifest()))["worker-0"]
    for name, said in {"node-tools/import-images": "", "hyperkube/bin/kubelet": "exec date +%s"}.items():
        executable(folder / "packages" / name, f"#!/bin/sh\n{said}\n")
    made = {}
    for name in ("bin/pre-start", "bin/kubelet", "config/node.json"):
        text = files[f"kubelet/{name}"].replace("/var/vcap", str(folder)).replace("/var/log", f"{folder}/log")
        path = folder / Path(name).name
        made[path.name] = executable(path, text)
    return made


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


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
