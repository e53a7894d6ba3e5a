"""BOSH's own client library against a real director: the sample's whole life, in order, by nothing else."""

import io
import json
import tarfile
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from director.manifest.patch import patch, read_ops
from director.manifest.read import read
from director.manifest.write import write
from tests.e2e.bosh_sample import NAME, bosh, failure, manifest, program, release, rows, stemcell
from tests.e2e.boshclient import BoshClient
from tests.e2e.conftest import leftovers
from tests.support.healing import end

__all__ = ["bosh", "manifest", "program", "release"]

pytestmark = [pytest.mark.e2e, pytest.mark.go, pytest.mark.timeout(300)]

GROUPS = {"store": 1, "web": 3, "proxy": 1}


@pytest.fixture(scope="module")
def cloud(bosh):
    """The sample's cloud config as the fixture ``director`` gave it: that of root, or of an ordinary user."""
    return bosh.value("latest_cloud_config", name="")["Properties"]


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def test_it_logs_in_and_a_wrong_secret_does_not(bosh):
    told = bosh.value("info")
    assert (told["User"], told["CPI"], told["Auth"]["Type"]) == ("admin", "local", "basic")
    assert bosh.value("is_authenticated") is True
    stranger = BoshClient(program=bosh.program, environment={**bosh.environment, "BOSH_CLIENT_SECRET": "wrong"})
    assert stranger.value("is_authenticated") is False
    assert "status code '401'" in stranger.ask("deployments").error


def test_it_uploads_the_release_once(bosh, release):
    assert bosh.value("has_release", path=str(release.path)) is False
    uploaded = bosh.ask("upload_release", path=str(release.path))
    assert uploaded.ok, uploaded.error
    assert [state for _, state in uploaded.states] == ["started", "done"]
    assert uploaded.events[-1]["state"] == "finished"
    assert bosh.value("has_release", path=str(release.path)) is True
    (row,) = bosh.value("releases")
    assert (row["name"], row["version"], row["deployed"]) == (NAME, release.version, False)
    shown = bosh.value("release", name=NAME, version=release.version)
    assert [job["Name"] for job in shown["jobs"]] == ["banner", "proxy", "smoke-tests", "store", "web"]
    with tarfile.open(release.path) as archive:
        listed = archive.extractfile("release.MF").read().decode()
    known = {package["Fingerprint"] for package in shown["packages"]}
    assert set(bosh.value("match_packages", text=listed)) == known


def test_it_uploads_a_stemcell_only_when_needed(bosh, tmp_path):
    assert bosh.value("stemcell_needs_upload", name="tiny", version="7.1") is True
    bosh.value("upload_stemcell", path=str(stemcell(tmp_path, "7.1", "local")))
    assert bosh.value("stemcell_needs_upload", name="tiny", version="7.1") is False
    found = {(row["name"], row["version"]): row for row in bosh.value("stemcells")}
    assert (found["tiny", "7.1"]["os"], found["tiny", "7.1"]["deployed"]) == ("local", False)


def test_a_stemcell_for_another_infrastructure_is_refused(bosh, tmp_path):
    refused = failure(bosh.ask("upload_stemcell", path=str(stemcell(tmp_path, "7.2", "vsphere-ova"))))
    assert refused["code"] == 50008
    assert "vsphere-ova" in refused["message"]
    assert bosh.value("stemcell_needs_upload", name="tiny", version="7.2") is True


@pytest.mark.parametrize(("op", "code"), [("upload_release", 30002), ("upload_stemcell", 50000)])
def test_what_is_no_archive_fails_its_task_and_says_why(bosh, tmp_path, op, code):
    (tmp_path / "text.tgz").write_text("not an archive\n")
    assert failure(bosh.ask(op, path=str(tmp_path / "text.tgz")))["code"] == code


def test_it_compares_and_updates_the_cloud_config(bosh, cloud):
    add = '[{"type": "replace", "path": "/disk_types/-", "value": {"name": "huge", "disk_size": 99}}]'
    more = write(patch(read(cloud, "cloud-config.yml").root, read_ops(add, "more.yml")))
    compared = bosh.value("diff_cloud_config", name="", text=more)["Diff"]
    assert [line for line, mark in compared if mark] == ["- name: huge", "  disk_size: 99"]
    bosh.value("update_cloud_config", name="", text=more)
    assert bosh.value("latest_cloud_config", name="")["Properties"] == more
    bosh.value("update_cloud_config", name="", text=cloud)
    assert bosh.value("diff_cloud_config", name="", text=cloud)["Diff"] == []
    kept = bosh.value("configs", type="cloud", limit=5)
    assert [config["Content"] for config in kept] == [cloud, more, cloud]


