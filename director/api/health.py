"""How the instances are, what is done about those that are not well, or why it is not. BOSH has no such request."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer
from director.api.services import services_of
from director.model.deployment import Lifecycle
from director.model.health import Condition, Finding, HealthReport, Repairing, Verdict
from director.model.names import DeploymentName
from director.model.plan import Hold
from director.model.record import Record
from director.model.tree import Node, Tree
from director.model.wanted import Want
from director.reconcile.resurrection import SETTING

_AS_WISHED: Final = {
    Want.STARTED: Condition.RUNNING,
    Want.STOPPED: Condition.STOPPED,
    Want.DETACHED: Condition.NO_VM,
}


async def show_health(request: Request) -> Response:
    """``GET /health?deployment=``: of one deployment, or of all. What the watch last saw; nothing is looked at anew."""
    services = services_of(request)
    report, now = services.health(), services.clock.monotonic()
    name = request.query_params.get("deployment", "")
    record = await services.store.record(DeploymentName(name)) if name else None
    if name and record is None:
        raise Answered(404, 70000, f"Deployment '{name}' doesn't exist.")
    switch = await services.store.setting(SETTING)
    listed = _listed(report, name)
    value = {
        "looked": report.has_looked,
        "seen_s": _age(report.at, now),
        "deployments": 1 if record else len(await services.store.deployments()),
        "resurrection": not (switch or {}).get("paused", False),
        "repairs": report.is_on,
        "counts": _counts(record, report, listed),
        "instances": [_row(one, now) for one in listed],
        "doubts": list(report.doubts),
    }
    return json_answer(value)


def _listed(report: HealthReport, deployment: str) -> list[Verdict | Repairing]:
    """Whoever is being repaired stands there once, as that."""
    repairing = {one.finding.instance for one in report.repairing}
    every: list[Verdict | Repairing] = [
        *report.repairing,
        *(one for one in report.verdicts if one.finding.instance not in repairing),
    ]
    of_it = [one for one in every if deployment in {"", one.finding.deployment}]
    return sorted(of_it, key=lambda one: (one.finding.deployment, one.finding.group, one.finding.label))


def _counts(record: Record | None, report: HealthReport, rows: list[Verdict | Repairing]) -> Mapping[str, int]:
    """The watch counts all deployments together. Whom it does not list is as it should be, once it has looked."""
    if record is None or not report.has_looked:
        return _by_name(dict(report.counts))
    listed: list[Finding] = [one.finding for one in rows]
    counts = Counter(finding.condition for finding in listed)
    told = {finding.instance for finding in listed}
    watched = [one for one in record.instances if one.lifecycle is Lifecycle.SERVICE and not one.is_compilation]
    return _by_name(counts + Counter(_AS_WISHED[one.want] for one in watched if one.id not in told))


def _by_name(counts: Mapping[Condition, int]) -> Mapping[str, int]:
    """In the order in which conditions are told."""
    return {condition.value: counts[condition] for condition in Condition if counts.get(condition)}


def _row(one: Verdict | Repairing, now: float) -> Tree:
    finding = one.finding
    row: dict[str, Node] = {
        "deployment": finding.deployment,
        "instance": finding.label,
        "id": finding.instance,
        "group": finding.group,
        "az": finding.az,
        "vm": finding.vm,
        "condition": finding.condition.value,
        "since_s": _age(finding.since, now),
        "evidence": list(finding.evidence),
        "remedy": one.remedy.value,
        "task": None,
        "task_s": None,
        "hold": None,
        "in_s": None,
    }
    if isinstance(one, Repairing):
        return row | {"task": one.task, "task_s": _age(one.since, now)}
    in_s = None if one.not_before is None else max(0.0, round(one.not_before - now, 1))
    return row | {"hold": _hold(one.hold), "in_s": in_s}


def _hold(hold: Hold | None) -> Node:
    return None if hold is None else {"code": hold.code, "reason": hold.reason}


def _age(since: float, now: float) -> float:
    """Seconds, of two monotonic times."""
    return max(0.0, round(now - since, 1))
