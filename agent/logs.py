"""Bundles of log files for an operator (1.19). Reads; uploads; changes nothing."""

from pathlib import Path

from agent import archives
from agent.blobs import Blobs
from agent.failure import Failed
from agent.layout import Layout
from agent.wire import agent_pb2 as wire

_TOP = Path("/")


async def fetch_logs(request: wire.FetchLogs, name: str, layout: Layout, blobs: Blobs) -> wire.StoredBlob:
    """A tgz of what the filters match below the log directories of these kinds. Raises Failed for an unknown kind.

    ``name`` tells this bundle from others made at the same time. Of several kinds, paths are from the root.
    """
    root, filters = _chosen(request, layout)
    archive = layout.tmp / f"logs-{name}.tgz"
    try:
        await archives.pack(root, archive, filters, "bundle of logs", layout)
        return await blobs.store(archive, "bundle of logs")
    finally:
        archive.unlink(missing_ok=True)


def _chosen(request: wire.FetchLogs, layout: Layout) -> tuple[Path, list[str]]:
    roots = {"job": layout.log(), "agent": layout.bosh / "log", "system": Path("/var/log")}
    kinds, filters = list(request.kinds) or ["job"], list(request.filters) or ["**/*"]
    for kind in kinds:
        if kind not in roots:
            raise Failed(f'there are no logs of kind "{kind}"; there are: {", ".join(sorted(roots))}')
    if len(kinds) == 1:
        return roots[kinds[0]], filters
    return _TOP, [str(roots[kind].relative_to(_TOP) / pattern) for kind in kinds for pattern in filters]
