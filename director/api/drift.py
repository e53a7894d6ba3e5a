"""Where record and world differ. Ours; BOSH has no such request."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer
from director.api.services import services_of
from director.model.names import DeploymentName
from director.model.tree import Tree
from director.planning.drift import Drift


async def show_drift(request: Request) -> Response:
    """``GET /drift?deployment=``: of one deployment, or of all. Looks now, changes nothing."""
    services = services_of(request)
    name = request.query_params.get("deployment", "")
    if name and await services.store.deployment(DeploymentName(name)) is None:
        raise Answered(404, 70000, f"Deployment '{name}' doesn't exist.")
    report = await services.drift(DeploymentName(name) if name else None)
    value = {
        "drift": [_row(drift) for drift in report.drifts],
        "unseen": [{"cpi": one.cpi, "reason": one.reason} for one in report.unseen],
        "vms": report.vms,
        "disks": report.disks,
        "objects": report.objects,
    }
    return json_answer(value)


def _row(drift: Drift) -> Tree:
    return {
        "kind": drift.kind.value,
        "deployment": drift.deployment,
        "instance": drift.instance,
        "subject": drift.subject,
        "cpi": drift.cpi,
        "recorded": drift.recorded,
        "seen": drift.seen,
        "fix": drift.fix,
    }
