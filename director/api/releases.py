"""Releases: list, show, upload, delete, and which packages an upload may leave out (section 6.2)."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, start_task
from director.api.ask import flag, json_of, text_of
from director.api.services import services_of
from director.api.uploads import take_upload
from director.manifest.read import read
from director.model.names import DeploymentName
from director.model.release import Catalog, CompiledPackage, Job, Package, Release
from director.model.tree import Node, Tree
from director.planning.forms import Forms
from director.planning.package import Build, keys_of
from director.reconcile.requests import DeleteRelease, ExportRelease, UpdateRelease
from director.reconcile.unused import in_order

RELEASE_NOT_FOUND = 30005
VERSION_NOT_FOUND = 30006
DEPLOYMENT_NOT_FOUND = 70000


async def list_releases(request: Request) -> Response:
    store = services_of(request).store
    catalog = await store.catalog()
    used = {pair for deployment in await store.deployments() for pair in deployment.releases}
    names = sorted({release.name for release in catalog.releases})
    forms = Forms(catalog)
    return json_answer([{"name": n, "release_versions": _versions(_named(catalog, n), used, forms)} for n in names])


def _named(catalog: Catalog, name: str) -> dict[str, Release]:
    """The versions of one release, lowest first."""
    found = {release.version: release for release in catalog.releases if release.name == name}
    return {version: found[version] for version in in_order(found)}


def _versions(versions: dict[str, Release], used: set[tuple[str, str]], forms: Forms) -> list[Node]:
    return [
        {
            "version": release.version,
            "commit_hash": release.commit_hash,
            "uncommitted_changes": release.uncommitted_changes,
            "currently_deployed": (release.name, release.version) in used,
            "job_names": [*sorted(job.name for job in release.jobs)],
            "package_count": len(release.packages),
            "has_source": forms.has_source(release),
            "compiled_for": dict(forms.compiled_for(release)),
        }
        for release in versions.values()
    ]


async def _find(request: Request) -> tuple[Release, Catalog, list[str]]:
    """The version asked for, else the newest; everything known; all versions. Raises Answered (404)."""
    catalog = await services_of(request).store.catalog()
    name, version = request.path_params["name"], request.query_params.get("version", "")
    found = _named(catalog, name)
    if not found:
        raise Answered(404, RELEASE_NOT_FOUND, f"Release '{name}' doesn't exist")
    if version and version not in found:
        raise Answered(404, VERSION_NOT_FOUND, f"Release version '{name}/{version}' doesn't exist")
    versions = list(found)
    return found[version or versions[-1]], catalog, versions


async def show_release(request: Request) -> Response:
    release, catalog, versions = await _find(request)
    compiled = sorted(catalog.compiled.values(), key=lambda c: (c.name, c.stemcell_os, c.stemcell_version, c.key))
    return json_answer(
        {
            "jobs": [_job_row(job) for job in sorted(release.jobs, key=lambda j: j.name)],
            "packages": [_package_row(p, compiled) for p in sorted(release.packages, key=lambda p: p.name)],
            "versions": versions,
        }
    )


def _job_row(job: Job) -> Tree:
    return {
        "name": job.name,
        "fingerprint": job.fingerprint,
        "blobstore_id": job.blob,
        "sha1": job.digest,
        "consumes": [{"name": c.name, "type": c.type, "optional": c.optional} for c in job.consumes],
        "provides": [{"name": p.name, "type": p.type} for p in job.provides],
    }


def _package_row(package: Package, compiled: Iterable[CompiledPackage]) -> Tree:
    return {
        "name": package.name,
        "fingerprint": package.fingerprint,
        "blobstore_id": package.blob,
        "sha1": package.digest,
        "compiled_packages": [
            {"stemcell": f"{c.stemcell_os}/{c.stemcell_version}", "sha1": c.digest, "blobstore_id": c.blob}
            for c in compiled
            if c.fingerprint == package.fingerprint
        ],
    }


async def upload_release(request: Request) -> Response:
    fix, rebase = flag(request, "fix"), flag(request, "rebase")
    path, sha1 = await take_upload(request)
    return await start_task(request, UpdateRelease(path=str(path), sha1=sha1, fix=fix, rebase=rebase))


async def export_release(request: Request) -> Response:
    """A task that compiles what is missing and packs it; its result says which blob to download (section 6.2)."""
    body = await json_of(request)
    deployment = body.text("deployment_name")
    if await services_of(request).store.deployment(DeploymentName(deployment)) is None:
        raise Answered(404, DEPLOYMENT_NOT_FOUND, f"Deployment '{deployment}' doesn't exist.")
    export = ExportRelease(
        deployment=deployment,
        release=body.text("release_name"),
        version=body.text("release_version"),
        stemcell_os=body.text("stemcell_os"),
        stemcell_version=body.text("stemcell_version"),
        jobs=tuple(job.text("name") for job in body.parts("jobs")),
        sha2=body.flag("sha2", default=False),
    )
    return await start_task(request, export)


async def delete_release(request: Request) -> Response:
    release, _, _ = await _find(request)
    version = request.query_params.get("version", "")
    return await start_task(request, DeleteRelease(name=release.name, version=version, force=flag(request, "force")))


async def match_packages(request: Request) -> Response:
    """The fingerprints of a release manifest whose source is here already, so that an upload may leave them out."""
    asked = {listed.get("fingerprint") for listed in await _listed(request, "packages")}
    catalog = await services_of(request).store.catalog()
    known = {p.fingerprint for release in catalog.releases for p in release.packages if p.blob is not None}
    return json_answer(sorted(known & asked))


async def match_compiled(request: Request) -> Response:
    """The same of a compiled release: what is here as it was compiled there, against the same and for the same."""
    builds = [build for listed in await _listed(request, "compiled_packages") if (build := _build_of(listed))]
    keys, services = keys_of(builds), services_of(request)
    compiled = (await services.store.catalog()).compiled
    here = {
        b.fingerprint
        for b in builds
        if (found := compiled.get(keys.get(b.name, ""))) and await services.blobs.has(found.blob)
    }
    return json_answer(sorted(here))


async def _listed(request: Request, kind: str) -> list[Tree]:
    """What a release manifest lists of a kind; what is not a list of maps is left to whoever reads the upload."""
    listed = read(await text_of(request), "release.MF").root.get(kind)
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _build_of(listed: Tree) -> Build | None:
    """None for an entry that lacks something."""
    os_name, _, version = str(listed.get("stemcell") or "").rpartition("/")
    needs = listed.get("dependencies") or []
    name, fingerprint = listed.get("name"), listed.get("fingerprint")
    if not (os_name and version and isinstance(needs, list) and isinstance(name, str) and fingerprint):
        return None
    return Build(
        name=name,
        fingerprint=str(fingerprint),
        stemcell_os=os_name,
        stemcell_version=version,
        dependencies=tuple(sorted({str(need) for need in needs})),
    )
