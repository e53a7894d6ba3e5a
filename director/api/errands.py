"""Errands: which there are, and running one (sections 4.5 and 6.2)."""

from collections.abc import Iterable, Iterator, Mapping

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, start_task
from director.api.ask import Body, deployment_of, json_of
from director.api.config import tree_of
from director.api.services import services_of
from director.manifest.read import read
from director.model.record import DeploymentRecord
from director.model.release import Catalog, Job
from director.model.tree import Node, Tree
from director.ports.store import Store
from director.reconcile.requests import RunErrand

ERRAND_NOT_FOUND = 70009


async def list_errands(request: Request) -> Response:
    deployment = await deployment_of(request)
    return json_answer([{"name": name} for name in await _names(services_of(request).store, deployment)])


async def run_errand(request: Request) -> Response:
    deployment = await deployment_of(request)
    body = await json_of(request)
    errand = request.path_params["errand"]
    names = await _names(services_of(request).store, deployment)
    if errand not in names:
        there = ", ".join(names) or "none"
        raise Answered(404, ERRAND_NOT_FOUND, f"'{deployment.name}' has no errand '{errand}'; its errands: {there}.")
    return await start_task(
        request,
        RunErrand(
            deployment=deployment.name,
            errand=errand,
            instances=tuple(_instance(part) for part in body.parts("instances")),
            keep_alive=body.flag("keep-alive", default=False),
            when_changed=body.flag("when-changed", default=False),
        ),
    )


def _instance(body: Body) -> str:
    which = body.text("id", "")
    return f"{body.text('group')}/{which}" if which else body.text("group")


async def _names(store: Store, deployment: DeploymentRecord) -> list[str]:
    """Read from the manifest as deployed; a deployment never finished has no errands."""
    if deployment.manifest is None:
        return []
    configs = [await store.config(number) for number in deployment.config_ids]
    runtimes = [tree_of(config) for config in configs if config is not None and config.type == "runtime"]
    jobs = _jobs(await store.catalog(), deployment)
    return errand_names([read(deployment.manifest, "the stored manifest").root, *runtimes], jobs)


def _jobs(catalog: Catalog, deployment: DeploymentRecord) -> Mapping[tuple[str, str], Job]:
    """The jobs the deployment may use, by release and name."""
    used = [r for r in catalog.releases if (str(r.name), r.version) in deployment.releases]
    return {(release.name, job.name): job for release in used for job in release.jobs}


def errand_names(trees: Iterable[Tree], jobs: Mapping[tuple[str, str], Job]) -> list[str]:
    """Groups with an errand's lifecycle, and jobs with a ``bin/run`` wherever they are placed (4.5); sorted."""
    names = set()
    for tree in trees:
        for group in _maps(tree.get("instance_groups")):
            if group.get("lifecycle") == "errand":
                names.add(str(group.get("name")))
        for placed in (*_maps(tree.get("instance_groups")), *_maps(tree.get("addons"))):
            names.update(_runnable(placed, jobs))
    return sorted(names)


def _runnable(placed: Tree, jobs: Mapping[tuple[str, str], Job]) -> Iterator[str]:
    for ref in _maps(placed.get("jobs")):
        job = jobs.get((str(ref.get("release")), str(ref.get("name"))))
        if job is not None and job.has_script("run"):
            yield job.name


def _maps(node: Node) -> list[Tree]:
    return [item for item in node if isinstance(item, dict)] if isinstance(node, list) else []
