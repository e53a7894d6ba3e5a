"""Every other command against canned answers: what it asks, what it shows, how it ends."""

import json

import pytest

from tests.unit.cli.fake import Reply

BRIEF = {
    "agent_id": "a",
    "cid": "vm-1",
    "job": "web",
    "index": 0,
    "id": "u-0",
    "az": "z1",
    "ips": ["10.0.0.1"],
    "job_state": "running",
    "state": "started",
    "expects_vm": True,
}
GONE = {**BRIEF, "id": "u-1", "index": 1, "cid": None, "job_state": None, "az": None, "ips": []}
DETACHED = {**GONE, "id": "u-2", "state": "detached", "expects_vm": False}
ERRAND = {**GONE, "id": "u-3", "job": "smoke", "expects_vm": False}
FAILING = {**BRIEF, "id": "u-4", "job_state": "failing"}
STOPPED = {**BRIEF, "id": "u-5", "job_state": "stopped", "state": "stopped"}

FULL = {
    "job_name": "web",
    "index": 0,
    "id": "u-0",
    "az": "z1",
    "ips": ["10.0.0.1", "10.0.1.1"],
    "dns": [],
    "state": "started",
    "job_state": "running",
    "ignore": False,
    "bootstrap": True,
    "vm_cid": "vm-1",
    "active": True,
    "cloud_properties": {"cpu": 1},
    "vm_type": None,
    "disk_cids": ["d-1"],
    "vitals": {
        "load": ["1.0", "2.0", "3.0"],
        "mem": {"percent": "5", "kb": "1234567"},
        "cpu": {"user": "1.5", "sys": "0.5"},
        "uptime": {"secs": 93784},
    },
    "processes": [{"name": "nginx", "state": "running"}],
}


def rows(ended):
    assert ended.code == 0, ended.err
    (table,) = json.loads(ended.out)["Tables"]
    return table["Rows"]


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def test_instances_are_one_request(director, fake):
    fake.on("GET /deployments/web/instances", [BRIEF, GONE, DETACHED, ERRAND])
    assert rows(director("--json", "-d", "web", "instances")) == [
        {"instance": "web/u-0", "process_state": "running", "az": "z1", "ips": "10.0.0.1"},
        {"instance": "web/u-1", "process_state": "", "az": "", "ips": ""},
        {"instance": "web/u-2", "process_state": "detached", "az": "", "ips": ""},
        {"instance": "smoke/u-3", "process_state": "", "az": "", "ips": ""},
    ]
    assert len(fake.asked) == 1


def test_failing_are_those_that_do_not_run_as_they_should(director, fake):
    fake.on("GET /deployments/web/instances", [BRIEF, GONE, DETACHED, ERRAND, FAILING, STOPPED])
    found = rows(director("--json", "-d", "web", "instances", "--failing"))
    assert [row["instance"] for row in found] == ["web/u-1", "web/u-4"]


def test_details_processes_and_vitals_come_from_a_task(director, fake):
    fake.begins("GET /deployments/web/instances", 4, result=None)
    fake.on("GET /tasks/4/output", lines(FULL))
    instance, process = rows(director("--json", "-d", "web", "instances", "--ps", "--details", "--vitals"))
    assert instance == {
        "instance": "web/u-0",
        "process": "",
        "process_state": "running",
        "az": "z1",
        "ips": "10.0.0.1\n10.0.1.1",
        "state": "started",
        "vm_cid": "vm-1",
        "index": "0",
        "bootstrap": "true",
        "ignore": "false",
        "disks": "d-1",
        "load": "1.0, 2.0, 3.0",
        "memory": "5% (1.2 GB)",
        "cpu": "1.5% 0.5%",
        "uptime": "1d 2h 3m 4s",
    }
    assert (process["process"], process["process_state"], process["instance"]) == ("nginx", "running", "")
    assert fake.said("GET /deployments/web/instances")[0].query == {"format": "full"}


