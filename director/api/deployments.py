"""Deployments: list, show, deploy, plan, compare, delete (section 6.2)."""

import asyncio
import json
from collections.abc import Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, not_built, problem_tree, start_task
from director.api.ask import INVALID_JSON, deployment_of, flag, text_of, words
from director.api.services import Services, services_of
from director.manifest.diff_text import diff_lines
from director.manifest.read import read
from director.model.fabric import OUTLIVING
from director.model.names import DeploymentName
from director.model.plan import Plan
from director.model.record import Config, DeploymentRecord
from director.model.tree import Node, Tree
from director.ports.store import Store
from director.reconcile.requests import DeleteDeployment, Deploy, Overrides

INVALID_CONFIG_REFERENCE = 190025


async def list_deployments(request: Request) -> Response:
    services = services_of(request)
    every = await services.store.deployments()
    deployments = sorted((d for d in every if d.name != OUTLIVING), key=lambda d: d.name)
    left_out = {part for part in ("configs", "releases", "stemcells", "lock") if flag(request, f"exclude_{part}")}
    clouds = {} if "configs" in left_out else await _cloud_states(services.store, deployments)
    return json_answer([_row(d, clouds, services, left_out) for d in deployments])


def _row(
    deployment: DeploymentRecord, clouds: dict[DeploymentName, str], services: Services, left_out: set[str]
) -> Tree:
    parts: dict[str, tuple[str, Node]] = {
        "configs": ("cloud_config", clouds.get(deployment.name, "none")),
        "releases": ("releases", _versions(deployment.releases)),
        "stemcells": ("stemcells", _versions(deployment.stemcells)),
        "lock": ("locked", services.driver.is_locked(deployment.name) is not None),
    }
    shown = dict(parts[part] for part in parts if part not in left_out)
    return {"name": deployment.name, "teams": list(deployment.teams), **shown}


def _versions(pairs: Iterable[tuple[str, str]]) -> list[Node]:
    return [{"name": name, "version": version} for name, version in sorted(pairs)]


async def _cloud_states(store: Store, deployments: Sequence[DeploymentRecord]) -> dict[DeploymentName, str]:
    """``none``, ``latest`` or ``outdated`` by deployment: the cloud configs it was deployed with against today's."""
    latest = {config.id for config in await store.configs("cloud")}
    known = {config.id: config.type for config in await store.configs()}
    old = {number for d in deployments for number in d.config_ids} - known.keys()
    for number in sorted(old):
        config = await store.config(number)
        known[number] = config.type if config else ""
    used = {d.name: {n for n in d.config_ids if known[n] == "cloud"} for d in deployments}
    return {name: ("latest" if ids == latest else "outdated") if ids else "none" for name, ids in used.items()}


async def show_deployment(request: Request) -> Response:
    return json_answer({"manifest": (await deployment_of(request)).manifest})


async def delete_deployment(request: Request) -> Response:
    deployment = await deployment_of(request)
    return await start_task(request, DeleteDeployment(deployment=deployment.name, force=flag(request, "force")))


async def deploy(request: Request) -> Response:
    """The manifest names the deployment; what is wrong with it is answered here, before any task exists."""
    text, source = await text_of(request), source_of(request)
    name = read(text, source).root.get("name")
    # A missing or odd name is refused with everything else that is wrong, by whoever checks the manifest.
    return await start_task(request, await _deploy_of(request, name if isinstance(name, str) else "", text))


async def plan(request: Request) -> Response:
    """Ours: what a deploy would do. An empty body plans the stored manifest. Touches nothing."""
    services = services_of(request)
    text = await text_of(request)
    name = request.path_params["deployment"]
    found = await services.driver.check(await _deploy_of(request, name, text if text.strip() else None))
    return json_answer(_plan_tree(found, services))


def _plan_tree(found: Plan, services: Services) -> dict[str, object]:
    return {
        "deployment": found.deployment,
        "is_settled": found.is_settled,
        "plan": services.encode_plan(found),
        "text": services.explain_plan(found),
        "warnings": [problem_tree(problem) for problem in found.warnings],
    }


def source_of(request: Request) -> str:
    """What the operator calls the file, for the places in problems."""
    return request.headers.get("x-director-manifest") or request.query_params.get("source") or "manifest.yml"


