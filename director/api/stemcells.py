"""Stemcells: list, upload, delete (section 6.2)."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, start_task
from director.api.ask import flag, json_of
from director.api.services import services_of
from director.api.uploads import take_upload
from director.model.release import Stemcell
from director.model.tree import Tree
from director.reconcile.requests import DeleteStemcell, UpdateStemcell

STEMCELL_NOT_FOUND = 50003


async def list_stemcells(request: Request) -> Response:
    store = services_of(request).store
    stemcells = sorted((await store.catalog()).stemcells, key=lambda s: (s.name, s.version, s.cpi))
    users: dict[tuple[str, str], list[str]] = {}
    for deployment in sorted(await store.deployments(), key=lambda d: d.name):
        for pair in deployment.stemcells:
            users.setdefault(pair, []).append(deployment.name)
    return json_answer([stemcell_row(s, users.get((s.name, s.version), [])) for s in stemcells])


def stemcell_row(stemcell: Stemcell, users: list[str]) -> Tree:
    """``users`` are the names of the deployments on it."""
    return {
        "id": f"{stemcell.name}/{stemcell.version}",
        "name": stemcell.name,
        "operating_system": stemcell.os,
        "version": stemcell.version,
        "cid": stemcell.cid,
        "cpi": stemcell.cpi,
        "api_version": stemcell.api_version,
        "deployments": [{"name": name} for name in users],
    }


async def needs_upload(request: Request) -> Response:
    body = (await json_of(request)).part("stemcell")
    wanted = (body.text("name"), body.text("version"))
    stemcells = (await services_of(request).store.catalog()).stemcells
    return json_answer({"needed": all((s.name, s.version) != wanted for s in stemcells)})


async def upload_stemcell(request: Request) -> Response:
    fix = flag(request, "fix")
    path, sha1 = await take_upload(request)
    return await start_task(request, UpdateStemcell(path=str(path), sha1=sha1, fix=fix))


async def delete_stemcell(request: Request) -> Response:
    name, version = request.path_params["name"], request.path_params["version"]
    stemcells = (await services_of(request).store.catalog()).stemcells
    if all((s.name, s.version) != (name, version) for s in stemcells):
        raise Answered(404, STEMCELL_NOT_FOUND, f"Stemcell '{name}/{version}' doesn't exist")
    return await start_task(request, DeleteStemcell(name=name, version=version, force=flag(request, "force")))