def test_processes_are_not_counted_as_instances(director, fake):
    fake.begins("GET /deployments/web/instances", 4)
    fake.on("GET /tasks/4/output", lines(FULL))
    assert director("-d", "web", "instances", "--ps").out.splitlines()[-1] == "1 instances"


def test_an_instance_whose_agent_is_silent_has_no_vitals(director, fake):
    fake.begins("GET /deployments/web/instances", 4)
    fake.on("GET /tasks/4/output", lines({**FULL, "vitals": {}, "processes": [], "job_state": "unresponsive agent"}))
    (row,) = rows(director("--json", "-d", "web", "instances", "--ps", "--vitals"))
    assert (row["process_state"], row["memory"], row["uptime"]) == ("unresponsive agent", "", "")


def test_vms_are_listed_as_bosh_does(director, fake):
    fake.on("GET /deployments/web/vms", [{**BRIEF, "active": True}])
    (row,) = rows(director("--json", "-d", "web", "vms"))
    assert row == {
        "instance": "web/u-0",
        "process_state": "running",
        "az": "z1",
        "ips": "10.0.0.1",
        "vm_cid": "vm-1",
        "vm_type": "",
        "active": "true",
    }


def test_cloud_properties_of_vms_are_shown_on_demand(director, fake):
    fake.begins("GET /deployments/web/vms", 4)
    fake.on("GET /tasks/4/output", lines(FULL))
    (row,) = rows(director("--json", "-d", "web", "vms", "--cloud-properties"))
    assert json.loads(row["cloud_properties"]) == {"cpu": 1}


def test_the_only_deployment_need_not_be_named(director, fake):
    fake.on("GET /deployments", [{"name": "web"}])
    fake.on("GET /deployments/web/errands", [{"name": "smoke"}])
    assert rows(director("--json", "errands")) == [{"name": "smoke"}]
    assert fake.asked[0].query["exclude_configs"] == "true"


@pytest.mark.parametrize(("names", "said"), [([], "There is none yet."), (["a", "b"], "There are: a, b.")])
def test_one_of_several_deployments_must_be_named(director, fake, names, said):
    fake.on("GET /deployments", [{"name": name} for name in names])
    ended = director("errands")
    assert ended.code == 2
    assert said in ended.err


def test_names_are_quoted_in_addresses(director, fake):
    fake.on("GET /deployments/a%20b%2Fc/errands", [])
    assert director("-d", "a b/c", "errands").code == 0


@pytest.mark.parametrize(
    ("line", "path", "query"),
    [
        ("start", "*", {"state": "started"}),
        ("start web", "web", {"state": "started"}),
        ("stop web/0", "web/0", {"state": "stopped"}),
        ("stop web/0 --soft", "web/0", {"state": "stopped"}),
        ("stop web/0 --hard --skip-drain", "web/0", {"state": "detached", "skip_drain": "*"}),
        (
            "restart web --canaries 1 --max-in-flight 2",
            "web",
            {"state": "restart", "canaries": "1", "max_in_flight": "2"},
        ),
        ("recreate --fix --dry-run", "*", {"state": "recreate", "fix": "true", "dry_run": "true"}),
        ("recreate web --no-converge", "web", {"state": "recreate"}),
    ],
)
def test_a_change_of_state_is_one_request_and_its_task_is_followed(director, fake, line, path, query):
    fake.begins(f"PUT /deployments/web/jobs/{path}", 6, event="")
    ended = director("-n", "-d", "web", *line.split())
    assert ended.code == 0
    assert ended.out.endswith("Task 6 done\n")
    (asked,) = fake.said(f"PUT /deployments/web/jobs/{path}")
    assert (asked.query, asked.headers["content-type"], asked.body) == (query, "text/yaml", b"")


def test_a_change_of_state_is_confirmed_first(director, fake):
    ended = director("-d", "web", "stop", "db", stdin="n\n")
    assert ended.code == 1
    assert "Stop db of web?" in ended.out
    assert fake.asked == []