def test_a_config_that_somebody_else_has_changed_is_not_overwritten(bosh):
    first = bosh.value("update_config", type="mine", name="a", text="x: 1")
    refused = bosh.ask("update_config", type="mine", name="a", text="x: 2", expected="99")
    assert f"expected latest ID '99' doesn't match the latest ID '{first['ID']}'" in refused.error
    second = bosh.value("update_config", type="mine", name="a", text="x: 2", expected=first["ID"])
    assert bosh.value("latest_config", type="mine", name="a")["ID"] == second["ID"]
    assert bosh.value("delete_config", type="mine", name="a") is True
    assert bosh.value("delete_config", type="mine", name="a") is False


def test_a_bad_cloud_config_is_refused_when_it_is_uploaded(bosh):
    refused = bosh.ask("update_cloud_config", name="", text="networks: 5")
    assert "status code '400'" in refused.error
    assert "networks must be a list" in refused.error


def test_a_bad_manifest_is_refused_with_every_problem_before_any_task(bosh, manifest):
    bad = manifest.replace("vm_type: small", "vm_type: smal", 1).replace("canaries: 1", "canaries: -1")
    refused = bosh.ask("deploy", deployment=NAME, text=bad)
    assert refused.states == ()
    answered = json.loads(refused.error.partition("response '")[2].removesuffix("'"))
    assert "status code '400'" in refused.error
    assert 'did you mean "small"?' in answered["description"]
    lines = bad.splitlines()
    assert {lines[problem["line"] - 1].split("#")[0].strip() for problem in answered["problems"]} == {
        "vm_type: smal", "canaries: -1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: guestbook\n\n", "name: [\n\n", "not valid YAML"),
        ("version: 0+dev", "version: 99", "99"),
        ("release: guestbook", "release: unknown", "unknown"),
        ("os: local", "os: minix", "minix"),
    ],
)
def test_a_manifest_that_asks_for_what_is_not_there_is_refused(bosh, manifest, old, new, said):
    refused = bosh.ask("deploy", deployment=NAME, text=manifest.replace(old, new, 1))
    assert "status code '400'" in refused.error
    assert said in refused.error
    assert bosh.value("deployments") == []


def test_it_deploys_what_it_was_shown(bosh, manifest):
    shown = bosh.value("diff", deployment=NAME, text=manifest)["Diff"]
    assert all(mark == "added" for line, mark in shown if line)
    deployed = bosh.ask("deploy", deployment=NAME, text=manifest, confirmed=True, context="first-deploy", timeout=120)
    assert deployed.ok, f"{deployed.error}\n{deployed.output}"
    assert [list(line) for line in deployed.value] == shown
    stages = list(dict.fromkeys(event["stage"] for event in deployed.events))
    assert stages[0] == "Preparing deployment"
    assert [stage for stage in stages if stage.startswith("Updating")] == [
        f"Updating instance {group}" for group in GROUPS
    ]
    assert {event["stage"] for event in deployed.events if event["state"] == "failed"} == set()
    began = {(event["stage"], event["task"]) for event in deployed.events if event["state"] == "started"}
    assert began == {(event["stage"], event["task"]) for event in deployed.events if event["state"] == "finished"}
    (task,) = bosh.value("tasks", context="first-deploy")
    assert (task["state"], task["deployment"], task["user"]) == ("done", NAME, "admin")
    assert task["result"] == f"/deployments/{NAME}"


def test_it_lists_the_deployment_with_what_it_uses(bosh, manifest, release):
    assert bosh.value("deployments") == [
        {
            "name": NAME,
            "cloud_config": "latest",
            "releases": [f"{NAME}/{release.version}"],
            "stemcells": ["tiny/7.1"],
            "teams": [],
        }
    ]
    assert bosh.value("manifest", deployment=NAME) == manifest
    (used,) = bosh.value("deployment_configs", deployment=NAME)["Configs"]
    assert (used["Config"]["Type"], used["Config"]["Name"]) == ("cloud", "default")
    assert [variable["name"] for variable in bosh.value("variables", deployment=NAME)] == ["store_password"]
    assert bosh.value("locks") is None


