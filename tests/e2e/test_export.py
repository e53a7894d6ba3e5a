"""A release exported and brought back, by BOSH's client library and by our command: nothing is compiled twice."""

import json
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.e2e.bosh_sample import NAME, bosh, failure, manifest, program, release, rows, stemcell
from tests.e2e.boshclient import BoshClient
from tests.e2e.conftest import leftovers, one_director

__all__ = ["bosh", "manifest", "program", "release"]

pytestmark = [pytest.mark.e2e, pytest.mark.go, pytest.mark.timeout(300)]

STEMCELL = "local/1"


@pytest.fixture(scope="module")
def nobody(manifest):
    """A deployment that only uses the release."""
    return yaml.safe_dump({**yaml.safe_load(manifest), "instance_groups": []})


@pytest.fixture(scope="module")
def archive(bosh, release, nobody, tmp_path_factory):
    """The compiled release, exported by BOSH's library out of a deployment without instances."""
    bosh.value("upload_release", path=str(release.path))
    bosh.value("deploy", deployment=NAME, text=nobody)
    exported = bosh.ask("export_release", **export(release), timeout=120)
    assert exported.ok, f"{exported.error}\n{exported.output}"
    stages = {event["stage"] for event in exported.events}
    assert {"Compiling packages", "Exporting release"} <= stages
    path = tmp_path_factory.mktemp("exported") / "compiled.tgz"
    bosh.value("resource", name=exported.value["BlobstoreID"], path=str(path))
    bosh.value("verify", text=exported.value["SHA1"], path=str(path))
    return path


def export(release, **more):
    return {"deployment": NAME, "name": NAME, "version": release.version, "stemcell": STEMCELL} | more


def compiled_in(answer):
    return [event["task"] for event in answer.events if "ompil" in event["stage"]]


def forms(director, release):
    """What `inspect-release` says each package is there as."""
    tables = json.loads(director.run("--json", "inspect-release", f"{NAME}/{release.version}"))["Tables"]
    found = {row["package"]: () for row in tables[1]["Rows"]}
    for row in tables[1]["Rows"]:
        found[row["package"]] += (row["compiled_for"],)
    return found


def test_the_archive_holds_the_jobs_and_every_compiled_package(bosh, director, release, archive):
    with tarfile.open(release.path) as source, tarfile.open(archive) as found:
        listed = yaml.safe_load(source.extractfile("release.MF").read())
        about = yaml.safe_load(found.extractfile("release.MF").read())
        names = found.getnames()
    assert {job["fingerprint"] for job in about["jobs"]} == {job["fingerprint"] for job in listed["jobs"]}
    packages = {one["name"]: (one["fingerprint"], one["dependencies"]) for one in listed["packages"]}
    built = {one["name"]: (one["fingerprint"], one["dependencies"]) for one in about["compiled_packages"]}
    assert built == packages
    assert {one["stemcell"] for one in about["compiled_packages"]} == {STEMCELL}
    assert set(names) == {
        "release.MF",
        *(f"jobs/{job['name']}.tgz" for job in about["jobs"]),
        *(f"compiled_packages/{name}.tgz" for name in built),
    }
    assert not bosh.value("instances", deployment=NAME)
    assert leftovers(director) == []


def test_exported_again_it_is_the_same_archive_and_nothing_is_compiled(bosh, release, archive):
    again = bosh.ask("export_release", **export(release), timeout=120)
    assert compiled_in(again) == []
    bosh.value("verify", text=again.value["SHA1"], path=str(archive))


def test_our_command_exports_the_same_and_only_what_named_jobs_need(director, release, archive, tmp_path):
    words = ("-d", NAME, "export-release", f"{NAME}/{release.version}", STEMCELL, "--dir", tmp_path)
    (row,) = director.rows(*words)
    assert Path(row["file"]).read_bytes() == archive.read_bytes()
    (row,) = director.rows(*words, "--job", "banner")
    assert row["file"].endswith(f"banner-{NAME}-{release.version}-local-1.tgz")
    with tarfile.open(row["file"]) as found:
        assert [name for name in found.getnames() if name.startswith("jobs/")] == ["jobs/banner.tgz"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"version": "9"}, 30006), ({"stemcell": "local/9"}, 50003), ({"jobs": ["nothing"]}, 70009)],
)
def test_what_is_not_there_is_not_exported(bosh, release, archive, change, code):
    assert failure(bosh.ask("export_release", **export(release, **change)))["code"] == code


