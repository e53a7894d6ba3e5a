"""Releases: list, show, upload, delete, and which packages an upload may leave out (section 6.2)."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, start_task
from director.api.ask import flag, text_of
from director.api.services import services_of
from director.api.uploads import take_upload
from director.manifest.read import read
from director.model.release import Catalog, CompiledPackage, Job, Package, Release
from director.model.tree import Node, Tree
from director.reconcile.requests import DeleteRelease, UpdateRelease
from director.reconcile.unused import in_order

RELEASE_NOT_FOUND = 30005
VERSION_NOT_FOUND = 30006


async def list_releases(request: Request) -> Response:
    store = services_of(request).store
    catalog = await store.catalog()
    used = {pair for deployment in await store.deployments() for pair in deployment.releases}
    names = sorted({release.name for release in catalog.releases})
    return json_answer([{"name": n, "release_versions": _versions(_named(catalog, n), used)} for n in names])


def _named(catalog: Catalog, name: str) -> dict[str, Release]:
    """The versions of one release, lowest first."""
    found = {release.version: release for release in catalog.releases if release.name == name}
    return {version: found[version] for version in in_order(found)}


def _versions(versions: dict[str, Release], used: set[tuple[str, str]]) -> list[Node]:
    return [
        {
            "version": release.version,
            "commit_hash": release.commit_hash,
            "uncommitted_changes": release.uncommitted_changes,
            "currently_deployed": (release.name, release.version) in used,
            "job_names": [*sorted(job.name for job in release.jobs)],
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


async def delete_release(request: Request) -> Response:
    release, _, _ = await _find(request)
    version = request.query_params.get("version", "")
    return await start_task(request, DeleteRelease(name=release.name, version=version, force=flag(request, "force")))


async def match_packages(request: Request) -> Response:
    """The fingerprints of a release manifest whose source is here already, so that an upload may leave them out."""
    manifest = read(await text_of(request), "release.MF").root
    listed = manifest.get("packages")
    asked = {p.get("fingerprint") for p in listed if isinstance(p, dict)} if isinstance(listed, list) else set()
    catalog = await services_of(request).store.catalog()
    known = {p.fingerprint for release in catalog.releases for p in release.packages if p.blob is not None}
    return json_answer(sorted(known & asked))


async def match_compiled(_: Request) -> Response:
    """Nothing may be left out: a compiled release is read whole, whatever is known already."""
    return json_answer([])
