"""A deployment kept as a git branch has it: a real director, real agents, a real repository."""

import shutil
import subprocess
import time

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("git") is None, reason="there is no git program on this machine"),
]

UNTIL_S = 120
"""A director that has just come up does not trust its own eyes for half a minute, and applies nothing before."""


def _git(repository, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@example")
    subprocess.run(["git", *who, *words], cwd=repository, check=True, capture_output=True)


def _until(what):
    deadline = time.monotonic() + UNTIL_S
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.5)
    return found


def _standing(director):
    return director.rows("watch")[0]


def test_what_is_committed_is_proposed_and_once_allowed_runs(director, tmp_path):
    director.deploy()
    repository = tmp_path / "manifests"
    repository.mkdir()
    _git(repository, "init", "-q", "-b", "main")
    text = director.run("-d", "guestbook", "manifest")
    assert "instances: 3" in text
    (repository / "guestbook.yml").write_text(text.replace("instances: 3", "instances: 4"))
    _git(repository, "add", "-A")
    _git(repository, "commit", "-q", "-m", "one more")
    source = ("--git", repository, "--every", "5")
    director.run("-d", "guestbook", "watch", "on", *source)
    proposed = _until(lambda: (row := _standing(director))["state"] == "pending" and row)
    assert "create 1" in proposed["summary"]
    assert len([i for i in director.instances() if i.startswith("web/")]) == 3
    director.run("-d", "guestbook", "watch", "on", "--apply", "--max-changes", "5", *source)
    _until(lambda: _standing(director)["state"] == "as wanted")
    web = [row["process_state"] for label, row in director.instances().items() if label.startswith("web/")]
    assert web == ["running"] * 4
    director.run("-d", "guestbook", "watch", "off")
    assert director.rows("watch") == []
