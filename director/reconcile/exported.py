"""Archives of exported releases: kept until a clean-up, for whoever exported one downloads it when the task has ended.

The task's result names the blob. Nothing else records it: an export that was cut off is done again, to the same bytes.
"""

import json

from director.model.names import BlobId, TaskId
from director.model.tree import Tree
from director.ports.archives import WrittenRelease
from director.ports.blobs import Blobs
from director.ports.store import Store, TaskQuery
from director.ports.tasklog import TaskLog
from director.reconcile.requests import ExportRelease


def result_of(written: WrittenRelease) -> Tree:
    """As BOSH's command reads it."""
    return {"blobstore_id": written.blob, "sha1": written.digest}


async def exported_blobs(store: Store, tasklog: TaskLog, blobs: Blobs) -> tuple[BlobId, ...]:
    """Those of ended tasks that are still there, each once, sorted."""
    tasks = await store.tasks(TaskQuery(types=(ExportRelease.task_type,)))
    found = {blob for task in tasks if task.state.is_final and (blob := _blob_of(task.id, tasklog))}
    return tuple([blob for blob in sorted(found) if await blobs.has(blob)])


def _blob_of(task: TaskId, tasklog: TaskLog) -> BlobId | None:
    """None for a task that did not come so far."""
    for line in tasklog.read(task, "result").decode().splitlines():
        if line.startswith("{"):
            return BlobId(str(json.loads(line)["blobstore_id"]))
    return None
