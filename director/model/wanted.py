"""What is wanted, resolved: each instance with its identity, zone, addresses, VM, disk, jobs and links.

Made by ``planning`` from a Deployment, a CloudConfig and the record; nothing is left to choose.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from director.model.deployment import Lifecycle, UpdateRules
from director.model.fabric import NOT_ATTACHED, Attachment, Member
from director.model.names import (
    AzName,
    DeploymentName,
    GroupName,
    InstanceId,
    NetworkName,
    ObjectId,
    PackageName,
    ReleaseName,
    StemcellCid,
)
from director.model.release import Job
from director.model.tree import Tree, digest_of


class Want(Enum):
    """What a recorded instance should be. DETACHED keeps identity, addresses and disk, but no VM."""

    STARTED = "started"
    STOPPED = "stopped"
    DETACHED = "detached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One reservation. ``ip`` is None on dynamic networks until the VM exists."""

    network: NetworkName
    ip: str | None
    is_static: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VmShape:
    """All that a VM is created from; another shape means another VM.

    ``networks`` maps a network's name to its settings as BOSH gives them to a CPI: type, ip, netmask,
    prefix, gateway, dns, default, cloud_properties. Placeholders in ``env`` and ``cloud_properties``
    stay unresolved here, so that a shape holds no secret. ``cpi`` names the infrastructure, empty for the default one.
    """

    stemcell_name: str
    stemcell_version: str
    stemcell_cid: StemcellCid
    cloud_properties: Tree
    networks: Mapping[str, Tree]
    env: Tree = field(default_factory=dict)
    cpi: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskShape:
    size_mb: int
    cloud_properties: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPackage:
    """A package an instance needs, compiled. ``key`` finds it in ``Catalog.compiled``."""

    name: PackageName
    fingerprint: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedJob:
    """A job bound to an instance: only declared properties, defaults applied, placeholders kept."""

    job: Job
    release: ReleaseName
    release_version: str
    properties: Tree
    links: Mapping[str, Tree] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedInstance:
    id: InstanceId
    deployment: DeploymentName
    group: GroupName
    index: int
    az: AzName | None
    is_bootstrap: bool
    is_new: bool
    lifecycle: Lifecycle
    want: Want
    addresses: tuple[Address, ...]
    shape: VmShape
    disk: DiskShape | None
    jobs: tuple[WantedJob, ...]
    packages: tuple[WantedPackage, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    attachment: Attachment = NOT_ATTACHED
    members: tuple[Member, ...] = ()
    segments: tuple[ObjectId, ...] = ()

    @property
    def label(self) -> str:
        """``group/index``: how people speak of it."""
        return f"{self.group}/{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedGroup:
    name: GroupName
    lifecycle: Lifecycle
    update: UpdateRules
    instances: tuple[WantedInstance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A whole deployment, resolved; groups in manifest order, instances by index."""

    deployment: DeploymentName
    groups: tuple[WantedGroup, ...]
    releases: tuple[tuple[ReleaseName, str], ...] = ()
    stemcells: tuple[tuple[str, str], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    """One file below ``/var/vcap/jobs/<job>/``. The content may hold secrets, so it has no repr."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedJob:
    """``monit`` is the rendered monit file (may be empty); ``digest`` covers it and every file."""

    name: str
    files: tuple[RenderedFile, ...]
    monit: str = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All rendered jobs of one instance, in the order of its jobs."""

    jobs: tuple[RenderedJob, ...]

    @property
    def configuration_hash(self) -> str:
        """Changes exactly when any rendered byte, path or job order changes."""
        return digest_of([[job.name, job.digest] for job in self.jobs])
