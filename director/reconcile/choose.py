"""Which uploaded release and stemcell a manifest's versions mean: exact, ``latest`` or ``prefix.latest``."""

from collections.abc import Mapping
from dataclasses import dataclass

from director.manifest.version import resolve_version
from director.model.deployment import Deployment, StemcellRef
from director.model.names import ReleaseName
from director.model.release import Catalog, Stemcell


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Versions by release, stemcells by alias."""

    versions: Mapping[ReleaseName, str]
    stemcells: Mapping[str, Stemcell]


def choose(deployment: Deployment, catalog: Catalog) -> Chosen:
    """What the checks have found to exist. Raises AssertionError for what they should have refused."""
    versions = {}
    for ref in deployment.releases:
        found = resolve_version(ref.version, [r.version for r in catalog.releases if r.name == ref.name])
        assert found is not None, f"release {ref.name}/{ref.version} was not checked"
        versions[ref.name] = found
    return Chosen(versions=versions, stemcells={ref.alias: _stemcell(ref, catalog) for ref in deployment.stemcells})


def _stemcell(ref: StemcellRef, catalog: Catalog) -> Stemcell:
    fitting = [s for s in catalog.stemcells if (s.os == ref.os if ref.os else s.name == ref.name)]
    version = resolve_version(ref.version, [s.version for s in fitting])
    found = next((s for s in fitting if s.version == version), None)
    assert found is not None, f"stemcell {ref.alias} was not checked"
    return found
