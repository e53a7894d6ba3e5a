"""Which deployments are kept as wanted, and how that stands. Ours; BOSH has no such request."""

from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, iso, json_answer, nothing, user_of
from director.api.ask import INVALID_VALUE, Body, deployment_of, json_of
from director.api.services import services_of
from director.manifest.values import parse_count
from director.model.names import DeploymentName
from director.model.problem import Refused
from director.model.steady import (
    BRANCH,
    EVERY_S,
    RECORDED,
    Directory,
    Git,
    Mode,
    Policy,
    Source,
    Standing,
    source_in_words,
    source_to_tree,
    written,
)
from director.planning.steady_source import check_policy
from director.reconcile.steady import Steady

_CONFIGS = {"latest": True, "deployed": False}
_MODES = {mode.value: mode for mode in Mode}
NOT_WATCHED = 70000


async def list_watches(request: Request) -> Response:
    """``GET /watch``: all of them, without their plans' steps."""
    return json_answer({"watch": [_row(one) for one in _steady(request).standings()]})


async def show_watch(request: Request) -> Response:
    """``GET /deployments/:d/watch``, with the plan."""
    deployment = await deployment_of(request)
    found = next((one for one in _steady(request).standings() if one.policy.deployment == deployment.name), None)
    if found is None:
        raise Answered(
            404, NOT_WATCHED, f"Deployment '{deployment.name}' is not watched: `director watch on` does that."
        )
    return json_answer({**_row(found), "plan": found.plan})


async def put_watch(request: Request) -> Response:
    """``PUT /deployments/:d/watch``: from now on it is kept as the body says."""
    deployment = await deployment_of(request)
    policy = policy_in(await json_of(request), deployment.name, user_of(request))
    problems = check_policy(policy)
    if problems:
        raise Refused(problems)
    await _steady(request).put(policy)
    return nothing()


async def delete_watch(request: Request) -> Response:
    deployment = await deployment_of(request)
    await _steady(request).drop(deployment.name, user=user_of(request))
    return nothing()


def policy_in(body: Body, deployment: DeploymentName, user: str) -> Policy:
    """The policy a body describes. Raises Answered, Refused."""
    most = body.text("max_changes", "")
    return Policy(
        deployment=deployment,
        mode=_MODES[_one_of(body, "mode", _MODES, Mode.PROPOSE.value)],
        changes_max=parse_count(most, what="max_changes", at_least=1) if most else None,
        allows_deletes=body.flag("deletes", False),
        uses_latest=_CONFIGS[_one_of(body, "configs", _CONFIGS, "latest")],
        every_s=_seconds(body),
        source=_source(body.part("source")) if "source" in body.tree else RECORDED,
        by=user,
    )


def _source(body: Body) -> Source:
    match _one_of(body, "kind", ("recorded", "directory", "git"), None):
        case "directory":
            return Directory(path=body.text("path"))
        case "git":
            return Git(url=body.text("url"), branch=body.text("branch", BRANCH), path=body.text("path", "").strip("/"))
        case _:
            return RECORDED


def _seconds(body: Body) -> float:
    value = body.tree.get("every", EVERY_S)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Answered(400, INVALID_VALUE, '"every" must be a number of seconds.')
    return float(value)


def _one_of(body: Body, key: str, allowed: Collection[str], default: str | None) -> str:
    value = body.text(key, default)
    if value not in allowed:
        raise Answered(400, INVALID_VALUE, f'"{key}" is "{value}", which is none of {", ".join(allowed)}.')
    return value


def _row(standing: Standing) -> dict[str, object]:
    policy = standing.policy
    return {
        "deployment": policy.deployment,
        "mode": policy.mode.value,
        "max_changes": written(policy.changes_max),
        "deletes": policy.allows_deletes,
        "configs": "latest" if policy.uses_latest else "deployed",
        "every": policy.every_s,
        "source": {**source_to_tree(policy.source), "text": source_in_words(policy.source)},
        "by": policy.by,
        "since": iso(policy.since),
        "state": standing.state.value,
        "reasons": list(standing.reasons),
        "notes": list(standing.notes),
        "summary": standing.summary,
        "revision": standing.revision,
        "planned_at": iso(standing.planned_at),
        "again_at": iso(standing.again_at),
        "task": standing.task,
    }


def _steady(request: Request) -> Steady:
    found = services_of(request).steady
    assert found is not None, "the director keeps deployments"
    return found
