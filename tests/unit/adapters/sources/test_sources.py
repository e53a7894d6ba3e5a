"""Directories and real git repositories as sources of manifests."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from director.adapters.sources import FileSources, program
from director.adapters.sources.files import FILE_MAX
from director.adapters.sources.program import run_git
from director.model.steady import Directory, Git
from director.ports.failure import Retry
from director.ports.sources import SourceFailure

git_only = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git program on this machine")


@pytest.fixture
def sources(tmp_path):
    return FileSources(tmp_path / "room")


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_yml", ".yml").replace("_ops", ".ops")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


FILES = {
    "web_yml": "name: web\n",
    "web_ops__2_yml": "- second\n",
    "web_ops__10_yml": "- tenth\n",
    "web_ops__note": "not an ops file",
    "configs__cloud_yml": "azs: []\n",
    "other_yml": "name: other\n",
}


def git(repository: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *who, *words], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(repository: Path) -> str:
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "x")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    return root


class Place:
    """One way to keep files: written, and then asked for."""

    def __init__(self, kind, root):
        self.kind, self.root = kind, root

    @property
    def source(self):
        return Directory(path=str(self.root)) if self.kind == "directory" else Git(url=str(self.root))

    def keep(self):
        if self.kind == "git":
            commit(self.root)


@pytest.fixture(params=["directory", pytest.param("git", marks=git_only)])
def place(request, tmp_path):
    if request.param == "git":
        return Place("git", request.getfixturevalue("repository"))
    root = tmp_path / "manifests"
    root.mkdir()
    return Place("directory", root)


async def test_a_deployment_has_its_manifest_its_ops_by_name_and_the_configs(place, sources):
    write(place.root, **FILES)
    place.keep()
    texts = await sources.read(place.source, "web")
    assert texts.manifest == "name: web\n"
    assert [(Path(name).name, text) for name, text in texts.ops] == [("10.yml", "- tenth\n"), ("2.yml", "- second\n")]
    assert texts.configs == {"cloud": "azs: []\n"}
    assert texts.revision


async def test_another_text_is_another_revision_and_the_same_is_the_same(place, sources):
    write(place.root, **FILES)
    place.keep()
    first = await sources.read(place.source, "web")
    assert await sources.read(place.source, "web") == first
    write(place.root, web_yml="name: web\n# changed\n")
    place.keep()
    second = await sources.read(place.source, "web")
    assert second.revision != first.revision
    assert second.manifest.endswith("# changed\n")


async def test_a_missing_manifest_is_said_by_its_name_and_is_no_empty_one(place, sources):
    write(place.root, other_yml="name: other\n")
    place.keep()
    with pytest.raises(SourceFailure, match=r"no web\.yml") as caught:
        await sources.read(place.source, "web")
    assert caught.value.retry is Retry.SOON


async def test_a_link_out_of_the_source_is_refused(place, sources, tmp_path):
    secret = tmp_path / "secret.yml"
    secret.write_text("password: hunter2\n")
    (place.root / "web.yml").symlink_to(secret)
    place.keep()
    with pytest.raises(SourceFailure, match=r"web\.yml .*refused") as caught:
        await sources.read(place.source, "web")
    assert "hunter2" not in str(caught.value)


async def test_a_link_out_of_the_source_among_the_ops_is_refused(place, sources, tmp_path):
    write(place.root, web_yml="name: web\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.yml").write_text("- secret\n")
    (place.root / "web.ops").symlink_to(tmp_path / "outside")
    place.keep()
    with pytest.raises(SourceFailure, match="refused"):
        await sources.read(place.source, "web")


async def test_a_file_too_large_is_refused(place, sources):
    write(place.root, web_yml="#" * (FILE_MAX + 1))
    place.keep()
    with pytest.raises(SourceFailure, match="more than 10 MiB"):
        await sources.read(place.source, "web")


async def test_what_is_no_text_is_refused(place, sources):
    (place.root / "web.yml").write_bytes(b"name: \xff\n")
    place.keep()
    with pytest.raises(SourceFailure, match="not UTF-8"):
        await sources.read(place.source, "web")


async def test_a_link_inside_a_directory_is_followed(sources, tmp_path):
    """As volumes of configuration are mounted."""
    root = tmp_path / "manifests"
    write(root, data__web_yml="name: web\n")
    (root / "web.yml").symlink_to("data/web.yml")
    assert (await sources.read(Directory(path=str(root)), "web")).manifest == "name: web\n"


async def test_a_pipe_is_no_manifest_and_stops_nobody(sources, tmp_path):
    os.mkfifo(tmp_path / "web.yml")
    with pytest.raises(SourceFailure, match="no regular file"):
        await sources.read(Directory(path=str(tmp_path)), "web")


async def test_a_directory_that_is_not_there_is_said(sources, tmp_path):
    with pytest.raises(SourceFailure, match="gone cannot be read"):
        await sources.read(Directory(path=str(tmp_path / "gone")), "web")


@git_only
async def test_a_path_and_a_branch_are_kept_to(repository, sources):
    write(repository, prod__web_yml="name: web\n", web_yml="name: not-this\n")
    commit(repository)
    git(repository, "checkout", "-q", "-b", "next")
    write(repository, prod__web_yml="name: web\n# next\n")
    head = commit(repository)
    found = await sources.read(Git(url=str(repository), branch="next", path="prod"), "web")
    assert (found.manifest, found.revision, found.file) == ("name: web\n# next\n", head[:12], "prod/web.yml")
    assert (await sources.read(Git(url=str(repository), path="prod"), "web")).manifest == "name: web\n"


@git_only
async def test_a_branch_that_was_pushed_anew_is_taken_as_it_says(repository, sources):
    write(repository, web_yml="name: web\n# one\n")
    commit(repository)
    await sources.read(Git(url=str(repository)), "web")
    write(repository, web_yml="name: web\n# other\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "--amend", "-m", "y")
    assert "# other" in (await sources.read(Git(url=str(repository)), "web")).manifest


@git_only
async def test_only_the_newest_commit_is_kept_and_only_for_its_owner(repository, sources, tmp_path):
    for number in range(3):
        write(repository, web_yml=f"name: web\n# {number}\n")
        head = commit(repository)
        await sources.read(Git(url=str(repository)), "web")
    (home,) = (tmp_path / "room").iterdir()
    assert [path.name for path in home.iterdir()] == [head]
    assert home.stat().st_mode & 0o077 == 0
    await sources.forget("web")
    assert not home.exists()


@git_only
async def test_no_hook_or_filter_of_the_repository_runs(repository, sources, tmp_path):
    trap = tmp_path / "sprung"
    write(repository, web_yml="name: web\n")
    (repository / ".gitattributes").write_text("*.yml filter=trap\n")
    commit(repository)
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    git(repository, "config", "filter.trap.smudge", f"touch {trap}; cat")
    await sources.read(Git(url=str(repository)), "web")
    assert not trap.exists()


@git_only
async def test_a_branch_that_is_not_there_is_said(repository, sources):
    write(repository, web_yml="name: web\n")
    commit(repository)
    with pytest.raises(SourceFailure, match='no branch "gone"'):
        await sources.read(Git(url=str(repository), branch="gone"), "web")


@git_only
async def test_a_repository_that_is_not_there_is_said_in_gits_words(sources, tmp_path):
    with pytest.raises(SourceFailure, match="git ls-remote failed"):
        await sources.read(Git(url=str(tmp_path / "gone")), "web")


@git_only
async def test_other_ways_than_the_allowed_are_shut(sources, tmp_path):
    trap = tmp_path / "sprung"
    with pytest.raises(SourceFailure, match="not allowed"):
        await sources.read(Git(url=f"ext::touch {trap}"), "web")
    assert not trap.exists()


@git_only
async def test_credentials_in_what_git_says_are_not_passed_on(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text('[url "https://user:hunter2@127.0.0.1:1/"]\n\tinsteadOf = https://repo/\n')
    with pytest.raises(SourceFailure, match="git ls-remote failed") as caught:
        await run_git("ls-remote", "--", "https://repo/x", "refs/heads/main")
    assert "hunter2" not in str(caught.value)


@git_only
async def test_a_git_that_does_not_end_is_ended_with_all_it_started(monkeypatch, tmp_path):
    monkeypatch.setattr(program, "DEADLINE_S", 0.3)
    pid_file = tmp_path / "pid"
    script = tmp_path / "git"
    script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {pid_file}\nwait\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SourceFailure, match="did not end within"):
        await run_git("ls-remote")
    await asyncio.sleep(0.05)
    stat = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


async def test_a_machine_without_git_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceFailure, match="no git program"):
        await run_git("--version")