def test_it_reads_every_detail_of_vms_and_instances(bosh):
    vms, found = rows(bosh, "vms"), rows(bosh)
    running = {f"{group}/{index}" for group, count in GROUPS.items() for index in range(count)}
    assert vms.keys() == running
    assert found.keys() == running | {"smoke-tests/0"}
    for label in sorted(running):
        row = found[label]
        assert (row["job_state"], row["state"], row["active"]) == ("running", "started", True)
        assert [process["Name"] for process in row["Processes"]] == [row["job_name"]]
        until(lambda label=label: rows(bosh)[label]["Processes"][0]["Mem"]["kb"] > 0)
        assert int(row["Vitals"]["Mem"]["kb"]) > 0
        assert len(row["Vitals"]["Load"]) == 3
        assert len(row["ips"]) == 1
        assert (row["vm_cid"], row["id"]) == (vms[label]["vm_cid"], vms[label]["id"])
    assert {found[f"web/{index}"]["az"] for index in range(3)} == {"z1", "z2", "z3"}
    assert len(found["store/0"]["disk_cids"]) == 1
    errand = found["smoke-tests/0"]
    assert (errand["vm_cid"], errand["active"], errand["Processes"]) == ("", None, [])
    plain = bosh.value("plain_instances", deployment=NAME)
    assert {row["id"]: row["expects_vm"] for row in plain} == {
        row["id"]: label in running for label, row in found.items()
    }


def test_it_lists_tasks_and_reads_what_they_printed(bosh):
    (deploy,) = bosh.value("tasks", context="first-deploy")
    assert bosh.value("tasks") == []
    recent = bosh.value("tasks", limit=30)
    assert deploy["id"] in {task["id"] for task in recent}
    assert "retrieve vm-stats" not in {task["description"] for task in recent}
    assert "retrieve vm-stats" in {task["description"] for task in bosh.value("tasks", limit=30, all=True)}
    assert bosh.value("task", id=deploy["id"]) == deploy
    events = bosh.value("task_output", id=deploy["id"], type="event").splitlines()
    assert json.loads(events[0])["stage"] == "Preparing deployment"
    assert "began store/0:create-vm" in bosh.value("task_output", id=deploy["id"], type="debug")
    assert "create 5" in bosh.value("task_output", id=deploy["id"], type="result")
    assert bosh.value("task_output", id=deploy["id"], type="cpi") == ""


def test_it_runs_the_errand_and_reads_what_it_printed(bosh):
    assert [errand["Name"] for errand in bosh.value("errands", deployment=NAME)] == ["smoke-tests"]
    (ran,) = bosh.value("run_errand", deployment=NAME, name="smoke-tests", timeout=120)
    assert (ran["InstanceGroup"], ran["ExitCode"], ran["Stderr"]) == ("smoke-tests", 0, "")
    assert ran["Stdout"].endswith("all good\n")
    assert rows(bosh)["smoke-tests/0"]["vm_cid"] == ""


def test_deploying_again_shows_no_difference_and_changes_nothing(bosh, manifest):
    before = {label: row["vm_cid"] for label, row in rows(bosh).items()}
    assert bosh.value("diff", deployment=NAME, text=manifest)["Diff"] == []
    again = bosh.ask("deploy", deployment=NAME, text=manifest, confirmed=True)
    assert again.ok, again.error
    assert {event["stage"] for event in again.events} == {"Preparing deployment"}
    assert {label: row["vm_cid"] for label, row in rows(bosh).items()} == before


@pytest.mark.parametrize("recreate", [False, True], ids=["in-its-vm", "in-a-new-vm"])
def test_persistent_disks_are_made_anew_when_asked_for_with_what_was_on_them(bosh, director, manifest, recreate):
    text = f"written before the disk was made anew, {recreate}"
    body = urllib.parse.urlencode({"name": "test", "text": text}).encode()
    urllib.request.urlopen(director.url(), data=body, timeout=10).read()
    before = rows(bosh)["store/0"]
    done = bosh.ask(
        "deploy", deployment=NAME, text=manifest, recreate_persistent_disks=True, recreate=recreate, timeout=120
    )
    assert done.ok, f"{done.error}\n{done.output}"
    after = rows(bosh)["store/0"]
    assert after["disk_cids"] != before["disk_cids"]
    assert (after["vm_cid"] != before["vm_cid"]) is recreate
    assert text in until(lambda: (page := director.page()) and text in page and page)
    (orphan,) = bosh.value("disks")
    assert [orphan["cid"]] == before["disk_cids"]
    bosh.value("delete_disk", name=orphan["cid"])


