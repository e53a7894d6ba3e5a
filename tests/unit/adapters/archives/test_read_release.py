"""Release archives: what is read from good ones, and every check of bosh-director.md 8.2 on bad ones."""

import hashlib
import json
import tarfile
from dataclasses import replace

import pytest

from director.model.release import LinkConsumed, LinkProvided, PropertySpec
from director.planning.package import package_key


async def test_a_release_is_read_with_its_jobs_and_packages(bench):
    release = (await bench.read()).release
    assert (release.name, release.version, release.commit_hash, release.uncommitted_changes) == (
        "rel",
        "1.2",
        "abc",
        True,
    )
    (job,) = release.jobs
    assert (job.name, job.fingerprint, job.templates, job.packages) == (
        "app",
        "fp-app",
        {"run.erb": "bin/run"},
        ("lib",),
    )
    assert job.properties == {"a.b": PropertySpec(default=1, description="d"), "c": PropertySpec()}
    assert job.provides == (LinkProvided(name="app", type="http", properties=("a.b",)),)
    assert job.consumes == (LinkConsumed(name="db", type="sql", optional=True),)
    assert [package.name for package in release.packages] == ["base", "lib"]


async def test_blobs_are_stored_with_a_digest_of_our_own(bench):
    release = (await bench.read()).release
    for part in (*release.jobs, *release.packages):
        data = (bench.directory / "blobs" / part.blob).read_bytes()
        assert part.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"


async def test_the_schema_of_a_job_is_kept(bench):
    bench.job_files["properties_schema.json"] = json.dumps({"type": "object"})
    assert (await bench.read()).release.jobs[0].properties_schema == {"type": "object"}


async def test_a_monit_file_for_jinja_is_a_monit_file(bench):
    bench.job_files = {"monit.j2": "", "templates/run.erb": "x"}
    assert (await bench.read()).release.jobs


async def test_a_compiled_release_brings_compiled_packages_under_the_key_that_planning_looks_for(bench):
    bench.kind = "compiled_packages"
    bench.packages = {"lib": ["base"], "base": []}
    read = await bench.read()
    assert all(package.blob is None for package in read.release.packages)
    base = package_key("fp-base", "ubuntu-jammy", "1.5", [])
    lib = package_key("fp-lib", "ubuntu-jammy", "1.5", [base])
    assert {built.name: built.key for built in read.compiled} == {"base": base, "lib": lib}
    assert {built.stemcell_os for built in read.compiled} == {"ubuntu-jammy"}


async def test_a_release_exported_by_bosh_is_read_directories_license_and_all(bench, make):
    """Its director packs whole directories, the manifest somewhere among them, and more than we ask for."""
    bench.kind, bench.packages = "compiled_packages", {"lib": []}
    bench.manifest["license"] = {"version": "f", "fingerprint": "f", "sha1": "0" * 40}
    directories = {name: make.member(name, tarfile.DIRTYPE) for name in ("./", "./compiled_packages", "./jobs")}
    bench.extra = {**directories, "LICENSE": "text", "license.tgz": make.tgz({"LICENSE": "text"})}
    read = await bench.read()
    assert ([job.name for job in read.release.jobs], [build.name for build in read.compiled]) == (["app"], ["lib"])


@pytest.mark.parametrize("form", ["{sha1}", "sha256:{sha256}", "{sha1};sha256:{sha256}", "sha512:{sha512}"])
async def test_every_form_of_digest_is_understood(bench, make, form):
    data = bench.parts["packages/lib.tgz"] = make.tgz({"packaging": "x"})
    digests = {name: hashlib.new(name, data).hexdigest() for name in ("sha1", "sha256", "sha512")}
    bench.digests["packages/lib.tgz"] = form.format(**digests)
    assert await bench.read()


@pytest.mark.parametrize(
    "digest",
    ["0" * 40, "sha256:" + "0" * 64, "sha1:" + "0" * 40, "md5:" + "0" * 32, "nonsense", "", "sha256:short"],
)
async def test_a_wrong_or_unknown_digest_is_refused_with_the_file(bench, digest):
    bench.digests["packages/lib.tgz"] = digest or " "
    ((number, detail),) = await bench.refused()
    assert number == 30015
    assert "packages/lib.tgz" in detail


async def test_the_strongest_digest_decides(bench, make):
    data = bench.parts["packages/lib.tgz"] = make.tgz({"packaging": "x"})
    bench.digests["packages/lib.tgz"] = f"{hashlib.sha1(data).hexdigest()};sha256:{'0' * 64}"
    assert [number for number, _ in await bench.refused()] == [30015]


