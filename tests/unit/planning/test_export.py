"""export: what an export comes to, its plan, and what goes into the archive."""

from dataclasses import replace

import pytest

from director.model.names import DeploymentName, PlanId
from director.model.problem import Refused
from director.model.record import DeploymentRecord, Record
from director.model.release import Catalog, CompiledPackage
from director.model.sighting import Sighting
from director.model.step import CompilePackage, CreateVm, DeleteVm, ForgetInstance
from director.model.wanted import Wanted
from director.planning.export import compiled_release, find_export, make_export
from director.planning.forms import Forms
from director.planning.inputs import Inputs
from director.planning.package import Build, Packages, keys_of, missing_for, package_key
from tests.golden.test_golden import CASES
from tests.support.planning import CATALOG, NEWER, RELEASE, STEMCELL, deployed, package, wish

USED = DeploymentRecord(name=DeploymentName("demo"), serial=3, manifest="m", releases=(("sample", "1"),))
MANIFEST = (CASES / "first-deploy" / "manifest.yml").read_text()
CLOUD = (CASES.parent / "cloud.yml").read_text()


def find(*names, catalog=CATALOG, deployment=USED, release=("sample", "1"), stemcell=("local", "1"), **more):
    return find_export(catalog, deployment, release, stemcell, names, **more)


def refused(**more):
    with pytest.raises(Refused) as found:
        find(*more.pop("names", ()), **more)
    return [(problem.number, problem.detail) for problem in found.value.problems]


def builds(export, catalog=CATALOG):
    """The catalog after what is missing was compiled."""
    made = {
        one.key: CompiledPackage(
            key=one.key,
            name=one.package.name,
            fingerprint=one.package.fingerprint,
            stemcell_os=one.stemcell.os,
            stemcell_version=one.stemcell.version,
            blob=f"build-{one.package.name}",
            digest="sha256:0",
        )
        for one in missing_for(export.release, export.jobs, export.stemcell, catalog)
    }
    return replace(catalog, compiled={**catalog.compiled, **made})


def test_all_jobs_go_along_unless_some_are_named():
    assert [job.name for job in find().jobs] == ["app", "check", "db", "plain"]
    assert [job.name for job in find("plain", "db", "db").jobs] == ["db", "plain"]


def test_what_is_not_there_is_refused_with_what_there_is():
    assert refused(release=("sample", "9")) == [(30006, "There is no release sample/9.")]
    assert refused(release=("other", "1")) == [(30005, "There is no release other/1.")]
    assert [number for number, _ in refused(stemcell=("local", "9"))] == [50003]
    assert [number for number, _ in refused(names=("db", "x", "y"))] == [70009, 70009]


def test_a_release_the_deployment_does_not_use_is_refused():
    ((number, detail),) = refused(deployment=replace(USED, releases=(("other", "2"),)))
    assert (number, "it uses other/2" in detail) == (30011, True)


def test_a_stemcell_where_packages_are_compiled_is_taken_before_others():
    elsewhere = replace(STEMCELL, cpi="far", cid="far-1")
    catalog = replace(CATALOG, stemcells=(STEMCELL, elsewhere))
    assert find(catalog=catalog, cpi="far").stemcell == elsewhere
    assert find(catalog=catalog).stemcell == STEMCELL


def test_only_packages_that_the_jobs_need_are_compiled_and_only_once():
    export = find()
    assert [one.package.name for one in missing_for(RELEASE, export.jobs, STEMCELL, CATALOG)] == ["base", "tool"]
    assert missing_for(RELEASE, find("plain").jobs, STEMCELL, CATALOG) == ()
    assert missing_for(RELEASE, export.jobs, STEMCELL, builds(export)) == ()


def test_packages_without_source_or_build_are_refused_all_at_once():
    bare = replace(RELEASE, packages=tuple(replace(p, blob=None, digest=None) for p in RELEASE.packages))
    with pytest.raises(Refused) as found:
        missing_for(bare, bare.jobs, NEWER, Catalog(releases=(bare,)))
    details = [problem.detail for problem in found.value.problems]
    assert [detail.split('"')[1] for detail in details] == ["base", "tool"]
    assert "is not compiled for stemcell local/2" in details[0]