def test_a_difference_hides_what_may_be_secret_until_it_is_asked_for(bosh, manifest):
    changed = manifest.replace("title: Guestbook", "title: Our guestbook")
    hidden = bosh.value("diff", deployment=NAME, text=changed)["Diff"]
    assert [line for line, mark in hidden if mark] == ["      title: <redacted>", "      title: <redacted>"]
    open_ = bosh.value("diff", deployment=NAME, text=changed, no_redact=True)["Diff"]
    assert [line for line, mark in open_ if mark] == ["      title: Guestbook", "      title: Our guestbook"]


@pytest.mark.parametrize("converge", [True, False], ids=["converge", "no-converge"])
def test_one_instance_is_stopped_started_restarted_and_recreated(bosh, converge):
    def act(op):
        bosh.value(op, deployment=NAME, target="web/1", converge=converge)
        found = rows(bosh)
        assert {label: row["vm_cid"] for label, row in found.items() if label != "web/1"} == others
        return found["web/1"]

    before = rows(bosh)
    others = {label: row["vm_cid"] for label, row in before.items() if label != "web/1"}
    stopped = act("stop")
    assert (stopped["state"], stopped["job_state"]) == ("stopped", "stopped")
    assert stopped["vm_cid"] == before["web/1"]["vm_cid"]
    started = act("start")
    assert (started["state"], started["job_state"]) == ("started", "running")
    restarted = act("restart")
    assert restarted["Processes"][0]["Uptime"]["secs"] <= started["Processes"][0]["Uptime"]["secs"]
    assert (restarted["job_state"], restarted["vm_cid"]) == ("running", started["vm_cid"])
    made_anew = act("recreate")
    assert made_anew["vm_cid"] != restarted["vm_cid"]
    assert (made_anew["job_state"], made_anew["ips"], made_anew["id"]) == ("running", started["ips"], started["id"])


@pytest.mark.parametrize("converge", [True, False], ids=["converge", "no-converge"])
def test_a_hard_stop_takes_the_vm_away_and_start_makes_a_new_one(bosh, converge):
    bosh.value("stop", deployment=NAME, target="web/1", converge=converge, hard=True)
    row = rows(bosh)["web/1"]
    assert (row["state"], row["vm_cid"]) == ("detached", "")
    bosh.value("start", deployment=NAME, target="web/1", converge=converge)
    row = rows(bosh)["web/1"]
    assert (row["state"], row["job_state"]) == ("started", "running")


def test_an_ignored_instance_is_left_alone_and_that_is_said(bosh):
    before = rows(bosh)
    bosh.value("ignore", deployment=NAME, target="web/1", enabled=True)
    assert rows(bosh)["web/1"]["ignore"] is True
    restarted = bosh.ask("recreate", deployment=NAME, target="web", converge=True, max_in_flight="2", timeout=120)
    assert restarted.ok, restarted.error
    assert any("web/1" in event.get("message", "") for event in restarted.events if event.get("type") == "warning")
    after = rows(bosh)
    assert [after[f"web/{n}"]["vm_cid"] == before[f"web/{n}"]["vm_cid"] for n in range(3)] == [False, True, False]
    bosh.value("ignore", deployment=NAME, target="web/1", enabled=False)
    assert rows(bosh)["web/1"]["ignore"] is False


