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
    """``manifest`` None means the stored one. ``source`` is the file name that problems name."""

    task_type: ClassVar[str] = "update_deployment"
    deployment: str
    manifest: str | None = None
    source: str = "manifest.yml"
    config_ids: tuple[int, ...] | None = None
    dry_run: bool = False
    overrides: Overrides = Overrides()


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


Request: TypeAlias = (
    Deploy
    | DeleteDeployment
    | RunErrand
    | UpdateRelease
    | UpdateStemcell
    | DeleteRelease
    | DeleteStemcell
    | FetchLogs
    | ListInstances
    | CleanUp
    | DeleteDisk
    | ApplyNetworks
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
    return {key: tuple(value) if isinstance(value, list) else value for key, value in tree.items()}
