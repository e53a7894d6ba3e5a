"""The sample's whole life, in order: deployed, looked at, changed, broken, healed, deleted."""

import json
import re
import sqlite3
import urllib.parse
import urllib.request
from contextlib import closing

import pytest
import yaml

from tests.e2e.conftest import ROOT, leftovers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_it_is_deployed_and_answers(director):
    assert "Instances: create 5\n" in director.deploy(), "an errand gets no VM at deploy"
    found = director.instances()
    assert {label: row["process_state"] for label, row in found.items() if "smoke" not in label} == {
        "store/0": "running",
        "web/0": "running",
        "web/1": "running",
        "web/2": "running",
        "proxy/0": "running",
    }
    assert len({row["az"] for label, row in found.items() if label.startswith("web/")}) == 3
    assert "guestbook" in director.page().lower()


def test_its_smoke_tests_pass_and_leave_no_vm(director):
    said = director.run("-n", "-d", "guestbook", "run-errand", "smoke-tests")
    assert "Exit Code  0" in said
    assert [row["vm_cid"] for label, row in director.instances().items() if "smoke" in label] in ([], [""])


def test_an_errand_that_succeeded_is_run_again_only_when_something_changed_if_asked_so(director):
    command = ("-n", "-d", "guestbook", "run-errand", "smoke-tests")
    assert "was not run" in director.run(*command, "--when-changed")
    assert "Exit Code  0" in director.run(*command)


def test_deploying_again_changes_nothing(director):
    before = director.instances()
    assert "No changes" in director.deploy()
    assert director.instances() == before


def test_a_plan_says_what_and_why_and_touches_nothing(director):
    before = director.instances()
    said = director.run("plan", "manifests/guestbook.yml", "-o", "manifests/ops/scale-web.yml")
    assert re.search(r"\+ web/3 +create: new", said)
    assert director.instances() == before


def test_web_is_scaled_up_and_down_and_keeps_its_lowest_instances(director):
    before = director.instances()
    director.deploy("-o", "manifests/ops/scale-web.yml")
    assert sum(label.startswith("web/") for label in director.instances()) == 5
    director.deploy("-o", _ops(director, "web-2.yml", "/instance_groups/name=web/instances", 2))
    after = director.instances()
    assert sorted(label for label in after if label.startswith("web/")) == ["web/0", "web/1"]
    assert after["web/0"]["vm_cid"] == before["web/0"]["vm_cid"]
    director.deploy()


def test_a_changed_property_restarts_only_who_uses_it_the_canary_first(director):
    before = director.instances()
    said = director.deploy("-o", "manifests/ops/change-title.yml")
    updated = re.findall(r"Updating instance (\w+): \w+/\S+ \((\d)\)( \(canary\))?\n", said)
    assert {group for group, _, _ in updated} == {"web"}
    assert updated[0][2] == " (canary)"
    after = director.instances()
    assert {label: row["vm_cid"] for label, row in after.items()} == {
        label: row["vm_cid"] for label, row in before.items()
    }
    director.deploy()


def test_a_rotated_secret_reaches_all_who_use_it(director):
    name = director.rows("-d", "guestbook", "variables")[0]["name"]
    director.run("-n", "-d", "guestbook", "rotate-variable", name.rpartition("/")[2])
    said = director.deploy()
    assert "Updating instance store" in said
    assert "Updating instance web" in said
    assert "guestbook" in director.page().lower()


def test_entries_survive_the_store_being_recreated(director):
    _post(director, "first light")
    before = director.instances()["store/0"]
    director.run("-n", "-d", "guestbook", "recreate", "store")
    after = director.instances()["store/0"]
    assert (after["ips"], after["disks"]) == (before["ips"], before["disks"])
    assert after["vm_cid"] != before["vm_cid"]
    assert "first light" in director.page()


def test_stopping_starting_and_detaching_one_instance(director):
    director.run("-n", "-d", "guestbook", "stop", "web/1")
    assert director.instances()["web/1"]["process_state"] == "stopped"
    assert "No changes" in director.deploy(), "a stopped instance stays stopped"
    director.run("-n", "-d", "guestbook", "stop", "web/1", "--hard")
    assert director.instances()["web/1"]["vm_cid"] == ""
    director.run("-n", "-d", "guestbook", "start", "web/1")
    assert director.instances()["web/1"]["process_state"] == "running"