def test_cloud_check_finds_a_vm_that_died_and_recreates_it(bosh, director):
    """The same for one with a disk. The director's own healing is switched off, for it would be there first."""
    bosh.value("resurrection", enabled=False)
    assert not bosh.value("scan", deployment=NAME)
    before = rows(bosh)
    for label, resolution in (("web/1", "reboot_vm"), ("store/0", "recreate_vm")):
        vm = director.state / "vms" / before[label]["vm_cid"] / "vm.json"
        end(json.loads(vm.read_text())["process"]["pid"])
        (problem,) = bosh.value("scan", deployment=NAME, timeout=120)
        assert problem["Type"] == "unresponsive_agent"
        assert before[label]["vm_cid"] in problem["Description"]
        solved = bosh.ask("resolve", deployment=NAME, resolutions={str(problem["ID"]): resolution}, timeout=120)
        assert solved.ok, f"{solved.error}\n{solved.output}"
        assert rows(bosh)[label]["job_state"] == "running"
        assert not bosh.value("scan", deployment=NAME)
    after = rows(bosh)
    assert after["web/1"]["vm_cid"] == before["web/1"]["vm_cid"]
    assert after["store/0"]["disk_cids"] == before["store/0"]["disk_cids"]
    assert after["store/0"]["vm_cid"] != before["store/0"]["vm_cid"]
    bosh.value("resurrection", enabled=True)


def test_logs_of_one_instance_and_of_a_group_are_one_archive(bosh, tmp_path):
    one = bosh.value("logs", deployment=NAME, target="web/1")["BlobstoreID"]
    assert bosh.value("resource", name=one, path=str(tmp_path / "one.tgz")) > 0
    with tarfile.open(tmp_path / "one.tgz") as archive:
        assert "./web/web.stderr.log" in archive.getnames()
    all_of_them = bosh.value("logs", deployment=NAME, target="web", filters=["web/*.stderr.log"])["BlobstoreID"]
    bosh.value("resource", name=all_of_them, path=str(tmp_path / "web.tgz"))
    with tarfile.open(tmp_path / "web.tgz") as archive:
        webs = [row["id"] for label, row in rows(bosh).items() if label.startswith("web/")]
        assert sorted(archive.getnames()) == sorted(f"web.{web}.tgz" for web in webs)
        inner = archive.extractfile(archive.getnames()[0]).read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        assert {name for name in archive.getnames() if name.endswith(".log")} == {"./web/web.stderr.log"}
    assert "status code '404'" in bosh.ask("resource", name="0" * 64, path=str(tmp_path / "no")).error


def test_the_audit_trail_tells_who_did_what(bosh):
    web = rows(bosh)["web/1"]
    name = f"web/{web['id']}"
    told = bosh.value("events", deployment=NAME)
    assert [int(event["id"]) for event in told] == sorted((int(event["id"]) for event in told), reverse=True)
    assert {event["user"] for event in told if event["action"] not in {"notice", "repair", "recover"}} == {"admin"}
    of_web = bosh.value("events", deployment=NAME, target=name)
    assert [event["action"] for event in of_web if event["action"].endswith("ignore")] == ["unignore", "ignore"]
    assert {event["instance"] for event in of_web} == {name}
    vms = bosh.value("events", deployment=NAME, type="vm")
    assert {event["action"] for event in vms} == {"create", "delete", "reboot"}
    assert web["vm_cid"] in {event["object_name"] for event in vms}


def in_state(bosh, state):
    return [task for task in bosh.value("tasks", deployment=NAME) if task["state"] == state]


def test_a_second_change_waits_for_the_first_and_can_be_cancelled_while_it_waits(bosh, manifest):
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(bosh.ask, "recreate", deployment=NAME, target="web", converge=True, timeout=120)
        (running,) = until(lambda: in_state(bosh, "processing"))
        others = [pool.submit(bosh.ask, "deploy", deployment=NAME, text=manifest, timeout=120) for _ in range(2)]
        waiting = until(lambda: (found := in_state(bosh, "queued")) and len(found) == 2 and found)
        (lock,) = bosh.value("locks")
        assert (lock["Resource"], lock["TaskID"]) == ([NAME], str(running["id"]))
        refused = bosh.ask("ignore", deployment=NAME, target="web/0", enabled=True)
        assert f"Task {running['id']} is changing" in refused.error
        bosh.value("cancel", id=waiting[0]["id"])
        assert first.result().ok, first.result().error
        assert sorted(other.result().states[-1][1] for other in others) == ["cancelled", "done"]
    ended = {task["id"]: task for task in bosh.value("tasks", limit=5, deployment=NAME)}
    assert ended[waiting[1]["id"]]["started_at"] >= ended[running["id"]]["finished_at"]
    assert ended[waiting[0]["id"]]["state"] == "cancelled"