@pytest.mark.parametrize(("verb", "flag"), [("ignore", True), ("unignore", False)])
def test_ignoring_is_of_one_instance(director, fake, verb, flag):
    fake.on("PUT /deployments/web/instance_groups/web/0/ignore", {})
    assert director("-d", "web", verb, "web/0").code == 0
    assert json.loads(fake.asked[0].body) == {"ignore": flag}
    assert director("-d", "web", verb, "web").code == 2


def test_logs_are_one_archive_per_instance(director, fake, tmp_path):
    fake.begins("GET /deployments/web/jobs/*/*/logs", 8, result="b1,b2")
    fake.on("GET /resources/b1", b"one")
    fake.on("GET /resources/b2", b"three")
    found = rows(director("--json", "-d", "web", "logs", "--dir", tmp_path / "new", "--job", "a", "--only", "*.log"))
    assert [row["size"] for row in found] == ["3 bytes", "5 bytes"]
    assert sorted(path.read_bytes() for path in (tmp_path / "new").iterdir()) == [b"one", b"three"]
    assert fake.asked[0].query == {"type": "job", "filters": "a/**/*,*.log"}


@pytest.mark.parametrize(
    ("flag", "kind"), [("--agent", "agent"), ("--system", "system"), ("--all-logs", "job,agent,system")]
)
def test_logs_of_one_instance_have_its_name(director, fake, tmp_path, flag, kind):
    fake.begins("GET /deployments/web/jobs/web/0/logs", 8, result="b1")
    fake.on("GET /resources/b1", b"one")
    assert director("-d", "web", "logs", "web/0", "--dir", tmp_path, flag).code == 0
    assert [path.name for path in tmp_path.glob("*.tgz")] == ["web-web-0-task8.tgz"]
    assert fake.asked[0].query["type"] == kind


def test_tasks_that_run_or_all_recent_ones(director, fake):
    row = {"id": 1, "state": "done", "result": None, "started_at": None, "user": "a", "deployment": None}
    fake.on("GET /tasks", [{**row, "description": "d"}])
    found = rows(director("--json", "tasks"))
    assert found == [
        {
            "id": "1",
            "state": "done",
            "started_at": "",
            "user": "a",
            "deployment": "",
            "description": "d",
            "result": "",
        }
    ]
    for words in (["--recent"], ["-r", "5", "-a"], ["-r=7"], ["--recent", "-d", "web"]):
        director("tasks", *words)
    assert [asked.query for asked in fake.asked] == [
        {"verbose": "1", "state": "queued,processing,cancelling"},
        {"verbose": "1", "limit": "30"},
        {"verbose": "2", "limit": "5"},
        {"verbose": "1", "limit": "7"},
        {"verbose": "1", "limit": "30", "deployment": "web"},
    ]


def test_a_task_is_followed_or_one_of_its_logs_printed(director, fake):
    fake.task(9, event="", debug="a\nb\n")
    assert director("task", "9").out.endswith("Task 9 done\n")
    assert director("task", "9", "--debug").out == "a\nb\n"
    assert rows(director("task", "9", "--json"))[0]["id"] == "9"


def test_a_failed_task_is_exit_code_1_also_long_after(director, fake):
    fake.task(9, state="error", result="It broke.", event="")
    assert director("task", "9").code == 1


def test_without_a_number_the_newest_running_task_is_meant(director, fake):
    fake.on("GET /tasks", [])
    assert director("task").code == 2
    fake.on("GET /tasks", [{"id": 9}])
    fake.task(9, event="")
    assert director("task").code == 0


def test_an_unknown_task_is_bad_input(director, fake):
    fake.on("GET /tasks/99", Reply(status=404, body={"code": 10000, "description": "Task 99 not found"}))
    fake.on("GET /tasks/99/output", Reply(status=404, body={"code": 10000, "description": "Task 99 not found"}))
    ended = director("task", "99")
    assert (ended.code, ended.err) == (2, "Task 99 not found\n")


