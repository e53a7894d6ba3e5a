"""deploy and plan: what is uploaded, asked and sent."""

import json

import pytest

from tests.unit.cli.fake import Reply

MANIFEST = b"# a demo \xc3\xbc\r\nname: web\nreleases:\n- name: rel # ours\n  version:   create  # made here\n  url: file://rel\n"
SETTLED = {"deployment": "web", "is_settled": True, "text": "No changes.", "warnings": []}
CHANGES = {
    "deployment": "web",
    "is_settled": False,
    "text": "Instances: create 1\n  + web/0  create: new\n\nSteps of web (1 steps):\n    1  web/0  create VM",
    "plan": {
        "changes": [{"instance": "u", "label": "web/0", "move": "create", "reasons": ["new", "wanted"]}],
        "holds": [{"code": "h", "subject": "web/1", "reason": "it is ignored."}],
    },
    "warnings": [],
}
DELETES = {"code": "deploy.deletes-everything", "detail": "All goes.", "fix": "allow it.", "severity": "error"}
REFUSED = Reply(status=400, body={"code": 190024, "description": "All goes.", "problems": [DELETES]})


@pytest.fixture
def folder(tmp_path):
    files = {
        "m.yml": MANIFEST,
        "plain.yml": b"name: web\n",
        "rel/config/final.yml": b"name: rel\n",
        "rel/jobs/app/spec": b"name: app\ntemplates: {}\npackages: []\n",
        "rel/jobs/app/monit": b"",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def fake(fake):
    fake.on("GET /releases", [])
    fake.begins("POST /releases", 1)
    fake.begins("POST /deployments", 2, result="/deployments/web", event="")
    fake.on("POST /deployments/web/plan", CHANGES)
    return fake


def sent(fake):
    (asked,) = fake.said("POST /deployments")
    return asked


def test_a_version_create_is_replaced_in_place_and_every_other_byte_stays(director, fake, folder):
    assert director("-n", "deploy", folder / "m.yml").code == 0
    before, after = MANIFEST.split(b"create", 1)
    body = sent(fake).body
    assert body.startswith(before + b'"0+dev.')
    assert body.endswith(b'"' + after)
    assert body.count(b"\n") == MANIFEST.count(b"\n")


@pytest.mark.parametrize("word", [b"'create'", b'"create"', b"&v create"])
def test_a_version_create_may_be_quoted_or_anchored(director, fake, folder, word):
    (folder / "m.yml").write_bytes(b"name: web\nreleases: [{url: rel, version: " + word + b"}]\n")
    assert director("-n", "deploy", folder / "m.yml").code == 0
    assert b"create" not in sent(fake).body
    assert (b"&v" in sent(fake).body) == (b"&v" in word)


def test_a_release_the_director_has_is_not_uploaded_again_unless_fixed(director, fake, folder):
    director("-n", "deploy", folder / "m.yml")
    assert len(fake.said("POST /releases")) == 1
    version = sent(fake).body.decode().split('"')[1]
    fake.on("GET /releases", [{"name": "rel", "release_versions": [{"version": version}]}])
    director("-n", "deploy", folder / "m.yml")
    assert len(fake.said("POST /releases")) == 1
    director("-n", "deploy", folder / "m.yml", "--fix-releases")
    assert [asked.query for asked in fake.said("POST /releases")] == [{}, {"fix": "true"}]


def test_a_release_of_a_fixed_version_is_uploaded_once(director, fake, folder):
    (folder / "m.yml").write_bytes(b"name: web\nreleases: [{name: rel, url: rel.tgz, version: 1}]\n")
    (folder / "rel.tgz").write_bytes(b"archive")
    director("-n", "deploy", folder / "m.yml")
    fake.on("GET /releases", [{"name": "rel", "release_versions": [{"version": "1"}]}])
    director("-n", "deploy", folder / "m.yml")
    assert [asked.body for asked in fake.said("POST /releases")] == [b"archive"]
    assert fake.said("POST /deployments")[0].body == (folder / "m.yml").read_bytes()


def test_uploads_can_be_skipped(director, fake, folder):
    assert director("-n", "deploy", folder / "m.yml", "--skip-upload-releases").code == 0
    assert fake.said("POST /releases") == []


@pytest.mark.parametrize(
    ("url", "said"),
    [("nowhere.tgz", "do not exist"), ("https://x/y.tgz", "upload-release"), ("m.yml", "no release directory")],
)
def test_a_release_that_cannot_be_brought_is_bad_input(director, fake, folder, url, said):
    (folder / "n.yml").write_text(f"name: web\nreleases: [{{name: rel, url: '{url}', version: create}}]\n")
    ended = director("-n", "deploy", folder / "n.yml")
    assert ended.code == 2
    assert said in ended.err
    assert fake.said("POST /deployments") == []


def test_mistakes_of_a_release_directory_are_told_with_their_places(director, fake, folder):
    (folder / "rel/jobs/app/spec").write_text("name: other\npackages: [gone]\n")
    ended = director("-n", "deploy", folder / "m.yml")
    assert ended.code == 2
    assert f"{folder}/rel/jobs/app/spec:1:1: error: " in ended.err
    assert f"{folder}/rel/jobs/app/spec:2:1: error: " in ended.err
    assert "to fix it:" in ended.err


def test_a_failed_upload_ends_the_deploy_with_its_reason(director, fake, folder):
    fake.begins("POST /releases", 1, state="error", result="Not an archive.")
    ended = director("-n", "deploy", folder / "m.yml")
    assert ended.code == 1
    assert "Not an archive." in ended.err
    assert fake.said("POST /deployments") == []


def test_flags_become_the_query(director, fake, folder):
    words = "--recreate --fix --recreate-persistent-disks --canaries 2 --max-in-flight 50% --dry-run --strict"
    words += " --skip-drain web --skip-drain db/0 --allow-delete-all"
    director("-n", "deploy", folder / "plain.yml", *words.split())
    assert sent(fake).query == {
        "recreate": "true",
        "fix": "true",
        "recreate_persistent_disks": "true",
        "canaries": "2",
        "max_in_flight": "50%",
        "dry_run": "true",
        "strict": "true",
        "skip_drain": "web,db/0",
        "allow_delete_all": "true",
        "source": str(folder / "plain.yml"),
    }


@pytest.mark.parametrize("words", [["--skip-drain"], ["--skip-drain", "--fix"], ["--skip-drain=*"]])
def test_a_bare_skip_drain_means_all(director, fake, folder, words):
    director("-n", "deploy", folder / "plain.yml", *words)
    assert sent(fake).query["skip_drain"] == "*"


def test_the_result_is_printed_as_text(director, fake, folder):
    fake.on("GET /tasks/2/output", lambda asked: Reply(body='"No changes."\n', status=200))
    assert director("-n", "deploy", folder / "plain.yml").out.endswith("No changes.\n")


def test_a_deploy_in_json_is_only_json(director, fake, folder):
    fake.task(2, result="x", event="not shown\n")
    ended = director("-n", "--json", "deploy", folder / "plain.yml")
    assert json.loads(ended.out)["Lines"] == ["Task 2 done"]


def test_a_task_that_fails_is_exit_code_1_with_its_error_on_standard_error(director, fake, folder):
    fake.task(2, state="error", result="web/0 is not running after 3 s.", event="")
    ended = director("-n", "deploy", folder / "plain.yml")
    assert (ended.code, ended.err) == (1, "Task 2 failed: web/0 is not running after 3 s.\n")


def test_what_changes_is_shown_and_confirmed_first(director, fake, folder):
    ended = director("deploy", folder / "plain.yml", stdin="y\n")
    assert ended.code == 0
    assert "+ web/0  create: new" in ended.out
    assert "Steps of" not in ended.out
    assert "allow_delete_all" not in sent(fake).query


@pytest.mark.parametrize(("stdin", "code"), [("n\n", 1), ("\n", 1), ("", 2)])
def test_without_a_yes_nothing_is_sent(director, fake, folder, stdin, code):
    ended = director("deploy", folder / "plain.yml", stdin=stdin)
    assert ended.code == code
    assert "othing was changed" in ended.err
    assert fake.said("POST /deployments") == []


def test_where_nothing_changes_nothing_is_asked(director, fake, folder):
    fake.on("POST /deployments/web/plan", SETTLED)
    assert director("deploy", folder / "plain.yml").code == 0
    assert sent(fake)


def test_deleting_everything_has_a_question_of_its_own(director, fake, folder):
    fake.on("POST /deployments/web/plan", REFUSED, CHANGES)
    ended = director("deploy", folder / "plain.yml", stdin="y\n")
    assert ended.code == 0
    assert "This deletes EVERY instance" in ended.out
    assert sent(fake).query["allow_delete_all"] == "true"
    assert [asked.query.get("allow_delete_all") for asked in fake.said("POST /deployments/web/plan")] == [None, "true"]


def test_deleting_everything_is_not_allowed_by_a_no(director, fake, folder):
    fake.on("POST /deployments/web/plan", REFUSED, CHANGES)
    assert director("deploy", folder / "plain.yml", stdin="n\n").code == 1
    assert fake.said("POST /deployments") == []


def test_without_questions_deleting_everything_is_refused_by_the_director(director, fake, folder):
    fake.on("POST /deployments", REFUSED)
    ended = director("-n", "deploy", folder / "plain.yml")
    assert (ended.code, ended.err) == (2, "error: All goes.\n    to fix it: allow it.\n")


def test_problems_stop_the_deploy_before_any_question(director, fake, folder):
    problem = {"file": "m.yml", "line": 3, "column": 1, "detail": "Bad.", "fix": "mend it.", "code": "x.y"}
    fake.on("POST /deployments/web/plan", Reply(status=400, body={"description": "", "problems": [problem, DELETES]}))
    ended = director("deploy", folder / "plain.yml")
    assert ended.code == 2
    assert "m.yml:3:1: error: Bad." in ended.err
    assert "2 errors; nothing was changed." in ended.err
    assert "?" not in ended.out


def test_lines_of_an_edited_text_are_told_as_such(director, fake, folder):
    problem = {"file": "m (edited)", "line": 3, "column": 1, "detail": "Bad.", "fix": "mend it.", "code": "x.y"}
    fake.on("POST /deployments", Reply(status=400, body={"description": "", "problems": [problem]}))
    ended = director("-n", "deploy", folder / "plain.yml", "-v", "a=1")
    assert ended.code == 2
    assert "director interpolate" in ended.err
    assert sent(fake).query["source"] == f"{folder / 'plain.yml'} (edited)"


def test_d_must_name_the_manifests_deployment(director, fake, folder):
    ended = director("-n", "-d", "other", "deploy", folder / "m.yml")
    assert ended.code == 2
    assert "is the manifest of web, but -d names other" in ended.err
    assert fake.asked == []


def test_a_manifest_that_is_no_yaml_is_the_directors_to_refuse(director, fake, folder):
    (folder / "bad.yml").write_text("name: [")
    fake.on(
        "POST /deployments/unnamed/plan",
        Reply(status=400, body={"description": "", "problems": [DELETES | {"code": "y"}]}),
    )
    assert director("deploy", folder / "bad.yml").code == 2


def test_a_plan_shows_steps_and_uploads_nothing(director, fake, folder):
    ended = director("plan", folder / "m.yml")
    assert ended.code == 0
    assert ended.out == CHANGES["text"] + "\n"
    assert {asked.method + asked.path for asked in fake.asked} == {"GET/releases", "POST/deployments/web/plan"}
    assert fake.asked[-1].query["allow_delete_all"] == "true"


def test_a_plans_summary_leaves_out_the_steps(director, fake, folder):
    assert director("plan", folder / "plain.yml", "--summary").out == "Instances: create 1\n  + web/0  create: new\n"


def test_a_plan_in_json_is_a_table_of_changes(director, fake, folder):
    document = json.loads(director("--json", "plan", folder / "plain.yml").out)
    (table,) = document["Tables"]
    assert table["Rows"] == [{"instance": "web/0", "move": "create", "reasons": "new; wanted"}]
    assert table["Notes"] == ["Held back: it is ignored."]
    assert document["Blocks"] == [CHANGES["text"]]