def test_a_running_task_is_cancelled_and_the_next_one_goes_on_from_there(bosh, manifest):
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(bosh.ask, "recreate", deployment=NAME, target="", converge=True, timeout=120)
        (task,) = until(lambda: in_state(bosh, "processing"))
        queued = pool.submit(bosh.ask, "deploy", deployment=NAME, text=manifest, timeout=120)
        (waiting,) = until(lambda: in_state(bosh, "queued"))
        bosh.value("cancel", id=task["id"])
        assert "state is 'cancelled'" in first.result().error
        assert first.result().states[-1] == (task["id"], "cancelled")
        went_on = queued.result()
    assert went_on.ok, f"{went_on.error}\n{went_on.output}"
    assert went_on.states[0][0] == waiting["id"]
    assert {row["job_state"] for label, row in rows(bosh, "vms").items()} == {"running"}
    assert "status code '400'" in bosh.ask("cancel", id=task["id"]).error


@pytest.mark.parametrize(
    ("op", "arguments", "said"),
    [
        ("manifest", {"deployment": "unknown"}, "Deployment 'unknown' doesn't exist"),
        ("instances", {"deployment": "unknown"}, "Deployment 'unknown' doesn't exist"),
        (
            "restart",
            {"deployment": "unknown", "target": "web/0", "converge": True},
            "Deployment 'unknown' doesn't exist",
        ),
        ("restart", {"deployment": NAME, "target": "nobody/0", "converge": True}, "name one of: proxy"),
        ("recreate", {"deployment": NAME, "target": "web/99"}, "web/99"),
        ("run_errand", {"deployment": NAME, "name": "unknown"}, "its errands: smoke-tests"),
        ("release", {"name": "unknown", "version": "1"}, "Release 'unknown' doesn't exist"),
        ("release", {"name": NAME, "version": "1"}, f"Release version '{NAME}/1' doesn't exist"),
        ("task", {"id": 9999}, "Task 9999 not found"),
    ],
)
def test_what_does_not_exist_is_not_found(bosh, op, arguments, said):
    refused = bosh.ask(op, **arguments)
    assert "status code '404'" in refused.error
    assert said in refused.error
    assert refused.states == ()


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("delete_deployment", {"deployment": "unknown"}),
        ("delete_release", {"name": "unknown"}),
        ("delete_stemcell", {"name": "unknown", "version": "1"}),
        ("delete_disk", {"name": "unknown"}),
    ],
)
def test_deleting_what_does_not_exist_is_already_done(bosh, op, arguments):
    assert bosh.ask(op, **arguments).ok


@pytest.mark.parametrize(
    ("op", "arguments", "code"),
    [("delete_release", {"name": NAME}, 30007), ("delete_stemcell", {"name": "tiny", "version": "7.1"}, 50004)],
)
def test_what_is_in_use_is_not_deleted(bosh, op, arguments, code):
    assert failure(bosh.ask(op, **arguments))["code"] == code


def test_deleting_leaves_only_the_disk_and_cleaning_up_takes_the_rest(bosh, director, release):
    (used,) = rows(bosh)["store/0"]["disk_cids"]
    nothing = {"releases": [], "stemcells": [], "disks": []}
    assert bosh.value("clean_up", all=True, dry_run=True) == nothing
    deleted = bosh.ask("delete_deployment", deployment=NAME, timeout=120)
    assert deleted.ok, deleted.error
    assert bosh.value("deployments") == []
    assert leftovers(director) == []
    (orphan,) = bosh.value("disks")
    assert (orphan["cid"], orphan["deployment"], orphan["size"]) == (used, NAME, 1024)
    unused = {"releases": [f"{NAME}/{release.version}"], "stemcells": ["tiny/7.1"], "disks": [used]}
    assert bosh.value("clean_up", all=True, dry_run=True) == unused
    assert bosh.value("clean_up", all=True, dry_run=True, keep_disks=True) == unused | {"disks": []}
    assert bosh.value("clean_up", dry_run=True) == nothing, "two unused versions of each are kept"
    assert len(bosh.value("disks")) == 1, "a dry run deletes nothing"
    bosh.value("delete_disk", name=used)
    assert bosh.value("disks") == []
    bosh.value("clean_up", all=True)
    assert bosh.value("releases") == []
    assert [(row["name"], row["cid"]) for row in bosh.value("stemcells")] == [("local", "host")], (
        "it came with the host"
    )
