"""What happens when the director dies, or is told to stop, in the middle of a deploy."""

import os
import signal
import time

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def _vms(director):
    return sorted(path.name for path in (director.state / "vms").glob("*") if (path / "vm.json").exists())


@pytest.mark.parametrize("vms_before_the_kill", [1, 3, 5])
def test_a_director_started_after_a_kill_goes_on_with_the_deploy_by_itself_and_doubles_nothing(
    director, vms_before_the_kill
):
    with director.start_command("-n", "deploy", "manifests/guestbook.yml") as command:
        _until(lambda: len(_vms(director)) >= vms_before_the_kill)
        os.kill(director.facts["pid"], signal.SIGKILL)
        command.communicate(timeout=60)
    assert command.returncode == 3
    director.run("local", "start")
    task = director.rows("tasks", "--recent", "1")[0]
    director.run("task", task["id"])
    assert director.rows("tasks", "--recent", "1")[0]["state"] == "done"
    found = director.instances()
    running = [row["vm_cid"] for row in found.values() if row["vm_cid"]]
    assert len(running) == 5
    assert _vms(director) == sorted(running)
    assert {row["process_state"] for row in found.values() if row["vm_cid"]} == {"running"}
    assert "guestbook" in director.page().lower()
    director.run("-n", "-d", "guestbook", "delete-deployment")
    assert _vms(director) == []
    for orphan in director.rows("disks"):
        director.run("-n", "delete-disk", orphan["disk_cid"])


def test_vms_outlive_the_directors_restart(director):
    director.deploy()
    before = director.instances()
    page = director.url()
    director.run("local", "stop")
    director.run("local", "start")
    assert director.url() == page
    assert "No changes" in director.deploy()
    assert {k: v["vm_cid"] for k, v in director.instances().items()} == {k: v["vm_cid"] for k, v in before.items()}


def test_interrupting_the_command_leaves_the_task_running_and_cancelling_stops_it(director):
    director.run("-n", "-d", "guestbook", "delete-deployment")
    with director.start_command("-n", "deploy", "manifests/guestbook.yml") as command:
        _until(lambda: _vms(director))
        command.send_signal(signal.SIGINT)
        _, err = command.communicate(timeout=30)
    assert command.returncode == 130
    task = director.rows("tasks")[0]
    assert task["state"] == "processing"
    assert f"director cancel-task {task['id']}" in err
    director.run("cancel-task", task["id"])
    director.run("task", task["id"], expect=1)
    newest = director.rows("tasks", "--recent", "1")[0]
    assert newest["state"] == "cancelled"
    director.deploy()
    assert "guestbook" in director.page().lower()
