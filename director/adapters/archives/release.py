"""A release archive, checked from the outside in: members, release.MF, digests, jobs, packages (section 8.2).

Reads and checks only; blobs are stored by ``reader`` once nothing is wrong.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final, TypeVar

from director.adapters.archives import problems as words
from director.adapters.archives.digest import digest_problem
from director.adapters.archives.job import NAME, read_job
from director.adapters.archives.problems import job_problem, release_problem
from director.adapters.archives.stream import Limits
from director.adapters.archives.text import Unreadable, as_map, as_words, read_yaml, word
from director.adapters.archives.unpack import BrokenArchive, copy_wanted, unsafe_entries
from director.model.names import PackageName, ReleaseName
from director.model.problem import Problem, Refused
from director.model.release import Job, Package, Release
from director.model.tree import Node
from director.planning.package import Build, keys_of

Part = TypeVar("Part", Job, Package)
MANIFEST: Final = "release.MF"
COMPILED: Final = "compiled_packages"
WANTED: Final = re.compile(rf"{re.escape(MANIFEST)}|(jobs|packages|compiled_packages)/[^/]+\.tgz")
VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry of release.MF under ``jobs``, ``packages`` or ``compiled_packages`` (``kind``)."""

    kind: str
    name: str
    fingerprint: str
    digest: str
    dependencies: tuple[str, ...] = ()
    stemcell: tuple[str, str] = ("", "")

    @property
    def member(self) -> str:
        return f"{self.kind}/{self.name}.tgz"

    @property
    def build(self) -> Build:
        """Of a compiled package."""
        os_name, version = self.stemcell
        return Build(
            name=self.name,
            fingerprint=self.fingerprint,
            stemcell_os=os_name,
            stemcell_version=version,
            dependencies=self.dependencies,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRelease:
    """``release`` without blobs for what came in the archive; ``files`` has those, by member name. ``keys`` has what
    its compiled packages are known by.
    """

    release: Release
    listed: tuple[Listed, ...]
    files: Mapping[str, Path]
    keys: Mapping[str, str]
    is_compiled: bool


@dataclass(slots=True)
class _Opening:
    known: Release | None
    limits: Limits
    built: Collection[str] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, number: int, detail: str, fix: str = words.REBUILD) -> None:
        self.problems.append(release_problem(number, detail, fix))


def open_release(
    path: Path, scratch: Path, limits: Limits, known: Release | None, built: Collection[str] = ()
) -> OpenedRelease:
    """Copies the parts into ``scratch`` and checks them all. Blocks. Raises Refused with every problem."""
    opening = _Opening(known, limits, built)
    _copy_parts(path, scratch, opening)
    manifest = _manifest(opening)
    listed = _list(manifest, opening)
    opening.keys = keys_of(one.build for one in listed if one.kind == COMPILED)
    release = Release(
        name=ReleaseName(word(manifest.get("name"))),
        version=word(manifest.get("version")),
        jobs=tuple(_jobs(listed, opening)),
        packages=tuple(_packages(listed, opening)),
        commit_hash=word(manifest.get("commit_hash")) or "non-git",
        uncommitted_changes=manifest.get("uncommitted_changes") is True,
    )
    _check_needs(release, opening)
    if opening.problems:
        raise Refused(opening.problems)
    is_compiled = isinstance(manifest.get(COMPILED), list) and not manifest.get("packages")
    return OpenedRelease(
        release=release, listed=listed, files=opening.files, keys=opening.keys, is_compiled=is_compiled
    )


def _copy_parts(path: Path, scratch: Path, opening: _Opening) -> None:
    numbers = itertools.count()

    def place(name: str) -> Path | None:
        # Named by number: nothing that an archive says becomes part of a path.
        return scratch / str(next(numbers)) if WANTED.fullmatch(name) else None

    try:
        opening.files, unsafe = copy_wanted(path, opening.limits, place)
    except BrokenArchive as error:
        raise Refused(
            [release_problem(words.INVALID_ARCHIVE, f"The release archive is not usable: {error}.")]
        ) from error
    if unsafe:
        raise Refused(
            release_problem(words.INVALID_ARCHIVE, f"The release archive is refused: {entry}.", words.TAKE_ANOTHER)
            for entry in unsafe
        )


def _manifest(opening: _Opening) -> Mapping[str, Node]:
    if MANIFEST not in opening.files:
        raise Refused([release_problem(words.NO_MANIFEST, "The release archive has no release.MF.")])
    try:
        manifest = as_map(read_yaml(opening.files[MANIFEST].read_bytes()))
    except Unreadable as error:
        raise Refused([release_problem(words.NO_MANIFEST, f"release.MF {error}.")]) from error
    if not manifest:
        raise Refused([release_problem(words.NO_MANIFEST, "release.MF is not a mapping.")])
    for key, pattern in (("name", NAME), ("version", VERSION)):
        if not pattern.fullmatch(word(manifest.get(key))):
            opening.wrong(words.INVALID_ARCHIVE, f"release.MF has the {key} {manifest.get(key)!r}, which is none.")
    return manifest