def test_logs_are_fetched(director, tmp_path):
    said = director.run("-d", "guestbook", "logs", "web/0", "--dir", tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".tgz"]
    assert "bytes" in said


def test_a_failing_job_fails_its_task_with_the_end_of_its_log(director):
    ops = [
        {"type": "replace", "path": "/update/canary_watch_time", "value": "2500-3000"},
        {"type": "replace", "path": "/instance_groups/name=web/jobs/name=web/properties?/port", "value": "not a port"},
    ]
    path = director.folder / "broken.yml"
    path.write_text(yaml.safe_dump(ops))
    said = director.deploy("-o", path, expect=1)
    assert "web/0 is not running after 3 s" in said
    assert "Its log ends" in said
    assert "Traceback (most recent call last)" not in said.split("Its log ends")[0]
    director.deploy()
    assert director.instances()["web/0"]["process_state"] == "running"


@pytest.mark.parametrize(
    ("path", "value", "code", "said"),
    [
        ("/instance_groups/name=web/networks/0/name", "nowhere", 2, "nowhere"),
        ("/update/max_in_flight", "150%", 2, "150%"),
        ("/instance_groups", [], 2, "--allow-delete-all"),
        ("/instance_groups/name=web/jobs/0/release", "unknown", 2, "unknown"),
    ],
)
def test_bad_input_is_refused_before_anything_is_touched(director, path, value, code, said):
    before = (director.instances(), director.rows("tasks", "--recent")[0]["id"])
    assert said in director.deploy("-o", _ops(director, "bad.yml", path, value), expect=code)
    assert director.instances() == before[0]


def test_problems_name_file_line_and_what_to_do(director):
    text = (
        (ROOT / "manifests/guestbook.yml").read_text().replace("file://releases", f"file://{ROOT}/manifests/releases")
    )
    bad = director.folder / "bad-manifest.yml"
    bad.write_text(text.replace("canaries: 1", "canaries: -1").replace("vm_type: small", "vm_type: smal", 1))
    line = 1 + bad.read_text().splitlines().index(next(x for x in bad.read_text().splitlines() if "vm_type: smal" in x))
    said = director.run("-n", "deploy", bad, expect=2)
    assert f"bad-manifest.yml:{line}" in said
    assert "small" in said
    assert "-1" in said
    assert "to fix it" in said


def test_no_secret_is_in_any_log_event_or_plan(director):
    env = director.environment()
    password = _secret(director)
    found = [
        path
        for path in director.state.rglob("*")
        if path.is_file()
        and not path.is_relative_to(director.state / "vms")
        and path.name != "client_secret"
        and (password in path.read_bytes() or env["BOSH_CLIENT_SECRET"].encode() in path.read_bytes())
    ]
    assert found == []


def test_deleting_leaves_only_the_orphaned_disk(director):
    director.run("-n", "-d", "guestbook", "delete-deployment")
    assert director.rows("deployments") == []
    assert leftovers(director) == []
    assert _rows_left(director) == {}
    orphans = director.rows("disks", "--orphaned")
    assert len(orphans) == 1
    assert orphans[0]["instance"].startswith("store/")
    director.run("-n", "delete-disk", orphans[0]["disk_cid"])
    assert director.rows("disks", "--orphaned") == []


def _rows_left(director):
    """Tables of what a deployment is, by how many rows they still have; history (tasks, events) stays."""
    with closing(sqlite3.connect(f"file:{director.state / 'director.db'}?mode=ro", uri=True)) as record:
        names = {name for (name,) in record.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        about = names & {"deployments", "instances", "addresses", "vms", "plans", "variables", "agents"}
        assert len(about) == 7, names
        counts = {name: record.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in about}
    return {name: count for name, count in counts.items() if count}


def _ops(director, name, path, value):
    file = director.folder / name
    file.write_text(yaml.safe_dump([{"type": "replace", "path": path, "value": value}]))
    return file


def _post(director, text):
    body = urllib.parse.urlencode({"name": "test", "text": text, "message": text}).encode()
    urllib.request.urlopen(director.url(), data=body, timeout=10).read()


def _secret(director):
    """The store's password as its own configuration has it, read where only root may."""
    for path in (director.state / "vms").glob("store-*/vcap/data/jobs/store/*/config/*"):
        match = re.search(rb'"?password"?[:=]\s*"?([a-zA-Z0-9]{20,})', path.read_bytes())
        if match:
            return match.group(1)
    raise AssertionError("the store's configuration has no password: " + json.dumps([str(director.state)]))
