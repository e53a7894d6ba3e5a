"""Software as uploaded: releases with their jobs and packages, stemcells, compiled packages (section 8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from director.model.names import BlobId, Digest, JobName, PackageName, ReleaseName, StemcellCid
from director.model.tree import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertySpec:
    """A property a job declares. ``default`` is None both when absent and when null, as in BOSH."""

    default: Node = None
    description: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProvided:
    name: str
    type: str
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConsumed:
    name: str
    type: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of a release. ``templates`` maps source below ``templates/`` to destination below the job directory."""

    name: JobName
    fingerprint: str
    blob: BlobId
    digest: Digest
    templates: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[PackageName, ...] = ()
    properties: Mapping[str, PropertySpec] = field(default_factory=dict)
    provides: tuple[LinkProvided, ...] = ()
    consumes: tuple[LinkConsumed, ...] = ()
    properties_schema: Node = None

    def has_script(self, name: str) -> bool:
        """Whether the job ships ``bin/<name>``: pre-start, drain, run and the like."""
        return f"bin/{name}" in self.templates.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package. ``blob`` is None when the release brought it only in compiled form."""

    name: PackageName
    fingerprint: str
    dependencies: tuple[PackageName, ...] = ()
    blob: BlobId | None = None
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    name: ReleaseName
    version: str
    jobs: tuple[Job, ...] = ()
    packages: tuple[Package, ...] = ()
    commit_hash: str = "non-git"
    uncommitted_changes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stemcell:
    """``cpi`` is empty for the director's own infrastructure."""

    name: str
    os: str
    version: str
    cid: StemcellCid
    digest: Digest
    cpi: str = ""
    api_version: int = 1

    @property
    def is_built_in(self) -> bool:
        """Nobody uploaded it: it comes with the infrastructure, and goes with it."""
        return not self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPackage:
    """One package built for one stemcell. ``key`` = fingerprint, stemcell and its dependencies' keys, hashed."""

    key: str
    name: PackageName
    fingerprint: str
    stemcell_os: str
    stemcell_version: str
    blob: BlobId
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRelease:
    """A release with builds in place of sources, as it is exported (section 8.2)."""

    release: Release
    builds: tuple[tuple[Package, CompiledPackage], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All uploaded software a plan may choose from. ``compiled`` is keyed by ``CompiledPackage.key``."""

    releases: tuple[Release, ...] = ()
    stemcells: tuple[Stemcell, ...] = ()
    compiled: Mapping[str, CompiledPackage] = field(default_factory=dict)
