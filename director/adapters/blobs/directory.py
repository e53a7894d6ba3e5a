"""``DirectoryBlobs``: the Blobs port on a directory, each file under the sha256 of its bytes.

A blob appears whole or not at all: bytes go to ``incoming/``, are synced, and are then moved into place. What
a killed director left in ``incoming/`` is removed when the next one opens the directory.
"""

import asyncio
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from director.model.names import BlobId, Digest
from director.ports.blobs import Blob
from director.ports.failure import BlobMissing, Failure, Retry

T = TypeVar("T")

IS_ID = re.compile(r"[0-9a-f]{64}")

BUFFER = 1 << 20
"""Bytes handed to a thread at once: large enough that the hand-over does not count."""


class DirectoryBlobs:
    """Makes the directory (0700) when missing. Files are 0600 and never changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        with _failing(f"Blobs cannot be kept in {directory}"):
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            for stale in self._incoming.iterdir():
                stale.unlink()

    async def put_file(self, path: Path) -> Blob:
        return await asyncio.to_thread(self._put_file, path)

    async def put_stream(self, chunks: AsyncIterator[bytes], *, size_max: int) -> Blob:
        """Raises Failure when the stream is longer than ``size_max``; nothing is kept then."""
        arriving = await _to_its_end(self._arrive)
        try:
            waiting = bytearray()
            async for chunk in chunks:
                waiting += chunk
                if arriving.size + len(waiting) > size_max:
                    raise Failure(f"The upload is larger than the {size_max} bytes that are allowed.")
                if len(waiting) >= BUFFER:
                    await _to_its_end(self._add, arriving, bytes(waiting))
                    waiting.clear()
            await _to_its_end(self._add, arriving, bytes(waiting))
            return await _to_its_end(self._keep, arriving)
        finally:
            arriving.discard()

    async def read(self, blob: BlobId, *, chunk: int = 262_144) -> AsyncIterator[bytes]:
        """Raises BlobMissing at once when there is none, and before the last chunk when its bytes are not its own."""
        return _read(await self.path_of(blob), blob, chunk)

    async def path_of(self, blob: BlobId) -> Path:
        path = self._path(blob)
        if not await asyncio.to_thread(path.is_file):
            raise BlobMissing(f"Blob {blob} is gone from {self._directory}. Upload what it belongs to again.")
        return path

    async def has(self, blob: BlobId) -> bool:
        return IS_ID.fullmatch(blob) is not None and await asyncio.to_thread(self._path(blob).is_file)

    async def delete(self, blob: BlobId) -> None:
        """Nothing happens when there is none."""
        with _failing(f"Blob {blob} cannot be deleted"):
            await asyncio.to_thread(self._path(blob).unlink, missing_ok=True)

    def _path(self, blob: BlobId) -> Path:
        """In one of 65 536 directories, so that none of them grows long."""
        if IS_ID.fullmatch(blob) is None:
            raise BlobMissing(f'"{blob}" is no blob id.')
        return self._directory / blob[:2] / blob[2:4] / blob

    def _put_file(self, path: Path) -> Blob:
        arriving = self._arrive()
        try:
            with _failing(f"{path} cannot be kept in {self._directory}"), path.open("rb") as source:
                while data := source.read(BUFFER):
                    arriving.add(data)
            return self._keep(arriving)
        finally:
            arriving.discard()

    def _arrive(self) -> "_Arriving":
        with _failing(f"Nothing can be kept in {self._directory}"):
            handle, name = tempfile.mkstemp(dir=self._incoming)
            return _Arriving(file=os.fdopen(handle, "wb", buffering=0), path=Path(name), digest=hashlib.sha256())

    def _add(self, arriving: "_Arriving", data: bytes) -> None:
        with _failing(f"The upload cannot be kept in {self._directory}"):
            arriving.add(data)

    def _keep(self, arriving: "_Arriving") -> Blob:
        blob = BlobId(arriving.digest.hexdigest())
        path = self._path(blob)
        with _failing(f"Blob {blob} cannot be kept in {self._directory}"):
            os.fsync(arriving.file.fileno())
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            arriving.path.replace(path)
            for directory in (path.parent, path.parent.parent, self._directory):
                _sync(directory)
        return Blob(id=blob, digest=Digest(f"sha256:{blob}"), size=arriving.size)


@dataclass(slots=True, kw_only=True)
class _Arriving:
    """A blob whose name is not known yet. A file of mode 0600."""

    file: BinaryIO
    path: Path
    digest: "hashlib._Hash"
    size: int = 0

    def add(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self.file.write(view) :]
        self.digest.update(data)
        self.size += len(data)

    def discard(self) -> None:
        """Once it is in its place, there is nothing left to remove."""
        self.file.close()
        self.path.unlink(missing_ok=True)


async def _read(path: Path, blob: BlobId, size: int) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()
    try:
        file = await asyncio.to_thread(path.open, "rb")
        with file:
            data = await asyncio.to_thread(file.read, size)
            while data:
                digest.update(data)
                following = await asyncio.to_thread(file.read, size)
                if not following and digest.hexdigest() != blob:
                    raise BlobMissing(f"Blob {blob} is damaged on disk. Upload what it belongs to again.")
                yield data
                data = following
    except OSError as error:
        words = f"Blob {blob} cannot be read ({error.strerror}). Upload what it belongs to again."
        raise BlobMissing(words) from error


async def _to_its_end(function: Callable[..., T], *arguments: Any) -> T:
    """In a thread, which a cancelled caller waits for: it still writes to the file that would be closed."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        advice = " Free some space and repeat the command." if is_full else ""
        retry = Retry.SOON if is_full else Retry.NEVER
        raise Failure(f"{what}: {error.strerror}.{advice}", retry=retry) from error


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
