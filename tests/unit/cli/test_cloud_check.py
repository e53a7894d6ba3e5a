"""``director cloud-check`` and its recovery plans against canned answers."""

import json

import pytest
import yaml

OFFERED = {
    "missing_vm": ("ignore", "recreate_vm_without_wait", "recreate_vm", "delete_vm_reference"),
    "missing_disk": ("ignore", "delete_disk_reference"),
}


def problem(number, kind, group):
    offered = [{"name": name, "plan": name.replace("_", " ").capitalize()} for name in OFFERED[kind]]
    row = {"id": number, "type": kind, "instance_group": group, "description": f"{kind} of {group}", "data": {}}
    return {**row, "resolutions": offered}


GONE, LOST = problem(7, "missing_vm", "db"), problem(8, "missing_disk", "db")
PROBLEMS = "GET /deployments/web/problems"
RESOLVE = "PUT /deployments/web/problems"


@pytest.fixture
def check(director, fake):
    """Runs it on a deployment whose scan finds these problems; gives its end and what it asked for."""

    def run(*words, found=(GONE, LOST), stdin=""):
        fake.begins("POST /deployments/web/scans", task=1)
        fake.on(PROBLEMS, list(found))
        fake.begins(RESOLVE, task=2)
        ended = director(*words, "-d", "web", stdin=stdin)
        bodies = [json.loads(asked.body) for asked in fake.said(RESOLVE)]
        return ended, bodies

    return run


def test_a_deployment_without_problems_ends_with_0(check):
    ended, bodies = check("cloud-check", found=())
    assert (ended.code, bodies) == (0, [])
    assert "0 problems" in ended.out


@pytest.mark.parametrize("name", ["cck", "cloudcheck", "cloud-check"])
def test_a_report_shows_them_ends_with_1_and_changes_nothing(check, name):
    ended, bodies = check(name, "--report")
    assert (ended.code, bodies) == (1, [])
    assert "missing_disk of db" in ended.out
    assert "2 problem(s) found" in ended.err


def test_auto_takes_the_default_of_each(check):
    ended, bodies = check("cck", "--auto", "-n")
    assert ended.code == 0, ended.err
    assert bodies == [{"resolutions": {"7": None, "8": None}}]


def test_a_resolution_is_taken_where_it_is_offered_and_the_rest_is_skipped(check):
    ended, bodies = check("cck", "--resolution", "recreate_vm", "-n")
    assert ended.code == 0, ended.err
    assert bodies == [{"resolutions": {"7": "recreate_vm", "8": "ignore"}}]


def test_a_misspelt_resolution_is_refused_before_anything_is_asked(check, fake):
    ended, bodies = check("cck", "--resolution", "recreate", "-n")
    assert (ended.code, bodies, fake.asked) == (2, [], [])
    assert "recreate_vm" in ended.err


def test_each_problem_is_asked_about_and_the_whole_confirmed(check):
    ended, bodies = check("cck", stdin="3\n2\ny\n")
    assert ended.code == 0, ended.err
    assert bodies == [{"resolutions": {"7": "recreate_vm", "8": "delete_disk_reference"}}]
    ended, bodies = check("cck", stdin="3\n2\nn\n")
    assert ended.code == 1
    assert len(bodies) == 1, "not confirmed, so not asked for again"


def test_a_script_that_chose_nothing_is_told_so(check):
    for words, stdin in ((("cck", "-n"), ""), (("cck",), "")):
        ended, bodies = check(*words, stdin=stdin)
        assert (ended.code, bodies) == (2, [])
        assert "--auto" in ended.err


def test_as_json_one_document_is_printed(check):
    ended, _ = check("cck", "--auto", "-n", "--json")
    assert json.loads(ended.out)["Lines"] == ["Task 2 done"]
    ended, _ = check("cck", "--report", "--json")
    (table,) = json.loads(ended.out)["Tables"]
    assert [row["id"] for row in table["Rows"]] == ["7", "8"]


def test_a_recovery_plan_is_written_as_bosh_does_and_carried_out(check, tmp_path):
    path = tmp_path / "plan.yml"
    ended, bodies = check("create-recovery-plan", path, stdin="2\n3\n50%\n")
    assert (ended.code, bodies) == (0, []), ended.err
    assert yaml.safe_load(path.read_text()) == {
        "instance_groups_plan": [
            {
                "name": "db",
                "max_in_flight_override": "50%",
                "planned_resolutions": {"missing_disk": "delete_disk_reference", "missing_vm": "recreate_vm"},
            }
        ]
    }
    wanted = {
        "resolutions": {"7": "recreate_vm", "8": "delete_disk_reference"},
        "max_in_flight_overrides": {"db": "50%"},
    }
    ended, bodies = check("recover", path, "-n")
    assert (ended.code, bodies) == (0, [wanted]), ended.err
    ended, bodies = check("cck", "--recovery-plan", path, "-n")
    assert (ended.code, bodies) == (0, [wanted, wanted]), ended.err


def test_what_a_plan_does_not_speak_of_is_skipped_and_what_is_not_offered_refused(check, tmp_path):
    path = tmp_path / "plan.yml"
    path.write_text("instance_groups_plan: [{name: db, planned_resolutions: {missing_vm: recreate_vm}}]")
    ended, bodies = check("recover", path, "-n")
    assert (ended.code, bodies) == (0, [{"resolutions": {"7": "recreate_vm", "8": "ignore"}}]), ended.err
    path.write_text("instance_groups_plan: [{name: db, planned_resolutions: {missing_vm: reboot_vm}}]")
    ended, bodies = check("recover", path, "-n")
    assert (ended.code, len(bodies)) == (2, 1)
    assert 'missing_vm has no resolution "reboot_vm"' in ended.err


@pytest.mark.parametrize(
    "text", ["- a", "instance_groups_plan: 5", "instance_groups_plan: [{name: a, plan: b}]", "a: [", "x: 1"]
)
def test_a_file_that_is_no_recovery_plan_is_refused(check, tmp_path, text):
    path = tmp_path / "plan.yml"
    path.write_text(text)
    ended, bodies = check("recover", path, "-n")
    assert (ended.code, bodies) == (2, [])
