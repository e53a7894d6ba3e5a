"""Making a release archive from a directory: what is in it, that it is repeatable, and what is said of mistakes."""

import gzip
import hashlib
import io
import os
import random
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from director.cli.create_release import create_release
from director.cli.fingerprint import Content, fingerprint_of
from director.model.problem import Refused

FILES = {
    "config/final.yml": "name: rel\n",
    "jobs/app/spec": "name: app\ntemplates: {run.j2: bin/run}\npackages: [lib]\nproperties: {}\n",
    "jobs/app/monit": "",
    "jobs/app/templates/run.j2": "run\n",
    "jobs/app/templates/unused": "no\n",
    "packages/lib/spec": "name: lib\ndependencies: [base]\nfiles: ['lib/**/*', extra.txt]\n"
    "excluded_files: ['**/*.tmp']\n",
    "packages/lib/packaging": "cp -R lib $BOSH_INSTALL_TARGET\n",
    "packages/base/spec": "name: base\nfiles: []\n",
    "packages/base/packaging": "true\n",
    "src/lib/a.py": "a\n",
    "src/lib/deep/.hidden": "b\n",
    "src/lib/deep/x.tmp": "c\n",
    "blobs/extra.txt": "from blobs\n",
}


@pytest.fixture
def release(tmp_path) -> Path:
    directory = tmp_path / "release"
    for name, text in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def unpacked(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def problems(directory: Path, out: Path) -> list[str]:
    with pytest.raises(Refused) as refused:
        create_release(directory, out)
    return [f"{Path(p.mark.file).relative_to(directory)}:{p.mark.line}: {p.detail}" for p in refused.value.problems]


def test_the_archive_has_the_manifest_the_jobs_and_the_packages(release, tmp_path):
    created = create_release(release, tmp_path / "out", version="3")
    assert (created.name, created.version, created.path.name) == ("rel", "3", "rel-3.tgz")
    files = unpacked(created.path.read_bytes())
    assert sorted(files) == ["jobs/app.tgz", "packages/base.tgz", "packages/lib.tgz", "release.MF"]
    assert sorted(unpacked(files["jobs/app.tgz"])) == ["job.MF", "monit", "templates/run.j2"]
    assert sorted(unpacked(files["packages/lib.tgz"])) == ["extra.txt", "lib/a.py", "lib/deep/.hidden", "packaging"]
    manifest = yaml.safe_load(files["release.MF"])
    assert (manifest["name"], manifest["version"], manifest["uncommitted_changes"]) == ("rel", "3", False)
    (job,), (base, lib) = manifest["jobs"], manifest["packages"]
    assert (job["name"], job["packages"]) == ("app", ["lib"])
    assert (base["dependencies"], lib["dependencies"]) == ([], ["base"])
    for part, path in ((job, "jobs/app.tgz"), (base, "packages/base.tgz"), (lib, "packages/lib.tgz")):
        assert part["sha1"] == f"sha256:{hashlib.sha256(files[path]).hexdigest()}"
        assert part["version"] == part["fingerprint"]


def test_an_unchanged_directory_gives_the_same_version_and_the_same_bytes(release, tmp_path):
    one = create_release(release, tmp_path / "one")
    copy = tmp_path / "elsewhere"
    shutil.copytree(release, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    two = create_release(copy, tmp_path / "two")
    assert one.version == two.version
    assert one.version.startswith("0+dev.")
    assert one.path.read_bytes() == two.path.read_bytes()


UNUSED = {"jobs/app/templates/unused", "src/lib/deep/x.tmp"}
RULES = {"packages/lib/spec", "packages/base/spec"}
"""A package is its files and its dependencies; how its spec words them is not part of it."""


@pytest.mark.parametrize("name", sorted(set(FILES) - UNUSED - RULES))
def test_every_file_that_is_used_changes_the_version(release, tmp_path, name):
    before = create_release(release, tmp_path / "out").version
    path = release / name
    path.write_text("name: other\n" if name == "config/final.yml" else path.read_text() + "# changed\n")
    assert create_release(release, tmp_path / "out").version != before


def test_files_that_are_not_used_do_not_change_the_version(release, tmp_path):
    before = create_release(release, tmp_path / "out").version
    for name in ("jobs/app/templates/unused", "src/lib/deep/x.tmp", "src/other", "README.md"):
        (release / name).write_text("changed")
    assert create_release(release, tmp_path / "out").version == before


def test_making_a_file_executable_changes_the_version_and_is_kept(release, tmp_path):
    before = create_release(release, tmp_path / "out")
    (release / "src/lib/a.py").chmod(0o755)
    after = create_release(release, tmp_path / "out")
    assert after.version != before.version
    package = unpacked(after.path.read_bytes())["packages/lib.tgz"]
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as tar:
        assert {member.name: member.mode for member in tar}["lib/a.py"] == 0o755


def test_what_is_packed_already_is_not_packed_again(release, tmp_path):
    plain, blob = b"line\n" * 4000, gzip.compress(random.Random(1).randbytes(3000))
    (release / "src/lib/a.py").write_bytes(plain)
    assert len(create_release(release, tmp_path / "one").path.read_bytes()) < len(plain) / 5
    (release / "src/lib/a.py").write_bytes(blob)
    archive = create_release(release, tmp_path / "two").path.read_bytes()
    package = unpacked(archive)["packages/lib.tgz"]
    assert blob in package
    assert blob in archive


def test_a_symbolic_link_stays_one(release, tmp_path):
    (release / "src/lib/link").symlink_to("a.py")
    package = unpacked(create_release(release, tmp_path / "out").path.read_bytes())["packages/lib.tgz"]
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as tar:
        assert tar.getmember("lib/link").linkname == "a.py"


def test_a_fingerprint_is_the_hash_that_the_rule_describes():
    files = {"b": Content(data=b"B", is_program=True), "a": Content(data=b"A"), "c": Content(target="a")}
    sha = {name: hashlib.sha256(data).hexdigest() for name, data in {"a": b"A", "b": b"B", "c": b"a"}.items()}
    text = f"v2a{sha['a']}100644b{sha['b']}100755c{sha['c']}120000x,y"
    assert fingerprint_of(files, ["y", "x"]) == hashlib.sha256(text.encode()).hexdigest()


MISTAKES = [
    ("config/final.yml", "", "config/final.yml:1", "not a mapping"),
    ("config/final.yml", "name: a/b\n", "config/final.yml:1", "'a/b'"),
    ("config/final.yml", "a: [\n", "config/final.yml:2", "not valid YAML"),
    ("jobs/app/spec", "packages: []\n\nname: other\ntemplates: {}\n", "jobs/app/spec:3", "'other'"),
    ("jobs/app/spec", "name: app\npackages: [gone]\n", "jobs/app/spec:2", '"gone"'),
    ("jobs/app/spec", "name: app\ntemplates:\n  gone: bin/x\n", "jobs/app/spec:3", "templates/gone"),
    ("jobs/app/spec", "name: app\ntemplates: [run.j2]\n", "jobs/app/spec:2", "not a mapping"),
    ("jobs/app/spec", "name: app\nproperties: 3\n", "jobs/app/spec:2", "not a mapping"),
    ("packages/lib/spec", "name: lib\nfiles: lib\n", "packages/lib/spec:2", "not a list"),
    ("packages/lib/spec", "name: lib\nfiles: [nothing/*]\n", "packages/lib/spec:2", '"nothing/*"'),
    ("packages/lib/spec", "name: lib\nfiles: ['../../x']\n", "packages/lib/spec:2", "leads out"),
    ("packages/lib/spec", "name: lib\n\ndependencies: [gone]\n", "packages/lib/spec:3", '"gone"'),
    ("packages/base/spec", "name: base\ndependencies: [lib]\n", "spec:2", "circle"),
    ("packages/lib/spec.lock", "name: lib\n", "packages/lib/spec.lock:1", "vendored"),
]


@pytest.mark.parametrize(("name", "text", "place", "words"), MISTAKES)
def test_a_mistake_is_told_with_file_and_line(release, tmp_path, name, text, place, words):
    (release / name).write_text(text)
    found = problems(release, tmp_path / "out")
    assert any(place in problem and words in problem for problem in found), found
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["config/final.yml", "jobs/app/spec", "jobs/app/monit", "packages/lib/packaging"])
def test_a_missing_file_is_told(release, tmp_path, name):
    (release / name).unlink()
    assert any(problem.startswith(name) for problem in problems(release, tmp_path / "out"))


def test_all_mistakes_are_told_at_once(release, tmp_path):
    (release / "jobs/app/spec").write_text("name: x\ntemplates: {gone: a}\npackages: [gone]\n")
    (release / "packages/lib/packaging").unlink()
    assert len(problems(release, tmp_path / "out")) == 4


SYNC, README = " (bosh sync-blobs)", "; {}/README.md may say where they come from"


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ((), ""),
        (("config/blobs.yml",), SYNC),
        (("README.md",), README),
        (("config/blobs.yml", "README.md"), SYNC + README),
    ],
)
def test_who_lacks_blobs_is_told_where_to_look_for_them(release, tmp_path, there, told):
    (release / "blobs/extra.txt").unlink()
    for name in there:
        (release / name).write_text("x")
    with pytest.raises(Refused) as refused:
        create_release(release, tmp_path / "out")
    (problem,) = refused.value.problems
    assert problem.fix == f"correct the pattern, or get the blobs that are missing{told.format(release)}."
