"""Decides which packages an instance needs, and by which key each compiled form is known (section 4.3).

A key covers a package's fingerprint, the stemcell and the keys of what it was compiled against, so equal keys mean
equal builds. It may not order or schedule compilation beyond putting dependencies first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from director.model.deployment import InstanceGroup
from director.model.names import PackageName, ReleaseName
from director.model.problem import Problem, Refused
from director.model.release import Catalog, CompiledPackage, Job, Package, Release, Stemcell
from director.model.tree import digest_of
from director.model.wanted import Wanted, WantedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """A package to compile for a stemcell. ``needs`` has the keys of all it depends on, however far, by name."""

    package: Package
    key: str
    stemcell: Stemcell
    needs: tuple[tuple[PackageName, str], ...] = ()


def package_key(fingerprint: str, stemcell_os: str, stemcell_version: str, dependency_keys: Iterable[str]) -> str:
    """The key of a compiled package, whoever compiles it: here, on a worker, or brought by a compiled release."""
    return digest_of([fingerprint, stemcell_os, stemcell_version, sorted(dependency_keys)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A compiled package as a release's manifest lists it. ``dependencies`` are names of others in that manifest."""

    name: str
    fingerprint: str
    stemcell_os: str
    stemcell_version: str
    dependencies: tuple[str, ...] = ()


def keys_of(builds: Iterable[Build]) -> Mapping[str, str]:
    """The key of each, by name; of none where they need each other in a circle, or where one it needs is not listed."""
    listed = {build.name: build for build in builds}
    try:
        order = tuple(TopologicalSorter({name: one.dependencies for name, one in listed.items()}).static_order())
    except CycleError:
        return {}
    keys: dict[str, str] = {}
    for name in order:
        build = listed.get(name)
        if build is not None and all(need in keys for need in build.dependencies):
            needs = [keys[need] for need in build.dependencies]
            keys[name] = package_key(build.fingerprint, build.stemcell_os, build.stemcell_version, needs)
    return keys


class Packages:
    """Finds packages, closures and keys in a catalog, and remembers them while one deployment is resolved."""

    def __init__(self, catalog: Catalog) -> None:
        self._compiled = catalog.compiled
        self._lines: dict[tuple[str, str, str], list[CompiledPackage]] = {}
        for built in catalog.compiled.values():
            self._lines.setdefault((built.name, built.fingerprint, built.stemcell_os), []).append(built)
        packages = (package for release in catalog.releases for package in release.packages)
        self._sources = {(p.name, p.fingerprint): p for p in packages if p.blob is not None}
        self._packages: dict[tuple[ReleaseName, str], dict[PackageName, Package]] = {}
        self._keys: dict[tuple[ReleaseName, str, PackageName, str, str], str] = {}

    def find(self, release: Release, name: PackageName) -> Package:
        """With its source, if any release brought that. Raises AssertionError for a name the release lacks: uploads
        are checked for that.
        """
        at = (release.name, release.version)
        if at not in self._packages:
            self._packages[at] = {package.name: self._with_source(package) for package in release.packages}
        package = self._packages[at].get(name)
        assert package is not None, f"release {release.name}/{release.version} was stored without package {name}"
        return package

    def _with_source(self, package: Package) -> Package:
        source = self._sources.get((package.name, package.fingerprint))
        return package if source is None else replace(package, blob=source.blob, digest=source.digest)

    def closure(self, release: Release, names: Iterable[PackageName]) -> tuple[Package, ...]:
        """The named packages and all they depend on, by name."""
        found: dict[PackageName, Package] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.find(release, name)
                waiting += found[name].dependencies
        return tuple(found[name] for name in sorted(found))

    def key(self, release: Release, name: PackageName, stemcell: Stemcell) -> str:
        at = (release.name, release.version, name, stemcell.os, stemcell.version)
        if at not in self._keys:
            package = self.find(release, name)
            needs = [self.key(release, need, stemcell) for need in package.dependencies]
            exact = package_key(package.fingerprint, stemcell.os, stemcell.version, needs)
            self._keys[at] = self._stand_in(package, stemcell, exact)
        return self._keys[at]

    def _stand_in(self, package: Package, stemcell: Stemcell, exact: str) -> str:
        """Without source, a build for another stemcell of the same line will do: the newest of them."""
        if exact in self._compiled or package.blob is not None:
            return exact
        line = stemcell.version.split(".")[0]
        of_os = self._lines.get((package.name, package.fingerprint, stemcell.os), [])
        fitting = [built for built in of_os if built.stemcell_version.split(".")[0] == line]
        newest = max(fitting, key=lambda built: (_rank(built.stemcell_version), built.key), default=None)
        return newest.key if newest else exact

    def has(self, package: Package, key: str) -> bool:
        """Whether it is compiled, or could be."""
        return package.blob is not None or key in self._compiled


