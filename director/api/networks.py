"""Networks as they are, and having them made what network configs say. Ours; BOSH lists orphaned ones here."""

import dataclasses
from collections.abc import Iterable
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, start_task
from director.api.ask import flag, json_of
from director.api.services import services_of
from director.model.names import DeploymentName
from director.reconcile.fabric_report import NetworksReport
from director.reconcile.requests import ApplyNetworks

NO_NETWORK = 100003
"""Ours: there is no orphaned network of that name, or of any."""


async def show_networks(request: Request) -> Response:
    """``GET /networks?deployment=&look=``: of one deployment, or of all; ``look`` asks every fabric how it is there.

    With ``orphaned`` in the query it is BOSH's question, and there are none: a network goes with its last user.
    """
    if "orphaned" in request.query_params:
        return json_answer([])
    services, name = services_of(request), request.query_params.get("deployment", "")
    if name and await services.store.deployment(DeploymentName(name)) is None:
        raise Answered(404, 70000, f"Deployment '{name}' doesn't exist.")
    report = await services.networks(DeploymentName(name) if name else None, flag(request, "look"))
    return json_answer(as_tree(report))


async def apply_networks(request: Request) -> Response:
    """``POST /networks`` with ``{"dry_run": …, "remove": …}``: a task that carries the network configs out."""
    body = await json_of(request)
    what = ApplyNetworks(dry_run=body.flag("dry_run", default=False), remove=body.flag("remove", default=False))
    return await start_task(request, what)


async def delete_network(request: Request) -> Response:
    """BOSH's request for orphaned ones."""
    name = request.path_params["name"]
    raise Answered(404, NO_NETWORK, f"There is no orphaned network '{name}': networks go with their last deployment.")


def as_tree(report: NetworksReport) -> dict[str, object]:
    """As it stands, every state in its word."""
    return dataclasses.asdict(report, dict_factory=_with_words)


def _with_words(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    return {key: value.value if isinstance(value, Enum) else value for key, value in pairs}
