"""In which forms the software of a release is here: as source, and compiled for which stemcells. Decides nothing."""

from collections import defaultdict
from collections.abc import Mapping

from director.model.release import Catalog, Release
from director.planning.package import Build, keys_of


class Forms:
    """Of every release of one catalog. What one release brought serves all that have the same package."""

    def __init__(self, catalog: Catalog) -> None:
        self._compiled = catalog.compiled
        packages = (package for release in catalog.releases for package in release.packages)
        self._sources = {(p.name, p.fingerprint) for p in packages if p.blob is not None}
        self._stemcells: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        for built in catalog.compiled.values():
            self._stemcells[built.name, built.fingerprint].add((built.stemcell_os, built.stemcell_version))

    def has_source(self, release: Release) -> bool:
        """Whether all of it can be compiled."""
        return all((package.name, package.fingerprint) in self._sources for package in release.packages)

    def compiled_for(self, release: Release) -> Mapping[str, int]:
        """How many of its packages are compiled, by stemcell as os/version, sorted; without those that have none."""
        parts = {(package.name, package.fingerprint) for package in release.packages}
        stemcells = sorted({stemcell for part in parts for stemcell in self._stemcells.get(part, ())})
        counts = {f"{os_name}/{version}": self._count(release, os_name, version) for os_name, version in stemcells}
        return {stemcell: count for stemcell, count in counts.items() if count}

    def _count(self, release: Release, os_name: str, version: str) -> int:
        keys = keys_of(
            Build(
                name=package.name,
                fingerprint=package.fingerprint,
                stemcell_os=os_name,
                stemcell_version=version,
                dependencies=package.dependencies,
            )
            for package in release.packages
        )
        return sum(key in self._compiled for key in keys.values())
