"""Bytes by the sha256 of their content: release jobs, packages, compiled packages, logs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from director.model.names import BlobId, Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    id: BlobId
    digest: Digest
    size: int


class Blobs(Protocol):
    async def put_file(self, path: Path) -> Blob:
        """Copies the file in, durably. Putting the same content twice gives the same blob."""
        ...

    async def put_stream(self, chunks: AsyncIterator[bytes], *, size_max: int) -> Blob:
        """Raises Failure when the stream is longer than ``size_max``; nothing is kept then."""
        ...

    async def read(self, blob: BlobId, *, chunk: int = 262_144) -> AsyncIterator[bytes]:
        """Raises BlobMissing before the first chunk when there is no such blob."""
        ...

    async def path_of(self, blob: BlobId) -> Path:
        """A local file with the blob's bytes, not to be changed."""
        ...

    async def has(self, blob: BlobId) -> bool: ...

    async def delete(self, blob: BlobId) -> None: ...
