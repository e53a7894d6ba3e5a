"""What an export comes to: which jobs, for which stemcell, what must be compiled first, and what goes into the archive.

BOSH's rules: a release is exported out of a deployment that uses it, because that says where and how to compile; with
it go its jobs, or those that were named, and all packages these need, however far (bosh-director.md 4.3, 8.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from director.model.plan import Plan
from director.model.problem import Problem, Refused
from director.model.record import DeploymentRecord
from director.model.release import Catalog, CompiledRelease, Job, Release, Stemcell
from director.planning.inputs import Inputs
from director.planning.make import Maker
from director.planning.package import Compilation, Packages


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What was asked for, found. ``jobs`` are those of ``release`` that go into the archive, by name."""

    release: Release
    jobs: tuple[Job, ...]
    stemcell: Stemcell


def find_export(
    catalog: Catalog,
    deployment: DeploymentRecord,
    release: tuple[str, str],
    stemcell: tuple[str, str],
    names: Sequence[str] = (),
    *,
    cpi: str = "",
) -> Export:
    """``release`` is name and version, ``stemcell`` OS and version, ``names`` of jobs (none: all); ``cpi`` compiles.

    Raises Refused: 30011 when the deployment does not use the release, 30006, 50003, and 70009 for jobs.
    """
    found = _release(catalog, release)
    if release not in deployment.releases:
        raise Refused([_not_used(release, deployment)])
    return Export(release=found, jobs=_jobs(found, names), stemcell=_stemcell(catalog, stemcell, cpi))


def make_export(given: Inputs, missing: tuple[Compilation, ...]) -> Plan:
    """The plan that compiles ``missing``, and touches no instance. ``given.wanted`` has no groups."""
    assert not given.wanted.groups, "an export wants no instance"
    maker = Maker(given)
    maker.gate("begin", ())
    builds = maker.builds(missing)
    return replace(maker.finished(builds.reserve), reserve=builds.reserve)


def compiled_release(export: Export, catalog: Catalog) -> CompiledRelease:
    """What the archive holds, once all is compiled. Raises Refused for what is not (60001)."""
    packages, release = Packages(catalog), export.release
    needed = packages.closure(release, (name for job in export.jobs for name in job.packages))
    keys = {package.name: packages.key(release, package.name, export.stemcell) for package in needed}
    lacking = [name for name, key in keys.items() if key not in catalog.compiled]
    if lacking:
        raise Refused([_not_compiled(name, release, export.stemcell) for name in sorted(lacking)])
    builds = tuple((package, catalog.compiled[keys[package.name]]) for package in needed)
    return CompiledRelease(release=replace(release, jobs=export.jobs, packages=needed), builds=builds)


def _release(catalog: Catalog, asked: tuple[str, str]) -> Release:
    found = next((r for r in catalog.releases if (str(r.name), r.version) == asked), None)
    if found is None:
        raise Refused([_unknown_release(catalog, asked)])
    return found


def _jobs(release: Release, names: Sequence[str]) -> tuple[Job, ...]:
    """Raises Refused with every name that is none of its jobs."""
    known = {str(job.name): job for job in release.jobs}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise Refused([_unknown_job(name, release) for name in unknown])
    return tuple(known[name] for name in sorted(set(names) or known))


def _stemcell(catalog: Catalog, asked: tuple[str, str], cpi: str) -> Stemcell:
    """One that is there where packages are compiled, before any other."""
    found = sorted(
        (s for s in catalog.stemcells if (s.os, s.version) == asked), key=lambda s: (s.cpi != cpi, s.name, s.cpi)
    )
    if not found:
        raise Refused([_unknown_stemcell(catalog, asked)])
    return found[0]


def _unknown_release(catalog: Catalog, asked: tuple[str, str]) -> Problem:
    versions = ", ".join(sorted(r.version for r in catalog.releases if r.name == asked[0]))
    return Problem(
        code="export.unknown-release",
        summary="Unknown release",
        detail=f"There is no release {asked[0]}/{asked[1]}.",
        fix=f"name one of its versions: {versions}." if versions else "list what there is with `director releases`.",
        number=30006 if versions else 30005,
    )


def _not_used(asked: tuple[str, str], deployment: DeploymentRecord) -> Problem:
    used = ", ".join(f"{name}/{version}" for name, version in deployment.releases) or "(none)"
    return Problem(
        code="export.not-used",
        summary="Deployment does not use the release",
        detail=f'Deployment "{deployment.name}" does not use release {asked[0]}/{asked[1]}; it uses {used}.',
        fix="name a deployment that does, or deploy one that lists the release, even without instance groups.",
        number=30011,
    )


def _unknown_stemcell(catalog: Catalog, asked: tuple[str, str]) -> Problem:
    there = ", ".join(sorted({f"{s.os}/{s.version}" for s in catalog.stemcells})) or "(none)"
    return Problem(
        code="export.unknown-stemcell",
        summary="Unknown stemcell",
        detail=f"There is no stemcell with OS and version {asked[0]}/{asked[1]}.",
        fix=f"upload it, or name one of: {there}.",
        number=50003,
    )


def _unknown_job(name: str, release: Release) -> Problem:
    there = ", ".join(sorted(job.name for job in release.jobs))
    return Problem(
        code="export.unknown-job",
        summary="Unknown job",
        detail=f'Release {release.name}/{release.version} has no job "{name}".',
        fix=f"name one of: {there}.",
        number=70009,
    )


def _not_compiled(name: str, release: Release, stemcell: Stemcell) -> Problem:
    return Problem(
        code="export.not-compiled",
        summary="Package is not compiled",
        detail=f'Package "{name}" of release {release.name}/{release.version} is not compiled for '
        f"{stemcell.os}/{stemcell.version} any more: the release was changed meanwhile.",
        fix="export it again.",
        number=60001,
    )
