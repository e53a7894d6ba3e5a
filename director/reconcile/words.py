"""What a request locks, how its task is called, and what the audit trail says of it. Tables and text only."""

from director.model.names import DeploymentName
from director.model.record import Event, Task
from director.model.tree import Tree
from director.ports.store import AddEvent
from director.reconcile.requests import (
    ApplyNetworks,
    ApplyResolutions,
    CleanUp,
    DeleteDeployment,
    DeleteDisk,
    DeleteRelease,
    DeleteStemcell,
    Deploy,
    ExportRelease,
    FixDrift,
    Repair,
    Request,
    RunErrand,
    ScanAndFix,
    ScanProblems,
    UpdateRelease,
    UpdateStemcell,
)


def lock_of(request: Request) -> str:
    """What a task must have to itself; empty when it only reads or touches nothing others do."""
    if isinstance(request, Deploy | DeleteDeployment | RunErrand | Repair | ExportRelease):
        return f"deployment:{request.deployment}"
    if isinstance(request, ScanProblems | ApplyResolutions | ScanAndFix | FixDrift):
        return f"deployment:{request.deployment}"
    if isinstance(request, UpdateRelease | UpdateStemcell | DeleteRelease | DeleteStemcell | CleanUp):
        return "software"
    if isinstance(request, ApplyNetworks):
        return "networks"
    return ""


def description_of(request: Request) -> str:
    """BOSH's wording, which scripts grep for."""
    if isinstance(request, Deploy):
        return "create deployment" if request.manifest is not None else "update deployment"
    if isinstance(request, DeleteDeployment):
        return f"delete deployment {request.deployment}"
    if isinstance(request, Repair):
        return f"repair deployment {request.deployment}"
    if isinstance(request, RunErrand):
        return f"run errand {request.errand} from deployment {request.deployment}"
    if isinstance(request, ExportRelease):
        return f"export release: '{request.what}' for '{request.stemcell}'"
    return {
        "update_release": "create release",
        "update_stemcell": "update stemcell",
        "fetch_logs": "fetch logs",
        "vms": "retrieve vm-stats",
        "delete_artifacts": "clean up",
        "cck_scan": "scan cloud",
        "cck_apply": "apply resolutions",
        "cck_scan_and_fix": "scan and fix",
    }.get(request.task_type, request.task_type.replace("_", " "))


def told(
    request: Request, task: Task, at: float, *, error: str | None = None, context: Tree | None = None
) -> tuple[AddEvent, ...]:
    """One event for the beginning or the end of a task that changes something; none for one that only reads."""
    subject = _subject(request)
    if subject is None:
        return ()
    action, kind, name = subject
    event = Event(
        at=at,
        user=task.user,
        action=action,
        object_type=kind,
        object_name=name,
        error=error,
        task=task.id,
        deployment=DeploymentName(name) if kind == "deployment" else task.deployment,
        context=context or {},
    )
    return (AddEvent(event=event),)


def _subject(request: Request) -> tuple[str, str, str] | None:
    """(action, kind of object, its name) in BOSH's words (6.4)."""
    match request:
        case Deploy():
            return ("create" if request.manifest is not None else "update"), "deployment", request.deployment
        case DeleteDeployment():
            return "delete", "deployment", request.deployment
        case Repair():
            return "repair", "deployment", request.deployment
        case ApplyResolutions() | ScanAndFix():
            return "cloud-check", "deployment", request.deployment
        case FixDrift():
            return "fix drift", "deployment", request.deployment
        case RunErrand():
            return "run", "errand", request.errand
        case ExportRelease():
            return "export", "release", request.what
        case UpdateRelease():
            return "create", "release", "upload"
        case UpdateStemcell():
            return "create", "stemcell", "upload"
        case DeleteRelease():
            return "delete", "release", f"{request.name}/{request.version}".rstrip("/")
        case DeleteStemcell():
            return "delete", "stemcell", f"{request.name}/{request.version}"
        case DeleteDisk():
            return "delete", "disk", request.cid
        case CleanUp():
            return "clean-up", "director", "unused"
        case ApplyNetworks(dry_run=False):
            return "apply", "networks", "configs"
        case _:
            return None