def test_source_that_another_release_brought_is_used():
    bare = replace(RELEASE, version="2", packages=tuple(replace(p, blob=None, digest=None) for p in RELEASE.packages))
    both = Catalog(releases=(bare, RELEASE))
    assert {one.package.blob for one in missing_for(bare, bare.jobs, STEMCELL, both)} == {"source-base", "source-tool"}
    assert Forms(both).has_source(bare)
    assert not Forms(Catalog(releases=(bare,))).has_source(bare)


def plan(missing, record):
    _, clouds = wish(MANIFEST, CLOUD)
    given = Inputs(
        id=PlanId("plan"),
        wanted=Wanted(deployment=DeploymentName("demo"), groups=()),
        specs={},
        record=record,
        seen=Sighting(at=0.0),
        catalog=CATALOG,
        clouds=clouds,
    )
    return make_export(given, missing)


def test_the_plan_compiles_on_vms_of_its_own_and_touches_no_instance():
    wanted, _ = wish(MANIFEST, CLOUD)
    record = deployed(wanted)
    made = plan(missing_for(RELEASE, find().jobs, STEMCELL, CATALOG), record)
    steps = [planned.step for planned in made.steps]
    assert [s.package for s in steps if isinstance(s, CompilePackage)] == ["base", "tool"]
    assert made.changes == made.holds == ()
    instances = {instance.id for instance in record.instances}
    for step in steps:
        if isinstance(step, CreateVm | DeleteVm | ForgetInstance | CompilePackage):
            assert step.instance not in instances
    assert {r.is_compilation for r in made.reserve} == {True}
    taken = {address.ip for instance in record.instances for address in instance.addresses}
    assert not taken & {address.ip for reserved in made.reserve for address in reserved.addresses}


def test_with_nothing_to_compile_there_is_nothing_to_do():
    made = plan((), Record(deployment=USED))
    assert (made.is_settled, made.reserve) == (True, ())


def test_the_archive_has_the_jobs_and_every_package_they_need():
    export = find("app")
    compiled = compiled_release(export, builds(export))
    assert [job.name for job in compiled.release.jobs] == ["app"]
    assert [(package.name, build.blob) for package, build in compiled.builds] == [
        ("base", "build-base"),
        ("tool", "build-tool"),
    ]
    assert compiled.release.packages == tuple(package for package, _ in compiled.builds)


def test_what_is_not_compiled_after_all_is_refused():
    with pytest.raises(Refused) as found:
        compiled_release(find(), CATALOG)
    assert [problem.number for problem in found.value.problems] == [60001, 60001]


def test_uploaded_again_its_builds_have_the_keys_planning_looks_for_also_where_one_stood_in():
    """Without source a build for another stemcell of the line stands in; its dependents' keys come of its own."""
    line = replace(STEMCELL, version="1.5")
    base = replace(package("base"), blob=None, digest=None)
    release = replace(RELEASE, packages=(package("tool", "base"), base))
    old = CompiledPackage(
        key=package_key("package-base", "local", "1.3", []),
        name="base",
        fingerprint="package-base",
        stemcell_os="local",
        stemcell_version="1.3",
        blob="b",
        digest="sha256:0",
    )
    catalog = Catalog(releases=(release,), stemcells=(line,), compiled={old.key: old})
    export = find(catalog=catalog, stemcell=("local", "1.5"))
    after = builds(export, catalog)
    parts = compiled_release(export, after).builds
    keys = keys_of(
        Build(
            name=part.name,
            fingerprint=part.fingerprint,
            stemcell_os=build.stemcell_os,
            stemcell_version=build.stemcell_version,
            dependencies=part.dependencies,
        )
        for part, build in parts
    )
    assert keys == {part.name: build.key for part, build in parts}
    bare = replace(release, packages=tuple(replace(p, blob=None, digest=None) for p in release.packages))
    there = Catalog(releases=(bare,), stemcells=(line,), compiled={build.key: build for _, build in parts})
    found = Packages(there)
    assert all(found.has(found.find(bare, name), found.key(bare, name, line)) for name in ("tool", "base"))


def test_it_is_told_how_much_is_compiled_for_which_stemcell():
    export = find()
    assert Forms(builds(export)).compiled_for(RELEASE) == {"local/1": 2}
    first = next(iter(sorted(builds(export).compiled.items(), key=lambda item: item[1].name)))
    assert Forms(replace(CATALOG, compiled=dict([first]))).compiled_for(RELEASE) == {"local/1": 1}
    assert Forms(CATALOG).compiled_for(RELEASE) == {}