def test_the_release_comes_back_compiled_and_is_deployed_without_compiling(
    bosh, director, release, archive, manifest, tmp_path
):
    bosh.value("delete_deployment", deployment=NAME)
    bosh.value("delete_release", name=NAME, version=release.version)
    sent = bosh.value("send_release", path=str(archive))
    assert sent["left_out"] == [], "its builds went with it"
    assert bosh.value("send_release", path=str(archive))["left_out"] != [], "now all are here"
    shown = bosh.value("release", name=NAME, version=release.version)
    assert {package["blobstore_id"] for package in shown["packages"]} == {""}
    assert set(forms(director, release).values()) == {("(source)", STEMCELL)}
    assert bosh.value("has_release", name=NAME, version=release.version, stemcell=STEMCELL) is True
    assert bosh.value("has_release", name=NAME, version=release.version, stemcell="local/9") is False
    (row,) = director.rows("releases")
    assert row["compiled_for"] == f"{STEMCELL}\n(no source)"

    bosh.value("upload_stemcell", path=str(stemcell(tmp_path, "9", "local")))
    elsewhere = yaml.safe_load(manifest)
    elsewhere["stemcells"][0]["version"] = "9"
    refused = bosh.ask("deploy", deployment=NAME, text=yaml.safe_dump(elsewhere))
    assert "came without source, and is not compiled for stemcell local/9" in refused.error

    elsewhere["stemcells"][0]["version"] = "1"
    deployed = bosh.ask("deploy", deployment=NAME, text=yaml.safe_dump(elsewhere), timeout=120)
    assert deployed.ok, f"{deployed.error}\n{deployed.output}"
    assert compiled_in(deployed) == []
    assert {row["job_state"] for row in rows(bosh, "vms").values()} == {"running"}
    (ran,) = bosh.value("run_errand", deployment=NAME, name="smoke-tests", timeout=120)
    assert ran["Stdout"].endswith("all good\n")


def test_source_that_is_uploaded_later_is_used_for_another_stemcell(bosh, director, release, archive):
    """Compiled first, then with source: nothing that is there is lost."""
    bosh.value("upload_release", path=str(release.path))
    exported = bosh.ask("export_release", **export(release, stemcell="local/9"), timeout=120)
    assert exported.ok, f"{exported.error}\n{exported.output}"
    assert compiled_in(exported) != []
    shown = bosh.value("release", name=NAME, version=release.version)
    assert all(package["blobstore_id"] for package in shown["packages"])
    assert set(forms(director, release).values()) == {("(source)", STEMCELL, "local/9")}
    bosh.value("send_release", path=str(archive))
    assert bosh.value("release", name=NAME, version=release.version) == shown


def test_cleaning_up_deletes_the_archives(bosh, director, release, archive, tmp_path):
    blob = bosh.value("export_release", **export(release), timeout=120)["BlobstoreID"]
    director.run("-n", "clean-up")
    assert "status code '404'" in bosh.ask("resource", name=blob, path=str(tmp_path / "no")).error


@pytest.mark.timeout(300)
def test_another_director_deploys_it_without_source_and_without_compiling(program, archive, manifest, bosh):
    bosh.value("delete_deployment", deployment=NAME, timeout=120)
    with one_director(second=True) as other:
        there = BoshClient(program=program, environment=other.environment())
        there.value("send_release", path=str(archive))
        deployed = there.ask("deploy", deployment=NAME, text=manifest, timeout=120)
        assert deployed.ok, f"{deployed.error}\n{deployed.output}"
        assert compiled_in(deployed) == []
        there.value("delete_deployment", deployment=NAME, timeout=120)