def test_a_task_is_cancelled_by_its_number(director, fake):
    fake.on("DELETE /task/9", Reply(status=204))
    assert director("cancel-task", "9").code == 0
    fake.on("DELETE /task/9", Reply(status=400, body={"code": 10002, "description": "It has ended."}))
    assert director("cancel-task", "9").code == 2


RUN = {"instance": {"group": "smoke", "id": "u"}, "errand_name": "smoke", "stdout": "fine\nreally\n", "stderr": ""}


def test_an_errand_that_succeeds_shows_what_it_printed(director, fake):
    fake.begins("POST /deployments/web/errands/smoke/runs", 3)
    fake.on(
        "GET /tasks/3/output",
        lambda asked: Reply(body=lines({**RUN, "exit_code": 0})) if _is_result(asked) else Reply(status=416),
    )
    ended = director("-d", "web", "run-errand", "smoke", "--instance", "smoke/u", "--instance", "db", "--keep-alive")
    assert ended.code == 0
    assert ended.out.endswith("\nInstance   smoke/u\nExit Code  0\nStdout     fine\n           really\nStderr     -\n")
    assert json.loads(fake.asked[0].body) == {
        "keep-alive": True,
        "when-changed": False,
        "instances": [{"group": "smoke", "id": "u"}, {"group": "db"}],
    }


def test_an_errand_that_fails_is_exit_code_1(director, fake):
    fake.begins("POST /deployments/web/errands/smoke/runs", 3)
    fake.on("GET /tasks/3/output", lambda asked: Reply(body=lines({**RUN, "exit_code": 5})))
    ended = director("--json", "-d", "web", "run-errand", "smoke")
    assert (ended.code, ended.err) == (1, "Errand smoke failed on smoke/u with 5.\n")
    assert json.loads(ended.out)["Tables"][0]["Rows"][0]["exit_code"] == "5"


def _is_result(asked):
    return asked.query["type"] == "result"


def test_releases_and_stemcells_mark_what_is_used(director, fake):
    version = {"version": "1", "commit_hash": "abc", "uncommitted_changes": True, "currently_deployed": True}
    more = {"package_count": 3, "has_source": False, "compiled_for": {"local/1": 3, "local/2": 1}}
    fake.on("GET /releases", [{"name": "rel", "release_versions": [version, {**version, **more}]}])
    stemcell = {"name": "s", "version": "2", "operating_system": "local", "cid": "c", "cpi": None}
    fake.on("GET /stemcells", [{**stemcell, "deployments": [{"name": "web"}]}, {**stemcell, "deployments": []}])
    row = {"name": "rel", "version": "1*", "commit_hash": "abc+"}
    assert rows(director("--json", "releases")) == [
        {**row, "compiled_for": ""},
        {**row, "compiled_for": "local/1\nlocal/2 (1 of 3)\n(no source)"},
    ]
    assert [row["version"] for row in rows(director("--json", "stemcells"))] == ["2*", "2"]


@pytest.mark.parametrize(
    ("line", "route", "query"),
    [
        ("delete-release rel", "DELETE /releases/rel", {}),
        ("delete-release rel/0+dev.1 --force", "DELETE /releases/rel", {"version": "0+dev.1", "force": "true"}),
        ("delete-stemcell s/1.2", "DELETE /stemcells/s/1.2", {}),
        ("delete-disk disk-1", "DELETE /disks/disk-1", {}),
        ("-d web delete-deployment --force", "DELETE /deployments/web", {"force": "true"}),
    ],
)
def test_what_is_deleted_is_confirmed_and_followed(director, fake, line, route, query):
    fake.begins(route, 3, event="")
    refused = director(*line.split(), stdin="n\n")
    assert refused.code == 1
    assert fake.asked == []
    assert director("-n", *line.split()).code == 0
    assert fake.said(route)[0].query == query


def test_a_stemcell_to_delete_needs_a_version(director, fake):
    assert director("-n", "delete-stemcell", "s").code == 2
    assert fake.asked == []


