"""What becomes of what is recorded when builds come with a release, and when they go with it. Pure."""

from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from director.model.problem import Problem, Refused
from director.model.release import Catalog, Job, Package, Release
from director.ports.store import Change, DropCompiled, DropRelease

_Part = TypeVar("_Part", Job, Package)


def with_builds(uploaded: Release, catalog: Catalog, *, is_fix: bool) -> Release:
    """The release as it is to be recorded after it was uploaded compiled. What is known of that version stays: sources,
    and the jobs and packages that this archive does not have, for it may hold a part only.

    Raises Refused where a job or package of that name is another one (30013, 30012), unless ``is_fix``.
    """
    at = (uploaded.name, uploaded.version)
    known = next((release for release in catalog.releases if (release.name, release.version) == at), None)
    if known is None:
        return uploaded
    problems = [
        *(_differs(uploaded, "job", name, 30013) for name in _changed(known.jobs, uploaded.jobs)),
        *(_differs(uploaded, "package", name, 30012) for name in _changed(known.packages, uploaded.packages)),
    ]
    if problems and not is_fix:
        raise Refused(problems)
    sources = {(p.name, p.fingerprint): p for p in known.packages}
    packages = tuple(_with_source(part, sources.get((part.name, part.fingerprint))) for part in uploaded.packages)
    return replace(uploaded, jobs=_united(known.jobs, uploaded.jobs), packages=_united(known.packages, packages))


def drops(gone: Collection[Release], catalog: Catalog) -> tuple[Change, ...]:
    """Deletes releases, and all builds of packages that no other release has."""
    versions = {(release.name, release.version) for release in gone}
    left = [release for release in catalog.releases if (release.name, release.version) not in versions]
    kept = {(package.name, package.fingerprint) for release in left for package in release.packages}
    keys = sorted(key for key, built in catalog.compiled.items() if (built.name, built.fingerprint) not in kept)
    releases = (DropRelease(name=release.name, version=release.version) for release in gone)
    return (*releases, *(DropCompiled(key=key) for key in keys))


def _changed(known: tuple[_Part, ...], uploaded: tuple[_Part, ...]) -> list[str]:
    fingerprints = {str(part.name): part.fingerprint for part in known}
    names = {str(part.name): part.fingerprint for part in uploaded}
    return [name for name, fingerprint in sorted(names.items()) if fingerprints.get(name, fingerprint) != fingerprint]


def _united(known: tuple[_Part, ...], uploaded: tuple[_Part, ...]) -> tuple[_Part, ...]:
    parts = {str(part.name): part for part in known}
    parts.update((str(part.name), part) for part in uploaded)
    return tuple(parts[name] for name in sorted(parts))


def _with_source(package: Package, known: Package | None) -> Package:
    return package if known is None or known.blob is None else replace(package, blob=known.blob, digest=known.digest)


def _differs(release: Release, kind: str, name: str, number: int) -> Problem:
    return Problem(
        code="release.other-part",
        summary="Another part of the same name",
        detail=f'The director has release {release.name}/{release.version} with another {kind} "{name}" than this '
        "archive, which was compiled from something else.",
        fix="export it anew from what was uploaded, give it another version, or replace what is there with --fix.",
        number=number,
    )
