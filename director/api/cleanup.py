"""Cleaning up what nothing uses, and what that would be (section 4.6)."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import json_answer, start_task
from director.api.ask import flag, json_of
from director.api.disks import disk_row
from director.api.services import services_of
from director.api.stemcells import stemcell_row
from director.model.release import Release
from director.model.tree import Node
from director.reconcile.exported import exported_blobs
from director.reconcile.requests import CleanUp
from director.reconcile.unused import KEPT, expired, unused


async def clean_up(request: Request) -> Response:
    config = (await json_of(request)).part("config")
    what = CleanUp(
        remove_all=config.flag("remove_all", default=False),
        keep_orphaned_disks=config.flag("keep_orphaned_disks", default=False),
    )
    return await start_task(request, what)


async def show_clean_up(request: Request) -> Response:
    """What a clean-up would delete now; deletes nothing."""
    services = services_of(request)
    store = services.store
    is_all = flag(request, "remove_all")
    releases, stemcells = unused(await store.catalog(), await store.deployments(), keep=0 if is_all else KEPT)
    kept_s = 0.0 if is_all else services.orphans_kept_s
    orphans = () if flag(request, "keep_orphaned_disks") else await store.disks(orphaned=True)
    disks = expired(orphans, services.clock.now(), kept_s)
    value = {
        "releases": _by_name(releases),
        "stemcells": [stemcell_row(stemcell, []) for stemcell in stemcells],
        "compiled_packages": [],
        "orphaned_disks": [disk_row(disk) for disk in disks],
        "orphaned_vms": [],
        "exported_releases": [*await exported_blobs(store, services.tasklog, services.blobs)],
        "dns_blobs": [],
    }
    return json_answer(value)


def _by_name(releases: list[Release]) -> list[Node]:
    names = sorted({release.name for release in releases})
    return [{"name": name, "versions": [r.version for r in releases if r.name == name]} for name in names]