def _rank(version: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in version.split("."))


def packages_of(
    group: InstanceGroup,
    jobs: Sequence[tuple[Job, Release]],
    stemcell: Stemcell,
    packages: Packages,
    problems: list[Problem],
) -> tuple[WantedPackage, ...]:
    """The packages the group's jobs name, by name; what those were compiled against is not installed (4.3).

    Adds 80011 where two jobs need different packages of one name, 60001 where neither source nor build exists.
    """
    found: dict[PackageName, tuple[WantedPackage, Job]] = {}
    checked: set[str] = set()
    for job, release in jobs:
        for package in packages.closure(release, job.packages):
            key = packages.key(release, package.name, stemcell)
            if key not in checked and not packages.has(package, key):
                problems.append(_no_source(package.name, release, stemcell))
            checked.add(key)
            if package.name in job.packages:
                wanted = WantedPackage(name=package.name, fingerprint=package.fingerprint, key=key)
                known, other = found.setdefault(package.name, (wanted, job))
                if known.key != key:
                    problems.append(_collision(group, package.name, other, job))
    return tuple(found[name][0] for name in sorted(found))


def missing_compilations(wanted: Wanted, catalog: Catalog) -> tuple[Compilation, ...]:
    """What must be compiled before ``wanted`` can be applied: dependencies before dependents, then by name."""
    packages = Packages(catalog)
    releases = {(release.name, release.version): release for release in catalog.releases}
    stemcells = {(s.name, s.version): s for s in reversed(catalog.stemcells)}
    found: dict[str, Compilation] = {}
    seen: set[tuple[str, str, str, str]] = set()
    for instance in (instance for group in wanted.groups for instance in group.instances):
        stemcell = stemcells[instance.shape.stemcell_name, instance.shape.stemcell_version]
        for job in instance.jobs:
            at = (job.release, job.job.fingerprint, stemcell.os, stemcell.version)
            if at not in seen:
                seen.add(at)
                _add_missing(found, packages, releases[job.release, job.release_version], job.job, stemcell)
    return _dependencies_first({key: one for key, one in found.items() if key not in catalog.compiled})


def missing_for(release: Release, jobs: Iterable[Job], stemcell: Stemcell, catalog: Catalog) -> tuple[Compilation, ...]:
    """What must be compiled before ``jobs`` of ``release`` are compiled for ``stemcell``; in the same order.

    Raises Refused with every package of which there is neither source nor build (60001).
    """
    packages, found = Packages(catalog), dict[str, Compilation]()
    for job in jobs:
        _add_missing(found, packages, release, job, stemcell)
    lacking = sorted(one.package.name for key, one in found.items() if not packages.has(one.package, key))
    if lacking:
        raise Refused([_no_source(name, release, stemcell) for name in lacking])
    return _dependencies_first({key: one for key, one in found.items() if key not in catalog.compiled})


def _add_missing(
    found: dict[str, Compilation], packages: Packages, release: Release, job: Job, stemcell: Stemcell
) -> None:
    for package in packages.closure(release, job.packages):
        below = packages.closure(release, package.dependencies)
        needs = tuple((need.name, packages.key(release, need.name, stemcell)) for need in below)
        key = packages.key(release, package.name, stemcell)
        found[key] = Compilation(package=package, key=key, stemcell=stemcell, needs=needs)


def _dependencies_first(missing: Mapping[str, Compilation]) -> tuple[Compilation, ...]:
    """What depends on more of the others comes later: needs hold the whole closure, so counting them is enough."""
    depth = {key: sum(need in missing for _, need in one.needs) for key, one in missing.items()}
    return tuple(missing[key] for key in sorted(missing, key=lambda k: (depth[k], missing[k].package.name, k)))


def _collision(group: InstanceGroup, name: PackageName, one: Job, other: Job) -> Problem:
    return Problem(
        code="package.collision",
        summary="Jobs need different packages of one name",
        detail=f'Jobs "{one.name}" and "{other.name}" of instance group "{group.name}" both need a package "{name}", '
        "but not the same one.",
        fix="put the jobs into different instance groups, or use releases that agree on the package.",
        mark=group.mark,
        number=80011,
    )


def _no_source(name: PackageName, release: Release, stemcell: Stemcell) -> Problem:
    return Problem(
        code="package.missing-source",
        summary="Package has neither source nor a fitting build",
        detail=f'Package "{name}" of release {release.name}/{release.version} came without source, and is not compiled '
        f"for stemcell {stemcell.os}/{stemcell.version}.",
        fix=f"upload {release.name}/{release.version} with source, or compiled for {stemcell.os}/{stemcell.version}.",
        number=60001,
    )
