"""Opens a tar, names what may not be in it, and copies out the few files that are wanted.

Only regular files that were asked for by name are ever written, each under a name chosen here: no path, link or
device of an archive touches the disk. What packages hold is looked at and left packed; agents unpack it.
"""

import contextlib
import hashlib
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final, cast

from director.adapters.archives.stream import STEP, BoundedStream, Limits, TooLarge
from director.ports.failure import Failure

SMALL_FILE_MAX: Final = 16 * 1024 * 1024
"""What is read into memory: manifests, specs, templates."""
NAMED_MAX: Final = 5
"""Unsafe entries named in one message; a hostile archive may have thousands."""
BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, UnicodeDecodeError)


class BrokenArchive(Exception):
    """It cannot be read, or must not be: the message ends a sentence that names the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A regular file: ``name`` normalised; ``content`` is its open stream until the next entry."""

    name: str
    size: int
    mode: int
    content: BinaryIO = field(repr=False)

    def read(self) -> bytes:
        """Raises BrokenArchive for a file that is too large to be held in memory."""
        if self.size > SMALL_FILE_MAX:
            raise BrokenArchive(f"{self.name} in it has more than {SMALL_FILE_MAX} bytes")
        return b"".join(self._pieces())

    def copy_to(self, path: Path) -> None:
        """Writes it out, readable by the owner only. Raises Failure when the disk will not take it."""
        try:
            path.touch(mode=0o600)
            target = path.open("wb", buffering=0)  # a buffer would meet a full disk only as it is closed
        except OSError as error:
            raise _no_room(error) from error
        with target:
            for piece in self._pieces():
                _write(target, piece)

    def _pieces(self) -> Iterator[bytes]:
        while piece := self.content.read(STEP):
            yield piece


def _write(target: FileIO, piece: bytes) -> None:
    left = memoryview(piece)
    try:
        while left:
            left = left[target.write(left) :]
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> Failure:
    return Failure(f"An uploaded archive cannot be unpacked on the director: {error.strerror}.")


@contextlib.contextmanager
def reading(path: Path, limits: Limits) -> Iterator[Iterator[tarfile.TarInfo | Entry]]:
    """Every member, front to back, regular files as Entry. Raises BrokenArchive for whatever goes wrong."""
    try:
        # tarfile reads, seeks and tells; a whole BinaryIO is what its types ask for.
        with BoundedStream(path, limits) as stream, tarfile.open(fileobj=cast("BinaryIO", stream), mode="r:") as tar:
            yield _members(tar, stream, limits)
    except TooLarge as error:
        raise BrokenArchive(f"it is refused, because {error}") from error
    except BROKEN as error:
        raise BrokenArchive(f"it cannot be read: {error or type(error).__name__}") from error


def _members(tar: tarfile.TarFile, stream: BoundedStream, limits: Limits) -> Iterator[tarfile.TarInfo | Entry]:
    count = 0
    while (member := tar.next()) is not None:
        count += 1
        if count > limits.members_max:
            raise TooLarge(f"it has more than {limits.members_max} entries")
        # A sparse file's holes cost nothing in the archive and everything on a disk: they are no files here.
        content = tar.extractfile(member) if member.isreg() and not member.issparse() else None
        if content is None:
            yield member
        else:
            # A buffered reader over a plain stream of bytes.
            yield Entry(name=plain_name(member.name), size=member.size, mode=member.mode, content=content)  # type: ignore[arg-type]
    # What follows the tar's end matters, too: gzip's checksum stands there.
    while stream.read(STEP):
        pass


def plain_name(name: str) -> str:
    """Without ``./`` in front; ``..`` stays, for ``is_unsafe_name`` to see."""
    return name.removeprefix("./").rstrip("/")


def is_unsafe_name(name: str) -> bool:
    """Whether a path below a directory might leave it."""
    return name.startswith("/") or "\0" in name or ".." in name.split("/")


def unsafe_entries(path: Path, limits: Limits, *, links_may_leave: bool) -> list[str]:
    """What an unpacker must not meet, in words; empty for a harmless archive. Raises BrokenArchive.

    ``links_may_leave``: compiled packages point at their dependencies and at the system by absolute links. That is
    harmless as long as nothing is written through a link, which is never allowed.
    """
    found: list[str] = []
    links: set[str] = set()
    with reading(path, limits) as members:
        for member in members:
            if len(found) > NAMED_MAX:
                break
            name = plain_name(member.name)
            reason = _reason(member, name, links, links_may_leave=links_may_leave)
            if reason:
                found.append(f"{name!r} {reason}")
            if isinstance(member, tarfile.TarInfo) and member.issym():
                links.add(name)
    return found


def _reason(member: tarfile.TarInfo | Entry, name: str, links: set[str], *, links_may_leave: bool) -> str:
    if is_unsafe_name(name):
        return "leads out of the archive"
    if links and any(parent in links for parent in _parents(name)):
        return "lies behind a link"
    if isinstance(member, Entry) or member.isdir():
        return ""
    if member.issym():
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        return "links out of the archive" if not links_may_leave and is_unsafe_name(target) else ""
    if member.islnk():
        target = plain_name(member.linkname)
        is_out = is_unsafe_name(target) or any(parent in links for parent in _parents(target))
        return "links out of the archive" if is_out else ""
    return "is neither file, directory nor link"


def _parents(name: str) -> Iterator[str]:
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        yield "/".join(parts[:depth])


def copy_wanted(path: Path, limits: Limits, wanted: Callable[[str], Path | None]) -> tuple[dict[str, Path], list[str]]:
    """Copies out the files that ``wanted`` gives a place; returns them by name, and the unsafe entries.

    Raises BrokenArchive. A name that comes twice is unsafe: what was checked might not be what is used.
    """
    copied: dict[str, Path] = {}
    unsafe: list[str] = []
    with reading(path, limits) as members:
        for member in members:
            if len(unsafe) > NAMED_MAX:
                break
            name = plain_name(member.name)
            reason = _outer_reason(member, name, copied)
            if reason:
                unsafe.append(f"{name!r} {reason}")
            elif isinstance(member, Entry) and (place := wanted(name)) is not None:
                member.copy_to(place)
                copied[name] = place
    return copied, unsafe


def _outer_reason(member: tarfile.TarInfo | Entry, name: str, copied: dict[str, Path]) -> str:
    if is_unsafe_name(name):
        return "leads out of the archive"
    if name in copied:
        return "is there twice"
    return "" if isinstance(member, Entry) or member.isdir() else "is neither file nor directory"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
