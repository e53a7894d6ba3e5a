"""``director watch`` against canned answers."""

import json

import pytest

ROW = {
    "deployment": "web",
    "mode": "apply",
    "max_changes": "25%",
    "deletes": False,
    "configs": "latest",
    "every": 300.0,
    "source": {"kind": "git", "text": "https://h/r.git#main"},
    "by": "admin",
    "since": "2023-11-14T22:13:20Z",
    "state": "pending",
    "reasons": ["8 instances would change, at most 2 may (--max-changes)"],
    "notes": [],
    "summary": "Instances: recreate 8",
    "revision": "0123456789ab",
    "planned_at": None,
    "again_at": None,
    "task": None,
}


def test_watch_shows_what_is_kept_and_why_it_waits(director, fake):
    fake.on("GET /watch", {"watch": [ROW]})
    ended = director("watch")
    assert ended.code == 0
    for words in ("web", "apply", "pending", "at most 2 may", "https://h/r.git#main at 0123456789ab", "recreate 8"):
        assert words in ended.out
    assert "1 watched deployments" in ended.out


def test_a_task_is_named_while_it_applies(director, fake):
    fake.on("GET /watch", {"watch": [{**ROW, "state": "applying", "task": 7, "reasons": []}]})
    assert "applying (task 7)" in director("watch").out


def test_one_deployment_is_shown_with_its_plan(director, fake):
    fake.on("GET /deployments/web/watch", {**ROW, "plan": "Instances: recreate 8\n  ± web/0  recreate: other shape"})
    ended = director("watch", "-d", "web")
    assert ended.code == 0
    assert "± web/0  recreate: other shape" in ended.out


def test_as_json_it_is_one_table_and_the_plan_a_block(director, fake):
    fake.on("GET /deployments/web/watch", {**ROW, "plan": "the plan"})
    found = json.loads(director("--json", "watch", "-d", "web").out)
    (row,) = found["Tables"][0]["Rows"]
    assert (row["deployment"], row["state"], row["limits"]) == ("web", "pending", "at most 25% instances, no deletes")
    assert found["Blocks"] == ["the plan"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {"mode": "propose", "source": {"kind": "recorded"}}),
        (("--apply", "--max-changes", "3"), {"mode": "apply", "max_changes": "3"}),
        (
            ("--deletes", "--every", "60", "--configs", "deployed"),
            {"deletes": True, "every": 60.0, "configs": "deployed"},
        ),
        (("--manifest-dir", "/srv/m"), {"source": {"kind": "directory", "path": "/srv/m"}}),
        (
            ("--git", "https://h/r.git", "--branch", "prod", "--path", "a/b"),
            {"source": {"kind": "git", "url": "https://h/r.git", "branch": "prod", "path": "a/b"}},
        ),
    ],
)
def test_on_says_what_is_to_be_kept(director, fake, words, expected):
    fake.on("PUT /deployments/web/watch", {})
    ended = director("watch", "-d", "web", "on", *words)
    assert ended.code == 0
    assert "web is watched" in ended.out
    body = json.loads(fake.said("PUT /deployments/web/watch")[0].body)
    assert {key: body[key] for key in expected} == expected


def test_a_directory_is_sent_as_the_whole_path(director, fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake.on("PUT /deployments/web/watch", {})
    director("watch", "-d", "web", "on", "--manifest-dir", "here")
    body = json.loads(fake.said("PUT /deployments/web/watch")[0].body)
    assert body["source"]["path"] == str(tmp_path / "here")


def test_off_ends_it(director, fake):
    fake.on("DELETE /deployments/web/watch", {})
    ended = director("watch", "-d", "web", "off")
    assert ended.code == 0
    assert "left alone" in ended.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("on", "--git", "https://h/r", "--manifest-dir", "/m"), "one place"),
        (("on", "--branch", "prod"), "go with --git"),
        (("off", "--apply"), "go with `director watch on`"),
        (("--every", "60"), "go with `director watch on`"),
        (("maybe",), "maybe"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_asked(director, fake, words, said):
    ended = director("watch", "-d", "web", *words)
    assert ended.code == 2
    assert said in ended.err
    assert fake.asked == []