def _list(manifest: Mapping[str, Node], opening: _Opening) -> tuple[Listed, ...]:
    if manifest.get("packages") and manifest.get(COMPILED):
        opening.wrong(words.INVALID_ARCHIVE, "release.MF has both packages and compiled_packages.")
    listed: dict[tuple[bool, str], Listed] = {}
    for kind in ("jobs", "packages", COMPILED):
        node = manifest.get(kind)
        if node is not None and not isinstance(node, list):
            opening.wrong(words.INVALID_ARCHIVE, f"{kind} in release.MF is not a list.")
        for entry in node if isinstance(node, list) else ():
            one = _listed(kind, entry, opening)
            if one is not None and (kind == "jobs", one.name) in listed:
                opening.wrong(words.INVALID_ARCHIVE, f'{kind} in release.MF has "{one.name}" twice.')
            elif one is not None:
                listed[kind == "jobs", one.name] = one
    return tuple(sorted(listed.values(), key=lambda one: (one.kind, one.name)))


def _listed(kind: str, entry: Node, opening: _Opening) -> Listed | None:
    fields = as_map(entry) or {}
    name, fingerprint = word(fields.get("name")), word(fields.get("fingerprint")) or word(fields.get("version"))
    dependencies = as_words(fields.get("dependencies"))
    if not NAME.fullmatch(name) or not fingerprint or dependencies is None:
        what = f'"{name}"' if name else "an entry"
        opening.wrong(
            words.INVALID_ARCHIVE,
            f"{what} of {kind} in release.MF lacks a name, a fingerprint, or a list of dependencies.",
        )
        return None
    os_name, _, version = word(fields.get("stemcell")).rpartition("/")
    if kind == COMPILED and not (os_name and version):
        opening.wrong(
            words.INVALID_ARCHIVE, f'compiled package "{name}" in release.MF names no stemcell as os/version.'
        )
    digest, needs = word(fields.get("sha1")), tuple(sorted(set(dependencies)))
    return Listed(
        kind=kind, name=name, fingerprint=fingerprint, digest=digest, dependencies=needs, stemcell=(os_name, version)
    )


def _jobs(listed: Iterable[Listed], opening: _Opening) -> Iterable[Job]:
    for one in (one for one in listed if one.kind == "jobs"):
        known = _known(one, opening.known.jobs if opening.known else ())
        if one.member in opening.files:
            if _has_its_digest(one, opening):
                job, problems = read_job(opening.files[one.member], one.name, one.fingerprint, opening.limits)
                opening.problems += problems
                if job is not None:
                    yield job
        elif known is not None:
            yield known
        else:
            fix = "upload the whole release."
            opening.problems.append(
                job_problem(words.JOB_ARCHIVE, one.name, f"the archive has no {one.member}, nor has the director.", fix)
            )


def _packages(listed: Iterable[Listed], opening: _Opening) -> Iterable[Package]:
    for one in (one for one in listed if one.kind != "jobs"):
        known = _known(one, opening.known.packages if opening.known else ())
        if one.member in opening.files:
            if _has_its_digest(one, opening):
                _check_package(one, opening)
        elif known is not None:
            yield replace(known, dependencies=tuple(PackageName(name) for name in one.dependencies))
            continue
        elif not (one.kind == COMPILED and opening.keys.get(one.name) in opening.built):
            detail = f'The archive has no {one.member} for package "{one.name}", nor has the director.'
            opening.wrong(words.PACKAGE_SOURCE, detail, "upload the whole release.")
        yield Package(
            name=PackageName(one.name),
            fingerprint=one.fingerprint,
            dependencies=tuple(PackageName(name) for name in one.dependencies),
        )


def _known(one: Listed, parts: Iterable[Part]) -> Part | None:
    return next((part for part in parts if part.name == one.name and part.fingerprint == one.fingerprint), None)


def _has_its_digest(one: Listed, opening: _Opening) -> bool:
    problem = digest_problem(opening.files[one.member], one.digest)
    if problem:
        opening.wrong(words.WRONG_DIGEST, f"{one.member} {problem}.", words.TAKE_ANOTHER)
    return not problem


def _check_package(one: Listed, opening: _Opening) -> None:
    try:
        is_compiled = one.kind == COMPILED
        unsafe = unsafe_entries(opening.files[one.member], opening.limits, links_may_leave=is_compiled)
    except BrokenArchive as error:
        opening.wrong(words.PACKAGE_ARCHIVE, f"{one.member}: {error}.")
        return
    for entry in unsafe:
        opening.wrong(words.PACKAGE_ARCHIVE, f"{one.member} is refused: {entry}.", words.TAKE_ANOTHER)


def _check_needs(release: Release, opening: _Opening) -> None:
    """Packages that jobs and packages need are there, and no package needs itself in the end."""
    names = {package.name for package in release.packages}
    for job in release.jobs:
        for package in sorted(set(job.packages) - names):
            fix = f'add package "{package}" to the release, or take it out of the job\'s spec.'
            detail = f'it needs package "{package}", which the release does not have.'
            opening.problems.append(job_problem(words.JOB_PACKAGE, job.name, detail, fix))
    for one in release.packages:
        for dependency in sorted(set(one.dependencies) - names):
            detail = f'Package "{one.name}" depends on "{dependency}", which the release does not have.'
            opening.wrong(words.INVALID_PACKAGE, detail)
    try:
        TopologicalSorter({one.name: one.dependencies for one in release.packages}).prepare()
    except CycleError as error:
        circle = " → ".join(str(name) for name in reversed(error.args[1]))
        opening.wrong(words.INVALID_PACKAGE, f"Packages depend on each other in a circle: {circle}.", "break it.")
