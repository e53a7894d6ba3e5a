"""What a cross-reference check looks at: the deployment, the clouds, the catalog, and the places of the manifest."""

from dataclasses import dataclass, field

from director.manifest.document import Document, Path
from director.manifest.faults import Fault
from director.manifest.pick import items, trees
from director.manifest.report import PROBLEMS_MAX, problem_of
from director.manifest.version import resolve_version
from director.model.cloud import CloudConfig, Network
from director.model.deployment import Deployment, ReleaseRef, StemcellRef
from director.model.names import NetworkName
from director.model.problem import Mark, Problem, Severity
from director.model.release import Catalog, Release


@dataclass(slots=True, kw_only=True)
class Scope:
    """Collects problems. ``doc`` gives exact places; without it a problem points at its group, job or network."""

    deployment: Deployment
    cloud: CloudConfig
    catalog: Catalog
    doc: Document | None
    networks: dict[NetworkName, Network] = field(init=False)
    problems: list[Problem] = field(default_factory=list)
    _places: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.networks = {network.name: network for network in self.cloud.networks}
        for section in ("instance_groups", "releases") if self.doc else ():
            self._places[section] = tuple(index for index, _ in trees(self.doc.root, section)) if self.doc else ()

    def tell(self, fault: Fault, mark: Mark | None, detail: str, fix: str, severity: Severity = Severity.ERROR) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem_of(fault, detail, fix, mark, severity))

    def group_path(self, position: int) -> Path:
        """The path of the group that stands at ``position`` among the deployment's."""
        return self._path("instance_groups", position)

    def release_path(self, position: int) -> Path:
        """The path of the release at ``position``; empty for those that runtime configs added."""
        return self._path("releases", position)

    def _path(self, section: str, position: int) -> Path:
        places = self._places.get(section, ())
        return (section, places[position]) if position < len(places) else ()

    def mark(self, path: Path, otherwise: Mark | None) -> Mark | None:
        """The place of ``path`` in the manifest; ``otherwise`` when there is no manifest or no such place."""
        return self.doc.mark(path) if self.doc and path else otherwise

    def mark_if(self, path: Path, otherwise: Mark | None) -> Mark | None:
        """The place of ``path`` only if the manifest has it."""
        return self.doc.mark(path) if self.doc and self.doc.has(path) else otherwise

    def has_job(self, group_path: Path, position: int) -> bool:
        """Whether the manifest itself places the job at ``position`` of a group, not an addon."""
        if not self.doc or not group_path:
            return False
        groups = self.doc.root["instance_groups"]
        group = groups[int(group_path[-1])] if isinstance(groups, list) else None
        return isinstance(group, dict) and position < len(items(group, "jobs"))


def find_release(catalog: Catalog, wanted: ReleaseRef) -> Release | None:
    """The uploaded release that is meant, ``latest`` and prefixes resolved; None when there is none."""
    found = [release for release in catalog.releases if release.name == wanted.name]
    version = resolve_version(wanted.version, [release.version for release in found])
    return next((release for release in found if release.version == version), None)


def find_stemcell_version(catalog: Catalog, wanted: StemcellRef) -> str | None:
    """The version of an uploaded stemcell that is meant; None when there is none."""
    return resolve_version(wanted.version, stemcell_versions(catalog, wanted))


def stemcell_versions(catalog: Catalog, wanted: StemcellRef) -> list[str]:
    """All uploaded versions of the stemcell, by its name if it is given, otherwise by its operating system."""
    return sorted(
        {
            stemcell.version
            for stemcell in catalog.stemcells
            if (stemcell.name == wanted.name if wanted.name else stemcell.os == wanted.os)
        }
    )
