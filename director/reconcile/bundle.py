"""Several fetched archives as one, because BOSH's command downloads one blob per task."""

import asyncio
import tarfile
from collections.abc import Mapping
from pathlib import Path

from director.model.names import BlobId
from director.ports.blobs import Blobs


async def bundle(archives: Mapping[str, BlobId], blobs: Blobs, scratch: Path) -> BlobId:
    """One ``.tgz`` with each archive under its name; ``scratch`` is a file of the caller's, gone afterwards."""
    paths = {name: await blobs.path_of(blob) for name, blob in sorted(archives.items())}
    try:
        await asyncio.to_thread(_write, scratch, paths)
        return (await blobs.put_file(scratch)).id
    finally:
        await asyncio.to_thread(scratch.unlink, missing_ok=True)


def _write(target: Path, paths: Mapping[str, Path]) -> None:
    target.touch(mode=0o600)
    # What goes in is compressed already.
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        for name, path in paths.items():
            archive.add(path, arcname=name)
