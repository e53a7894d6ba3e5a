"""Where record and world differ. Ours; BOSH has no such request."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, start_task
from director.api.ask import json_of
from director.api.services import services_of
from director.model.names import DeploymentName
from director.model.tree import Tree
from director.planning.drift import Drift
from director.planning.drift_fix import way_of
from director.reconcile.requests import FixDrift


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


async def fix_drift(request: Request) -> Response:
    """``PUT /drift`` with ``{"deployment", "differences": [{"kind", "subject"}]}``: a task that repairs just these."""
    body = await json_of(request)
    name = body.text("deployment")
    if await services_of(request).store.deployment(DeploymentName(name)) is None:
        raise Answered(404, 70000, f"Deployment '{name}' doesn't exist.")
    differences = tuple((one.text("kind"), one.text("subject")) for one in body.parts("differences"))
    return await start_task(request, FixDrift(deployment=name, differences=differences))


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
        "way": way_of(drift).name.lower(),
        "does": way_of(drift).value,
    }