async def _deploy_of(request: Request, name: str, text: str | None) -> Deploy:
    return Deploy(
        deployment=name,
        manifest=text,
        source=source_of(request),
        config_ids=await _confirmed_configs(request),
        dry_run=flag(request, "dry_run"),
        overrides=overrides_of(request),
    )


def overrides_of(request: Request, *, state: str = "", target: str = "") -> Overrides:
    """The flags that bend one run. Raises Answered for the one of BOSH's that is not here."""
    if request.query_params.get("recreate_vms_created_before"):
        raise not_built("recreate_vms_created_before")
    return Overrides(
        state=state,
        target=target,
        recreate=flag(request, "recreate"),
        recreate_persistent_disks=flag(request, "recreate_persistent_disks"),
        fix=flag(request, "fix") or flag(request, "ignore_unresponsive_agent"),
        skip_drain=_skip_drain(request, target),
        canaries=request.query_params.get("canaries", ""),
        max_in_flight=request.query_params.get("max_in_flight", ""),
        allow_delete_all=flag(request, "allow_delete_all"),
        strict=flag(request, "strict"),
    )


def _skip_drain(request: Request, target: str) -> tuple[str, ...]:
    """``true`` means the instances the request is about; ``*`` and names are taken as they are."""
    given = words(request, "skip_drain")
    return (target or "*",) if given == ("true",) else () if given == ("false",) else given


async def _confirmed_configs(request: Request) -> tuple[int, ...] | None:
    """The configs of ``?context=``, which a diff gave out, so that what was confirmed is what is used (2.0)."""
    context = request.query_params.get("context")
    if not context:
        return None
    ids = _ids_in(context)
    store = services_of(request).store
    found = await asyncio.gather(*(store.config(number) for number in ids))
    usable = {config.id for config in found if config and config.type in {"cloud", "runtime"}}
    gone = [number for number in ids if number not in usable]
    if gone:
        text = f"No cloud or runtime config has the id {', '.join(map(str, gone))}: look at the difference again."
        raise Answered(400, INVALID_CONFIG_REFERENCE, text)
    return ids


def _ids_in(context: str) -> tuple[int, ...]:
    try:
        tree = json.loads(context)
        ids = {int(n) for kind in ("cloud", "runtime") for n in tree.get(f"{kind}_config_ids") or []}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Answered(400, INVALID_JSON, "?context= must be an object with lists of config ids.") from error
    return tuple(sorted(ids))


async def diff_deployment(request: Request) -> Response:
    """What would change in the manifest with all its configs; also for a deployment that does not exist yet (3.10)."""
    store = services_of(request).store
    new = read(await text_of(request), source_of(request)).root
    latest = [*await store.configs("cloud"), *await store.configs("runtime")]
    stored = await store.deployment(DeploymentName(request.path_params["deployment"]))
    before = await _as_deployed(store, stored) if stored else None
    redact = request.query_params.get("redact", "true") != "false"
    lines = diff_lines(before, whole(new, latest), redact)
    context = {f"{k}_config_ids": sorted(c.id for c in latest if c.type == k) for k in ("cloud", "runtime")}
    return json_answer({"context": context, "diff": [list(line) for line in lines]})


async def _as_deployed(store: Store, stored: DeploymentRecord) -> Tree | None:
    if stored.manifest is None:
        return None
    configs = await asyncio.gather(*(store.config(number) for number in stored.config_ids))
    return whole(read(stored.manifest, "the stored manifest").root, [c for c in configs if c is not None])


def whole(manifest: Tree, configs: Iterable[Config]) -> Tree:
    """Manifest and configs as one tree: lists of the same key joined, cloud configs first."""
    result: dict[str, Node] = {}
    ordered = sorted(configs, key=lambda c: (c.type, c.id))
    clouds = [read(c.content, f"cloud config {c.name}").root for c in ordered if c.type == "cloud"]
    runtimes = [read(c.content, f"runtime config {c.name}").root for c in ordered if c.type == "runtime"]
    for tree in (*clouds, manifest, *runtimes):
        for key, value in tree.items():
            there = result.get(key)
            result[key] = [*there, *value] if isinstance(there, list) and isinstance(value, list) else value
    return result
