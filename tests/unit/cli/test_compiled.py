"""export-release and inspect-release against a fake director."""

import hashlib
import json

import pytest

from tests.unit.cli.fake import part_of

CONTENT = b"an archive"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def exports(fake):
    """Task 8 exports the archive, and says this digest of it."""

    def say(digest, content=CONTENT):
        fake.begins("POST /releases/export", 8)
        result = (json.dumps({"blobstore_id": "b1", "sha1": digest}) + "\n").encode()
        fake.on("GET /tasks/8/output", lambda asked: part_of(result if asked.query["type"] == "result" else b"", asked))
        fake.on("GET /resources/b1", content)

    return say


def test_an_export_is_asked_for_as_bosh_does_and_downloaded(director, fake, exports, tmp_path):
    exports(SHA256)
    words = ("-d", "web", "export-release", "rel/1.2", "os/7", "--job", "b", "--job", "a", "--dir", tmp_path / "new")
    (row,) = json.loads(director("--json", *words).out)["Tables"][0]["Rows"]
    target = tmp_path / "new" / "a-b-rel-1.2-os-7.tgz"
    assert row == {"file": str(target), "size": "10 bytes", "sha1": SHA256}
    assert target.read_bytes() == CONTENT
    assert json.loads(fake.asked[0].body) == {
        "deployment_name": "web",
        "release_name": "rel",
        "release_version": "1.2",
        "stemcell_os": "os",
        "stemcell_version": "7",
        "sha2": True,
        "jobs": [{"name": "b"}, {"name": "a"}],
    }


def test_a_sha1_is_understood_too(director, exports, tmp_path):
    exports(hashlib.sha1(CONTENT).hexdigest())
    assert director("-d", "web", "export-release", "rel/1", "os/7", "--dir", tmp_path).code == 0
    assert (tmp_path / "rel-1-os-7.tgz").read_bytes() == CONTENT


def test_what_was_damaged_on_its_way_is_not_kept(director, exports, tmp_path):
    exports(SHA256, b"something else")
    ended = director("-d", "web", "export-release", "rel/1", "os/7", "--dir", tmp_path)
    assert ended.code == 1
    assert "Try again" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("rel", "os/7"), ("rel/", "os/7"), ("rel/1", "os")])
def test_half_a_name_is_refused(director, fake, words):
    assert director("-d", "web", "export-release", *words).code == 2
    assert not fake.asked


def test_a_release_is_shown_with_links_and_what_its_packages_are_compiled_for(director, fake):
    job = {"name": "j", "fingerprint": "f1", "blobstore_id": "b", "sha1": "s"}
    links = {
        "consumes": [{"name": "db", "type": "sql", "optional": True}],
        "provides": [{"name": "j", "type": "http"}],
    }
    package = {"name": "p", "fingerprint": "f2", "blobstore_id": None, "sha1": None}
    build = {"stemcell": "os/7", "sha1": "c", "blobstore_id": "d"}
    found = {"jobs": [{**job, **links}], "packages": [{**package, "compiled_packages": [build]}], "versions": ["1"]}
    fake.on("GET /releases/rel", found)
    jobs, packages = json.loads(director("--json", "inspect-release", "rel/1").out)["Tables"]
    assert fake.asked[0].query == {"version": "1"}
    (row,) = jobs["Rows"]
    assert (row["job"], row["links_consumed"], row["links_provided"]) == ("j/f1", "db (sql, optional)", "j (http)")
    assert packages["Rows"] == [
        {"package": "p/f2", "compiled_for": "(source)", "blobstore_id": "", "digest": ""},
        {"package": "p/f2", "compiled_for": "os/7", "blobstore_id": "d", "digest": "c"},
    ]
    plain = director("inspect-release", "rel/1").out
    assert "1 jobs" in plain
    assert "2 packages" in plain
