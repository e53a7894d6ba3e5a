"""What happens when one thing of a running deployment is killed: a job, an agent, a VM, the director."""

import json
import os
import re
import signal
import time
import urllib.parse
import urllib.request
from collections import Counter

import psutil
import pytest

from tests.support.healing import end

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def deployed(director):
    director.deploy()
    _sign(director, "written before the kill")
    return director


def test_a_killed_job_comes_back_by_itself_in_the_same_vm(deployed):
    before = deployed.instances()["web/0"]
    killed = _kill(deployed, "web/0", "web.py")
    _until(lambda: _find(deployed, "web/0", "web.py") not in {None, killed})
    _until(lambda: _state(deployed, "web/0") == "running")
    assert deployed.instances()["web/0"]["vm_cid"] == before["vm_cid"]
    assert "No changes" in deployed.deploy()


def test_a_killed_agent_comes_back_and_its_jobs_have_not_noticed(deployed):
    job = _find(deployed, "web/1", "web.py")
    killed = _kill(deployed, "web/1", "-m agent")
    _until(lambda: _find(deployed, "web/1", "-m agent") not in {None, killed})
    _until(lambda: _state(deployed, "web/1") == "running")
    assert _find(deployed, "web/1", "web.py") == job
    assert "No changes" in deployed.deploy()


@pytest.mark.parametrize("label", ["web/2", "store/0"])
def test_a_killed_vm_comes_back_by_itself_with_its_data(deployed, label):
    before, told = deployed.instances(), _told(deployed)
    end(_vm(deployed, label))
    _until(lambda: _told(deployed)["recover"] > told["recover"])
    _until(lambda: _state(deployed, label) == "running" and not deployed.rows("tasks"))
    after = deployed.instances()
    assert {row["ips"] for row in after.values()} == {row["ips"] for row in before.values()}
    assert "written before the kill" in deployed.page()
    assert "No changes" in deployed.deploy()
    assert all(_told(deployed)[action] > told[action] for action in ("notice", "repair", "recover"))


@pytest.mark.parametrize("label", ["web/2", "store/0"])
def test_with_resurrection_off_a_killed_vm_is_reported_and_made_again_by_the_next_deploy(deployed, label):
    deployed.run("update-resurrection", "off")
    before = deployed.instances()
    end(_vm(deployed, label))
    _until(lambda: _state(deployed, label) == "unresponsive agent")
    _until(lambda: "resurrection is off" in deployed.run("health", expect=1))
    assert re.search(rf"\n  \S {label} +create: ", deployed.run("plan", "manifests/guestbook.yml"))
    assert "Instances: create 1\n" in deployed.deploy()
    after = deployed.instances()
    assert {row["process_state"] for row in after.values() if row["vm_cid"]} == {"running"}
    assert [one for one in after if after[one]["vm_cid"] != before[one]["vm_cid"]] == [label]
    assert "written before the kill" in deployed.page()
    deployed.run("update-resurrection", "on")


def test_a_killed_director_is_missed_by_nobody_and_started_by_the_next_deploy(deployed):
    before, url = deployed.instances(), deployed.url()
    os.kill(deployed.facts["pid"], signal.SIGKILL)
    assert "director local start" in deployed.run("instances", expect=3)
    assert "written before the kill" in urllib.request.urlopen(url, timeout=10).read().decode()
    said = deployed.deploy()
    assert "started the local one" in said
    assert "No changes" in said
    assert {label: row["vm_cid"] for label, row in deployed.instances().items()} == {
        label: row["vm_cid"] for label, row in before.items()
    }


def _vm(director, label):
    """The pid of a VM's pid 1, as its directory tells it."""
    path = director.state / "vms" / director.instances()[label]["vm_cid"] / "vm.json"
    return json.loads(path.read_text())["process"]["pid"]


def _find(director, label, words):
    """The pid of the process in a VM whose command line holds ``words``; None when there is none."""
    for process in psutil.Process(_vm(director, label)).children(recursive=True):
        try:
            if words in " ".join(process.cmdline()):
                return process.pid
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return None


def _kill(director, label, words):
    pid = _find(director, label, words)
    os.kill(pid, signal.SIGKILL)
    return pid


def _told(director):
    """How many events there are of each action."""
    return Counter(row["action"] for row in director.rows("-d", "guestbook", "events"))


def _state(director, label):
    return director.instances()[label]["process_state"]


def _until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def _sign(director, text):
    body = urllib.parse.urlencode({"name": "test", "text": text}).encode()
    urllib.request.urlopen(director.url(), data=body, timeout=10).read()