def test_a_deployment_that_is_not_there_is_deleted_already(director, fake):
    fake.on("DELETE /deployments/web", Reply(status=404, body={"code": 70000, "description": "x"}))
    ended = director("-n", "-d", "web", "delete-deployment")
    assert (ended.code, ended.out) == (0, "There is no deployment web.\n")


def test_without_questions_no_deployment_is_deleted_that_was_not_named(director, fake):
    fake.on("GET /deployments", [{"name": "web"}])
    assert director("-n", "delete-deployment").code == 2
    assert fake.asked == []


def test_cleaning_up(director, fake):
    fake.begins("POST /cleanup", 3, event="")
    assert director("-n", "clean-up", "--all", "--keep-orphaned-disks").code == 0
    assert json.loads(fake.asked[0].body) == {"config": {"remove_all": True, "keep_orphaned_disks": True}}
    assert "orphaned disks and their data" in director("clean-up", "--all", stdin="n\n").out
    assert "disks with their data that were orphaned long ago" in director("clean-up", stdin="n\n").out
    assert "disks" not in director("clean-up", "--keep-orphaned-disks", stdin="n\n").out


def test_orphaned_disks_are_listed(director, fake):
    disk = {
        "disk_cid": "d",
        "size": 5,
        "deployment_name": "web",
        "instance_name": "db/0",
        "az": None,
        "orphaned_at": "t",
    }
    fake.on("GET /disks", [disk])
    (row,) = rows(director("--json", "disks", "-o"))
    assert (row["disk_cid"], row["size"], row["az"]) == ("d", "5", "")


@pytest.fixture
def cloud(tmp_path):
    path = tmp_path / "cloud.yml"
    path.write_bytes(b"azs: []  # none\r\n")
    return path


DIFF = {"diff": [["azs:", None], ["- a", "removed"], ["- b", "added"]], "from": {"id": "1"}}


def test_a_config_is_compared_confirmed_and_set(director, fake, cloud):
    fake.on("POST /cloud_configs/diff", DIFF)
    warning = {"file": "c.yml", "line": 1, "column": 1, "severity": "warning", "detail": "Odd.", "fix": "look."}
    fake.on("POST /cloud_configs", Reply(status=201, body={"warnings": [warning]}))
    ended = director("update-cloud-config", cloud, "--name", "other", stdin="y\n")
    assert ended.code == 0
    assert ended.out.startswith("  azs:\n- - a\n+ - b\nContinue?")
    assert ended.err == "c.yml:1:1: warning: Odd.\n    to fix it: look.\n"
    asked = fake.asked[-1]
    assert asked.body == cloud.read_bytes()
    assert asked.query == {"name": "other", "source": str(cloud)}


def test_a_config_that_is_the_same_is_left_alone(director, fake, cloud):
    fake.on("POST /runtime_configs/diff", {"diff": [["a: 1", None]]})
    ended = director("-n", "update-runtime-config", cloud)
    assert (ended.code, ended.out) == (0, "Nothing changed.\n")
    assert len(fake.asked) == 1


def test_a_cpi_config_goes_its_own_way_and_comes_back(director, fake, cloud):
    fake.on("POST /cpi_configs/diff", {"diff": [["cpis:", "added"]]})
    fake.on("POST /cpi_configs", {})
    fake.on("GET /cpi_configs", [{"properties": "cpis: []\n"}])
    assert director("-n", "update-cpi-config", cloud).out == "The cpi config is set.\n"
    assert director("cpi-config").out == "cpis: []\n"


def test_a_config_with_mistakes_is_bad_input(director, fake, cloud):
    fake.on("POST /cloud_configs/diff", DIFF)
    problem = {"file": str(cloud), "line": 1, "column": 6, "detail": "Empty.", "fix": "add one.", "code": "x"}
    fake.on("POST /cloud_configs", Reply(status=400, body={"code": 1, "description": "", "problems": [problem]}))
    ended = director("-n", "ucc", cloud, "--strict")
    assert ended.code == 2
    assert f"{cloud}:1:6: error: Empty." in ended.err
    assert fake.asked[-1].query["strict"] == "true"


