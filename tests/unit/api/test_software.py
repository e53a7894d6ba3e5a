"""Releases, stemcells, and the archives that are uploaded."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from director.model.release import Catalog, Package
from director.planning.package import package_key
from director.reconcile.requests import DeleteRelease, DeleteStemcell, ExportRelease, UpdateRelease, UpdateStemcell
from tests.unit.api.room import Room
from tests.unit.api.samples import compiled, release, shop

ARCHIVE = {"Content-Type": "application/x-compressed"}


async def test_releases_are_listed_with_versions_in_their_own_order(room: Room) -> None:
    shop(room)
    (row,) = await room.get("/releases")
    assert row["name"] == "app"
    assert [v["version"] for v in row["release_versions"]] == ["1.0.0", "1.9.0", "1.10.0"]
    assert row["release_versions"][0] == {
        "version": "1.0.0", "commit_hash": "non-git", "uncommitted_changes": False, "currently_deployed": True,
        "job_names": ["server", "status", "tests"],
        "package_count": 1, "has_source": True, "compiled_for": {},
    }  # fmt: skip
    assert row["release_versions"][1]["currently_deployed"] is False


async def test_a_release_shows_jobs_packages_and_what_is_compiled(room: Room) -> None:
    shop(room)
    shown = await room.get("/releases/app?version=1.0.0")
    assert shown["versions"] == ["1.0.0", "1.9.0", "1.10.0"]
    assert shown["jobs"][0] == {
        "name": "server", "fingerprint": "f-server", "blobstore_id": "b-server", "sha1": "sha256:1",
        "consumes": [], "provides": [{"name": "http", "type": "http"}],
    }  # fmt: skip
    assert shown["packages"] == [
        {
            "name": "ruby", "fingerprint": "fp-ruby", "blobstore_id": "b-ruby", "sha1": "d",
            "compiled_packages": [{"stemcell": "local/1", "sha1": "d", "blobstore_id": "c-ruby"}],
        }
    ]  # fmt: skip


@pytest.mark.parametrize("path,code", [("/releases/none", 30005), ("/releases/app?version=7", 30006)])
async def test_an_unknown_release_is_404(room: Room, path: str, code: int) -> None:
    shop(room)
    for method in ("GET", "DELETE"):
        answer = await room.ask(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_deleting_a_release_or_one_version_is_a_task(room: Room) -> None:
    shop(room)
    await room.ask("DELETE", "/releases/app?version=1.9.0&force=true")
    await room.ask("DELETE", "/releases/app")
    assert room.driver.asked == [DeleteRelease(name="app", version="1.9.0", force=True), DeleteRelease(name="app")]


async def test_packages_known_in_source_may_be_left_out(room: Room) -> None:
    shop(room)
    manifest = "name: app\npackages: [{name: ruby, fingerprint: fp-ruby}, {name: x, fingerprint: new}]\n"
    answer = await room.ask("POST", "/packages/matches", content=manifest)
    assert answer.json() == ["fp-ruby"]
    assert (await room.ask("POST", "/packages/matches", content="name: app")).json() == []
    assert (await room.ask("POST", "/packages/matches_compiled", content=manifest)).json() == []


COMPILED = """
name: app
compiled_packages:
- {name: ruby, fingerprint: fp-ruby, stemcell: local/1, dependencies: [base]}
- {name: base, fingerprint: fp-base, stemcell: local/1, dependencies: []}
- {name: other, fingerprint: fp-other, stemcell: local/1}
"""


def compiled_app(room: Room, *names: str) -> None:
    """The packages of COMPILED, of which ``names`` are compiled for local/1 and no source is there."""
    keys = {"base": package_key("fp-base", "local", "1", [])}
    keys |= {"ruby": package_key("fp-ruby", "local", "1", [keys["base"]])}
    builds = [replace(compiled(), key=keys[name], name=name, fingerprint=f"fp-{name}") for name in names]
    packages = (
        Package(name="base", fingerprint="fp-base"),
        Package(name="ruby", fingerprint="fp-ruby", dependencies=("base",)),
    )
    room.store.software = Catalog(
        releases=(replace(release(), packages=packages),), compiled={built.key: built for built in builds}
    )
    room.blobs.kept = {"c-ruby": b"build"}


async def test_compiled_packages_may_be_left_out_only_as_they_were_compiled(room: Room) -> None:
    """Another stemcell, another dependency or a lost blob make it another build, or none."""
    compiled_app(room, "ruby", "base")

    async def matches(manifest: str) -> object:
        return (await room.ask("POST", "/packages/matches_compiled", content=manifest)).json()

    assert await matches(COMPILED) == ["fp-base", "fp-ruby"]
    assert await matches(COMPILED.replace("local/1", "local/2")) == []
    assert await matches(COMPILED.replace("fp-base", "fp-new")) == []
    assert await matches(COMPILED.replace("dependencies: [base]", "dependencies: [gone]")) == ["fp-base"]
    assert await matches(COMPILED.replace("dependencies: []", "dependencies: [ruby]")) == [], "a circle"
    for odd in ("name: app", "compiled_packages: 5", "compiled_packages: [5, {name: x}, {name: [], stemcell: a/b}]"):
        assert await matches(odd) == []
    room.blobs.kept = {}
    assert await matches(COMPILED) == []


async def test_the_list_says_what_a_release_is_compiled_for_and_whether_it_has_source(room: Room) -> None:
    compiled_app(room, "base")
    (row,) = (await room.get("/releases"))[0]["release_versions"]
    assert (row["package_count"], row["has_source"], row["compiled_for"]) == (2, False, {"local/1": 1})
    compiled_app(room, "base", "ruby")
    (row,) = (await room.get("/releases"))[0]["release_versions"]
    assert row["compiled_for"] == {"local/1": 2}


ASKED = {
    "deployment_name": "shop",
    "release_name": "app",
    "release_version": "1.0.0",
    "stemcell_os": "local",
    "stemcell_version": "1",
    "sha2": True,
    "jobs": [{"name": "server"}],
}


async def test_exporting_a_release_is_a_task_of_its_deployment(room: Room) -> None:
    shop(room)
    answer = await room.ask("POST", "/releases/export", json=ASKED)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks/1")
    assert room.driver.asked == [
        ExportRelease(
            deployment="shop",
            release="app",
            version="1.0.0",
            stemcell_os="local",
            stemcell_version="1",
            jobs=("server",),
            sha2=True,
        )
    ]
    assert room.store.all_tasks[1].description == "export release: 'app/1.0.0' for 'local/1'"


@pytest.mark.parametrize(
    "change,status,code",
    [
        ({"deployment_name": "none"}, 404, 70000),
        ({"release_version": None}, 400, 40001),
        ({"jobs": [{}]}, 400, 40001),
        ({"sha2": "yes"}, 400, 40000),
    ],
)
async def test_an_export_that_lacks_something_is_refused(
    room: Room, change: dict[str, object], status: int, code: int
) -> None:
    shop(room)
    answer = await room.ask("POST", "/releases/export", json={**ASKED, **change})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not room.driver.asked


async def test_a_clean_up_names_exported_releases_that_are_still_there(room: Room) -> None:
    shop(room)
    for blob in ("here", "gone", "here"):
        room.driver.results[ExportRelease] = ("done", f'{{"blobstore_id": "{blob}", "sha1": "x"}}\n')
        await room.ask("POST", "/releases/export", json=ASKED)
    room.driver.results[ExportRelease] = ("it failed", "")
    await room.ask("POST", "/releases/export", json=ASKED)
    room.blobs.kept = {"here": b"archive"}
    shown = await room.get("/cleanup/dryrun?remove_all=false&keep_orphaned_disks=false")
    assert shown["exported_releases"] == ["here"]


async def test_an_uploaded_release_is_a_file_only_the_director_may_read(room: Room) -> None:
    content = bytes(range(256)) * 10_000
    answer = await room.ask("POST", "/releases?fix=true&rebase=true", content=content, headers=ARCHIVE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks/1")
    (request,) = room.driver.asked
    assert request == UpdateRelease(path=request.path, fix=True, rebase=True)
    path = Path(request.path)
    assert path.parent == room.uploads
    assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def form(content: bytes) -> bytes:
    begin = b'--xyz\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    return begin + content + b"\r\n--xyz\r\nContent-Disposition: form-data\r\n\r\nmore\r\n--xyz--\r\n"


@pytest.mark.parametrize("size", [1, 7, 40, 100_000])
async def test_an_archive_may_come_as_the_first_part_of_a_form_however_it_is_cut(room: Room, size: int) -> None:
    content = b"ab\r\n--xy\r\n--" * 50
    body = form(content)

    async def chunks():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    answer = await room.ask("POST", "/stemcells?fix=true", content=chunks(), headers=headers)
    assert answer.status_code == 303
    (request,) = room.driver.asked
    assert request == UpdateStemcell(path=request.path, fix=True)
    assert Path(request.path).read_bytes() == content


@pytest.mark.parametrize(
    "kind,content",
    [
        ("application/x-compressed", b""),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=xyz", b"--xyz\r\n\r\nno end"),
        ("multipart/form-data; boundary=xyz", b"y" * 20_000),
        ("application/json", b'{"location": "file:///nowhere/at/all"}'),
        ("application/json", b'{"location": "https://example.com/r.tgz"}'),
        ("application/json", b'{"location": "r.tgz"}'),
        ("application/json", b"{}"),
    ],
)
async def test_an_upload_without_an_archive_is_refused_and_leaves_nothing(
    room: Room, kind: str, content: bytes
) -> None:
    answer = await room.ask("POST", "/releases", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert not room.driver.asked
    assert list(room.uploads.iterdir()) == []


async def test_a_remote_location_is_told_what_to_do_instead(room: Room) -> None:
    answer = await room.ask("POST", "/releases", json={"location": "https://example.com/r.tgz", "sha1": "abc"})
    assert "upload it" in answer.json()["problems"][0]["fix"]


async def test_a_location_on_the_directors_machine_is_copied(
    room: Room, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = tmp_path_factory.mktemp("there") / "a release.tgz"
    source.write_bytes(b"archive")
    await room.ask("POST", "/releases", json={"location": source.as_uri(), "sha1": "abc"})
    (request,) = room.driver.asked
    assert request.sha1 == "abc"
    assert Path(request.path) != source
    assert Path(request.path).read_bytes() == b"archive"
    assert stat.S_IMODE(Path(request.path).stat().st_mode) == 0o600


async def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    room = Room(uploads=tmp_path, upload_size_max=1000)
    answer = await room.ask("POST", "/releases", content=b"x" * 1001, headers=ARCHIVE)
    assert answer.status_code == 413
    assert list(tmp_path.iterdir()) == []


async def test_stemcells_are_listed_with_their_users(room: Room) -> None:
    shop(room)
    assert await room.get("/stemcells") == [
        {
            "id": "local-stemcell/1", "name": "local-stemcell", "operating_system": "local", "version": "1",
            "cid": "sc-1", "cpi": "", "api_version": 3, "deployments": [{"name": "shop"}],
        }
    ]  # fmt: skip


@pytest.mark.parametrize("version,needed", [("1", False), ("2", True)])
async def test_whether_a_stemcell_must_be_uploaded(room: Room, version: str, needed: bool) -> None:
    shop(room)
    body = {"stemcell": {"name": "local-stemcell", "version": version}}
    assert (await room.ask("POST", "/stemcell_uploads", json=body)).json() == {"needed": needed}


async def test_deleting_a_stemcell_is_a_task_and_404_for_an_unknown_one(room: Room) -> None:
    shop(room)
    assert (await room.ask("DELETE", "/stemcells/local-stemcell/1?force=true")).status_code == 303
    assert room.driver.asked == [DeleteStemcell(name="local-stemcell", version="1", force=True)]
    answer = await room.ask("DELETE", "/stemcells/local-stemcell/9")
    assert (answer.status_code, answer.json()["code"]) == (404, 50003)