JOB_FAULTS = [
    ({"name": "other"}, 80016, "'other'"),
    ({"templates": {"gone.erb": "config/x"}}, 80002, "templates/gone.erb"),
    ({"templates": {"run.erb": "../../etc/cron"}}, 80002, "../../etc/cron"),
    ({"templates": {"run.erb": "/etc/cron"}}, 80002, "/etc/cron"),
    ({"templates": ["run.erb"]}, 80002, "templates"),
    ({"packages": "lib"}, 80012, "packages"),
    ({"packages": ["lib", "gone"]}, 80003, '"gone"'),
    ({"properties": ["a"]}, 80008, "properties"),
    ({"properties": {"a": "text"}}, 80008, '"a"'),
    ({"logs": ["a"]}, 80005, "logs"),
    ({"provides": {"name": "x"}}, 80013, "provides"),
    ({"provides": [{"name": "x"}]}, 80013, "provides"),
    ({"provides": [{"name": "x", "type": "t", "properties": "a"}]}, 80013, '"x"'),
    ({"consumes": [{"type": "x"}]}, 80013, "consumes"),
    ({"consumes": [{"name": "x", "type": "t"}, {"name": "x", "type": "u"}]}, 80014, '"x"'),
]


@pytest.mark.parametrize(("change", "number", "named"), JOB_FAULTS)
async def test_each_fault_of_a_job_has_its_number_and_names_the_job(bench, change, number, named):
    bench.spec |= change
    ((found, detail),) = await bench.refused()
    assert found == number
    assert 'Job "app"' in detail
    assert named in detail


async def test_a_job_needs_a_spec_and_a_monit_file(bench):
    bench.spec, bench.job_files = {}, {"templates/run.erb": "x"}
    assert sorted(number for number, _ in await bench.refused()) == [80001, 80004]


@pytest.mark.parametrize("text", ["a: [", "- list", "a: 1\n b: 2", "\x00", "? {a: 1}\n: 2"])
async def test_a_job_spec_that_cannot_be_read_is_refused(bench, make, text):
    bench.parts["jobs/app.tgz"] = make.tgz({"job.MF": text, "monit": ""})
    assert 80001 in [number for number, _ in await bench.refused()]


async def test_a_bomb_of_aliases_is_refused(bench, make):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    bench.parts["jobs/app.tgz"] = make.tgz({"job.MF": "\n".join(lines), "monit": ""})
    assert any("more than" in detail for _, detail in await bench.refused())


async def test_a_properties_schema_that_is_no_json_is_refused(bench):
    bench.job_files["properties_schema.json"] = "{"
    assert [number for number, _ in await bench.refused()] == [80008]


async def test_an_unknown_dependency_is_refused(bench):
    bench.packages = {"lib": ["gone"]}
    assert await bench.refused() == [
        (30012, 'Package "lib" depends on "gone", which the release does not have.'),
    ]


async def test_a_circle_of_dependencies_is_refused_and_shown(bench):
    bench.packages = {"lib": ["base"], "base": ["lib"]}
    ((number, detail),) = await bench.refused()
    assert number == 30012
    assert "lib → base" in detail or "base → lib" in detail


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"name": "../x"}, 30002),
        ({"name": None}, 30002),
        ({"version": None}, 30002),
        ({"version": "1/2"}, 30002),
        ({"jobs": "x"}, 30002),
        ({"jobs": [{"name": "../../etc/x", "fingerprint": "f"}]}, 30002),
        ({"packages": [{"name": "lib"}]}, 30002),
        ({"packages": [{"name": "lib", "fingerprint": "f", "dependencies": "x"}]}, 30002),
        ({"compiled_packages": [{"name": "c", "fingerprint": "f"}]}, 30002),
    ],
)
async def test_a_manifest_that_makes_no_sense_is_refused(bench, change, number):
    bench.manifest |= change
    assert number in [found for found, _ in await bench.refused()]


async def test_the_same_package_twice_is_refused(bench):
    package = {"name": "lib", "fingerprint": "f", "sha1": "0" * 40}
    bench.manifest["packages"] = [package, package]
    assert any("twice" in detail for _, detail in await bench.refused())


async def test_without_a_manifest_it_is_no_release(bench, make):
    assert [number for number, _ in await bench.refused(make.tgz({"x": "y"}))] == [30003]


async def test_every_problem_is_told_at_once(bench):
    bench.spec |= {"packages": ["gone"], "logs": [], "provides": [{}]}
    bench.packages = {"lib": ["nowhere"]}
    bench.digests["packages/lib.tgz"] = "0" * 40
    assert sorted(number for number, _ in await bench.refused()) == [30012, 30015, 80005, 80013]


async def test_parts_left_out_are_taken_from_what_is_known(bench):
    known = (await bench.read()).release
    bench.left_out = {"jobs/app.tgz", "packages/lib.tgz"}
    assert (await bench.read(known=known)).release == known


async def test_parts_of_another_fingerprint_are_not_taken(bench):
    known = (await bench.read()).release
    for blob in (bench.directory / "blobs").iterdir():
        blob.unlink()
    jobs = tuple(replace(job, fingerprint="other") for job in known.jobs)
    packages = tuple(replace(package, fingerprint="other") for package in known.packages)
    bench.left_out = {"jobs/app.tgz", "packages/lib.tgz"}
    problems = await bench.refused(known=replace(known, jobs=jobs, packages=packages))
    assert sorted(number for number, _ in problems) == [60001, 80000]
