"""package: closures, keys that change with anything a build depends on, and what must be compiled first (4.3)."""

from dataclasses import replace

from director.model.release import CompiledPackage, Release
from director.planning.package import Packages, missing_compilations, package_key, packages_of
from tests.unit.planning.samples import (
    STEMCELL,
    catalog,
    deployment,
    group,
    job,
    job_ref,
    package,
    solve,
)

TOP = package("app", "ruby", "base")
RUBY = package("ruby", "base")
BASE = package("base")
APP = job("app", packages=("app",))


def key(name, *packages, stemcell=STEMCELL, compiled=()):
    software = catalog(packages=packages, compiled=compiled)
    return Packages(software).key(software.releases[0], name, stemcell)


def built(name, version, *, key="k", os="ubuntu-jammy", fingerprint=None):
    return CompiledPackage(
        key=key,
        name=name,
        fingerprint=fingerprint or f"fp-{name}",
        stemcell_os=os,
        stemcell_version=version,
        blob="b",
        digest="sha256:d",
    )


def test_the_closure_holds_everything_below_once():
    software = catalog(packages=(TOP, RUBY, BASE, package("other")))
    found = Packages(software).closure(software.releases[0], ["app"])
    assert [p.name for p in found] == ["app", "base", "ruby"]


def test_a_key_is_the_hash_of_fingerprint_stemcell_and_dependency_keys():
    base = package_key("fp-base", "ubuntu-jammy", "1.200", [])
    ruby = package_key("fp-ruby", "ubuntu-jammy", "1.200", [base])
    assert key("app", TOP, RUBY, BASE) == package_key("fp-app", "ubuntu-jammy", "1.200", [base, ruby])
    assert package_key("f", "o", "v", ["b", "a"]) == package_key("f", "o", "v", ["a", "b"])


def test_a_key_changes_with_the_stemcell_and_with_the_deepest_dependency():
    before = key("app", TOP, RUBY, BASE)
    assert key("app", TOP, RUBY, package("base", fingerprint="new")) != before
    assert key("app", TOP, RUBY, BASE, stemcell=replace(STEMCELL, version="1.201")) != before
    assert key("app", TOP, RUBY, BASE, stemcell=replace(STEMCELL, os="other")) != before
    assert key("app", TOP, RUBY, BASE, stemcell=replace(STEMCELL, cid="elsewhere")) == before


def test_without_source_the_newest_build_of_the_stemcell_line_stands_in():
    bare = package("base", blob=None)
    builds = (
        built("base", "1.99", key="old"),
        built("base", "1.150", key="newest"),
        built("base", "2.1", key="next line"),
        built("base", "1.300", key="other os", os="windows"),
    )
    assert key("base", bare, compiled=builds) == "newest"
    assert key("base", package("base"), compiled=builds) not in {"newest", "old"}


def test_an_exact_build_is_preferred_to_one_of_the_line():
    exact = package_key("fp-base", "ubuntu-jammy", "1.200", [])
    builds = (built("base", "1.200", key=exact), built("base", "1.999", key="later"))
    assert key("base", package("base", blob=None), compiled=builds) == exact


def needed(*jobs, software):
    problems = []
    found = packages_of(group("g"), jobs, STEMCELL, Packages(software), problems)
    return found, problems


def test_a_package_with_neither_source_nor_build_is_refused():
    software = catalog(packages=(TOP, RUBY, package("base", blob=None)))
    _, problems = needed((APP, software.releases[0]), (APP, software.releases[0]), software=software)
    assert [p.number for p in problems] == [60001]
    assert '"base" of release web/3.1' in problems[0].detail


def test_jobs_with_different_packages_of_one_name_are_refused():
    other = Release(name="other", version="1", packages=(package("app", fingerprint="x"),))
    software = catalog(packages=(TOP, RUBY, BASE), releases=(other,))
    _, problems = needed((APP, software.releases[0]), (job("second", packages=("app",)), other), software=software)
    assert [p.number for p in problems] == [80011]
    assert '"app" and "second"' in problems[0].detail


def test_jobs_with_the_same_package_share_it():
    other = Release(name="other", version="1", packages=(BASE,))
    software = catalog(packages=(BASE,), releases=(other,))
    jobs = ((job("a", packages=("base",)), software.releases[0]), (job("b", packages=("base",)), other))
    found, problems = needed(*jobs, software=software)
    assert ([p.name for p in found], problems) == (["base"], [])


def missing(compiled=()):
    software = catalog(APP, packages=(TOP, RUBY, BASE), compiled=compiled)
    wanted = solve(deployment(group("g", 2, jobs=[job_ref("app")])), software=software)
    return missing_compilations(wanted, software)


def test_dependencies_are_compiled_before_what_depends_on_them():
    found = missing()
    assert [one.package.name for one in found] == ["base", "ruby", "app"]
    keys = {one.package.name: one.key for one in found}
    assert found[2].needs == (("base", keys["base"]), ("ruby", keys["ruby"]))


def test_what_is_compiled_is_not_compiled_again_but_still_needed():
    base = next(one for one in missing() if one.package.name == "base")
    found = missing([built("base", "1.200", key=base.key)])
    assert [one.package.name for one in found] == ["ruby", "app"]
    assert found[0].needs == (("base", base.key),)


def test_nothing_is_missing_when_all_is_compiled():
    builds = [built(one.package.name, "1.200", key=one.key) for one in missing()]
    assert missing(builds) == ()
