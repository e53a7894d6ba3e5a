"""Orphaned disks: list, delete (section 6.2)."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, iso, json_answer, not_built, start_task
from director.api.ask import flag
from director.api.services import services_of
from director.model.record import DiskRecord
from director.model.tree import Tree
from director.reconcile.requests import DeleteDisk

DISK_NOT_FOUND = 100002


async def list_disks(request: Request) -> Response:
    orphans = await services_of(request).store.disks(orphaned=True)
    newest_first = sorted(orphans, key=lambda d: (-(d.orphaned_at or 0.0), d.name))
    return json_answer([disk_row(disk) for disk in newest_first])


def disk_row(disk: DiskRecord) -> Tree:
    return {
        "disk_cid": disk.cid or disk.name,
        "size": disk.size_mb,
        "az": disk.az,
        "deployment_name": disk.deployment,
        "instance_name": disk.label,
        "cloud_properties": disk.cloud_properties,
        "orphaned_at": iso(disk.orphaned_at),
    }


async def delete_disk(request: Request) -> Response:
    """Only an orphaned one; orphaning an attached disk by hand is not here."""
    if flag(request, "orphan"):
        raise not_built("orphaning of attached disks")
    cid = request.path_params["cid"]
    orphans = await services_of(request).store.disks(orphaned=True)
    if all(cid not in {disk.cid, disk.name} for disk in orphans):
        raise Answered(404, DISK_NOT_FOUND, f"There is no orphaned disk '{cid}'; only orphaned disks are deleted.")
    return await start_task(request, DeleteDisk(cid=cid))
