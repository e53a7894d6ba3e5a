"""What compiled uploads add to, and what deletions take along."""

from dataclasses import replace

import pytest

from director.model.problem import Refused
from director.model.release import Catalog, CompiledPackage, Package
from director.ports.store import DropCompiled, DropRelease
from director.reconcile.compiled import drops, with_builds
from tests.support.planning import RELEASE


def bare(*packages):
    return tuple(replace(package, blob=None, digest=None) for package in packages)


def built(package, key):
    return CompiledPackage(
        key=key,
        name=package.name,
        fingerprint=package.fingerprint,
        stemcell_os="local",
        stemcell_version="1",
        blob="b",
        digest="sha256:0",
    )


COMPILED = replace(RELEASE, packages=bare(*RELEASE.packages))
KNOWN = Catalog(releases=(RELEASE,))


def test_a_release_nobody_knows_is_recorded_as_it_came():
    assert with_builds(COMPILED, Catalog(), is_fix=False) == COMPILED


def test_sources_stay_when_the_same_release_is_uploaded_compiled():
    found = with_builds(COMPILED, KNOWN, is_fix=False)
    assert {package.name: package.blob for package in found.packages} == {"tool": "source-tool", "base": "source-base"}


def test_what_a_part_of_the_release_lacks_stays():
    part = replace(COMPILED, jobs=RELEASE.jobs[:1], packages=())
    found = with_builds(part, KNOWN, is_fix=False)
    assert {job.name for job in found.jobs} == {job.name for job in RELEASE.jobs}
    assert {package.name for package in found.packages} == {"tool", "base"}


def test_other_parts_of_the_same_name_are_refused_all_at_once_unless_it_is_a_fix():
    job, *jobs = RELEASE.jobs
    other = replace(
        COMPILED,
        jobs=(replace(job, fingerprint="x"), *jobs),
        packages=(Package(name="tool", fingerprint="y"),),
    )
    with pytest.raises(Refused) as refused:
        with_builds(other, KNOWN, is_fix=False)
    assert [problem.number for problem in refused.value.problems] == [30013, 30012]
    assert f'another job "{job.name}"' in str(refused.value)
    fixed = with_builds(other, KNOWN, is_fix=True)
    assert {package.name: package.blob for package in fixed.packages} == {"tool": None, "base": "source-base"}
    assert next(one for one in fixed.jobs if one.name == job.name).fingerprint == "x"


def test_builds_go_with_the_last_release_that_has_their_package():
    tool, base = RELEASE.packages
    other = replace(RELEASE, version="2", packages=(base, Package(name="new", fingerprint="n")))
    compiled = {key: built(package, key) for package, key in ((tool, "k1"), (base, "k2"), (other.packages[1], "k3"))}
    catalog = Catalog(releases=(RELEASE, other), compiled=compiled)
    assert drops([RELEASE], catalog) == (DropRelease(name="sample", version="1"), DropCompiled(key="k1"))
    assert [c.key for c in drops([RELEASE, other], catalog) if isinstance(c, DropCompiled)] == ["k1", "k2", "k3"]
    assert drops([], catalog) == ()