def test_a_config_is_shown_as_it_was_sent(director, fake):
    fake.on("GET /cloud_configs", [{"name": "default", "properties": "azs: []\n"}])
    assert director("cc").out == "azs: []\n"
    assert json.loads(director("--json", "cc").out)["Blocks"] == ["azs: []\n"]
    fake.on("GET /cloud_configs", [])
    assert "update-cloud-config" in director("cc").err


def test_a_manifest_is_shown_as_it_was_sent(director, fake):
    fake.on("GET /deployments/web", {"manifest": "name: web\n"}, {"manifest": None})
    assert director("-d", "web", "manifest").out == "name: web\n"
    assert director("-d", "web", "manifest").code == 1


def test_deployments_are_listed_with_what_they_are_made_of(director, fake):
    found = {"name": "web", "releases": [{"name": "r", "version": "1"}] * 2, "stemcells": [], "cloud_config": "latest"}
    fake.on("GET /deployments", [found])
    assert rows(director("--json", "ds")) == [
        {"name": "web", "release_s": "r/1\nr/1", "stemcell_s": "", "cloud_config": "latest"}
    ]


def test_events_are_filtered_under_the_apis_names(director, fake):
    fake.on("GET /events", [{"id": "5", "parent_id": "4", "timestamp": 0, "user": "a", "action": "create"}])
    words = "events --before 5 --after 1 --event-user a --object-type vm --task 3 -d web"
    (row,) = rows(director("--json", *words.split()))
    assert (row["id"], row["time"]) == ("5 <- 4", "Thu Jan 01 00:00:00 UTC 1970")
    assert fake.asked[0].query == {
        "before_time": "5",
        "after_time": "1",
        "user": "a",
        "object_type": "vm",
        "task": "3",
        "deployment": "web",
    }


def test_variables_are_listed_and_rotated_by_name(director, fake):
    fake.on("GET /deployments/web/variables", [{"id": 1, "name": "/d/web/pw"}])
    assert rows(director("--json", "-d", "web", "variables")) == [{"id": "1", "name": "/d/web/pw"}]
    fake.on("DELETE /deployments/web/variables/%2Fd%2Fweb%2Fpw", Reply(status=204))
    assert director("-n", "-d", "web", "rotate-variable", "/d/web/pw").code == 0


def test_the_director_is_shown_also_to_strangers(director, fake):
    fake.on("GET /info", {"name": "local", "uuid": "u", "version": "1", "user": None, "cpi": None})
    assert rows(director("--json", "env")) == [
        {"name": "local", "uuid": "u", "version": "1", "user": "(not logged in)", "cpi": ""}
    ]


@pytest.mark.parametrize("words", [["--name", "rel", "--version", "1"], []])
def test_a_release_archive_is_uploaded_unless_its_version_is_known(director, fake, tmp_path, words):
    (tmp_path / "rel.tgz").write_bytes(b"archive")
    fake.on("GET /releases", [{"name": "rel", "release_versions": [{"version": "1"}]}])
    fake.begins("POST /releases", 2)
    assert director("upload-release", tmp_path / "rel.tgz", *words).code == 0
    assert len(fake.said("POST /releases")) == (0 if words else 1)


def test_a_stemcell_is_uploaded_unless_its_version_is_known(director, fake, tmp_path):
    (tmp_path / "s.tgz").write_bytes(b"archive")
    fake.on("POST /stemcell_uploads", {"needed": False})
    fake.begins("POST /stemcells", 2, event="")
    assert director("upload-stemcell", tmp_path / "s.tgz", "--name", "s", "--version", "1").code == 0
    assert fake.said("POST /stemcells") == []
    assert director("upload-stemcell", tmp_path / "s.tgz", "--fix").code == 0
    assert [asked.query for asked in fake.said("POST /stemcells")] == [{"fix": "true"}]
