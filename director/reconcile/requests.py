"""What a task is asked to do: one frozen value per task type, kept with the task as a plain tree.

The type names are BOSH's (bosh-director.md 4.4), so that ``bosh tasks`` shows what its users know.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, get_args

from director.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Flags of ``deploy``, ``recreate`` and friends that bend one run (section 6.2, POST /deployments).

    ``state`` is started, stopped, detached, recreate or restart for the instances of ``target``:
    ``*``, ``group`` or ``group/id-or-index``. ``skip_drain`` holds ``*``, ``group`` or ``group/id``.
    """

    state: str = ""
    target: str = ""
    recreate: bool = False
    recreate_persistent_disks: bool = False
    fix: bool = False
    skip_drain: tuple[str, ...] = ()
    canaries: str = ""
    max_in_flight: str = ""
    allow_delete_all: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """``manifest`` None means the stored one. ``source`` is the file name that problems name.

    A deploy that nobody looks at first keeps to limits: ``changes_max`` instances, and with ``keeps_all`` no instance,
    disk or network object goes.
    """

    task_type: ClassVar[str] = "update_deployment"
    deployment: str
    manifest: str | None = None
    source: str = "manifest.yml"
    config_ids: tuple[int, ...] | None = None
    dry_run: bool = False
    overrides: Overrides = Overrides()
    changes_max: int | None = None
    keeps_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDeployment:
    task_type: ClassVar[str] = "delete_deployment"
    deployment: str
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunErrand:
    """``instances`` are ``group`` or ``group/id-or-index-or-first``; empty means all that have the errand."""

    task_type: ClassVar[str] = "run_errand"
    deployment: str
    errand: str
    instances: tuple[str, ...] = ()
    keep_alive: bool = False
    when_changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRelease:
    """``path`` is a file in the director's upload directory; the task removes it."""

    task_type: ClassVar[str] = "update_release"
    path: str
    sha1: str = ""
    fix: bool = False
    rebase: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateStemcell:
    task_type: ClassVar[str] = "update_stemcell"
    path: str
    sha1: str = ""
    fix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRelease:
    """``jobs`` empty means all. ``sha2``: digests are sha256, else sha1. The result is the archive's blob (4.3)."""

    task_type: ClassVar[str] = "export_release"
    deployment: str
    release: str
    version: str
    stemcell_os: str
    stemcell_version: str
    jobs: tuple[str, ...] = ()
    sha2: bool = False

    @property
    def what(self) -> str:
        return f"{self.release}/{self.version}"

    @property
    def stemcell(self) -> str:
        return f"{self.stemcell_os}/{self.stemcell_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRelease:
    """``version`` empty means every version."""

    task_type: ClassVar[str] = "delete_release"
    name: str
    version: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteStemcell:
    task_type: ClassVar[str] = "delete_stemcell"
    name: str
    version: str
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLogs:
    """``target`` is ``*``, ``group`` or ``group/id-or-index``. The result is a blob id (comma list when several)."""

    task_type: ClassVar[str] = "fetch_logs"
    deployment: str
    target: str
    kinds: tuple[str, ...] = ("job",)
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInstances:
    """``vms_only`` leaves out instances without a VM. The result has one JSON object per line (section 6.2)."""

    task_type: ClassVar[str] = "vms"
    deployment: str
    vms_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUp:
    task_type: ClassVar[str] = "delete_artifacts"
    remove_all: bool = False
    keep_orphaned_disks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDisk:
    """An orphaned disk, by its cid."""

    task_type: ClassVar[str] = "delete_orphan_disks"
    cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyNetworks:
    """Makes what network configs say. With ``remove`` also takes away what none of them says any more."""

    task_type: ClassVar[str] = "apply_networks"
    dry_run: bool = False
    remove: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """``remedies`` are instance ids and values of ``Remedy``, in pairs: nothing else of the deployment is touched.

    ``by`` is ``watch`` when the director does it by itself, else the command that asked for it. ``at_once``: so many of
    them at a time; 0: all.
    """

    task_type: ClassVar[str] = "repair"
    deployment: str
    remedies: tuple[tuple[str, str], ...]
    by: str = "watch"
    at_once: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanProblems:
    """Cloud-check's look; what it finds is kept until the next one."""

    task_type: ClassVar[str] = "cck_scan"
    deployment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyResolutions:
    """``resolutions`` are ids of problems and names of resolutions, None for the default one; ``max_in_flight`` are
    groups and ``N`` or ``N%`` of their problems: so many of a group are repaired at once.
    """

    task_type: ClassVar[str] = "cck_apply"
    deployment: str
    resolutions: tuple[tuple[int, str | None], ...]
    max_in_flight: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanAndFix:
    """``instances`` are ids; of them those without a VM that answers get another one."""

    task_type: ClassVar[str] = "cck_scan_and_fix"
    deployment: str
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixDrift:
    """``differences`` are kinds of drift and their subjects, as they were shown to whoever confirmed them."""

    task_type: ClassVar[str] = "fix_drift"
    deployment: str
    differences: tuple[tuple[str, str], ...]


Request: TypeAlias = (
    Deploy
    | Repair
    | DeleteDeployment
    | RunErrand
    | ExportRelease
    | UpdateRelease
    | UpdateStemcell
    | DeleteRelease
    | DeleteStemcell
    | FetchLogs
    | ListInstances
    | CleanUp
    | DeleteDisk
    | ApplyNetworks
    | ScanProblems
    | ApplyResolutions
    | ScanAndFix
    | FixDrift
)

_BY_TYPE = {kind.task_type: kind for kind in get_args(Request)}


def to_tree(request: Request) -> Tree:
    """As plain data, for the task's row."""
    return dataclasses.asdict(request)


def from_tree(task_type: str, tree: Tree) -> Request:
    """The request that ``to_tree`` wrote. Raises KeyError for a task type of no request."""
    values: dict[str, Any] = _with_tuples(tree)
    if "overrides" in values:
        values["overrides"] = Overrides(**_with_tuples(values["overrides"]))
    request: Request = _BY_TYPE[task_type](**values)
    return request


def _with_tuples(tree: Tree) -> dict[str, Any]:
    return {key: _tuples(value) for key, value in tree.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
