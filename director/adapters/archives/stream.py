"""A decompressed archive that only goes forward and never further than its limits.

A few kilobytes of gzip can stand for terabytes, and one header of a tar for a read of gigabytes: both are
refused here, below ``tarfile``, before the bytes exist.
"""

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

GZIP_MAGIC: Final = b"\x1f\x8b"
STEP: Final = 1024 * 1024
READ_MAX: Final = 4 * 1024 * 1024
"""One read asked for by ``tarfile``: contents come in small pieces, only a lying header asks for more."""
RATIO_FREE: Final = 64 * 1024 * 1024
"""Below this the ratio does not matter: a file of zeros may shrink a thousandfold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``size_max`` bytes unpacked; ``ratio_max`` unpacked to packed; ``members_max`` entries in one archive."""

    size_max: int = 20 * 1024**3
    ratio_max: int = 200
    members_max: int = 200_000


class TooLarge(Exception):
    """The archive passes a limit; the message says which."""


class BoundedStream:
    """The plain bytes of a gzip or plain file. Seeks forward only."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._packed: BinaryIO = path.open("rb")
        self._limits = limits
        is_gzip = self._packed.read(2) == GZIP_MAGIC
        self._packed.seek(0)
        self._plain: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=self._packed) if is_gzip else self._packed
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > READ_MAX:
            raise TooLarge(f"an entry's header asks for {size} bytes at once")
        data = self._plain.read(size)
        self._at += len(data)
        self._check()
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._at:
            raise io.UnsupportedOperation("an archive is read once, from front to back")
        if offset > self._limits.size_max:
            raise TooLarge(f"it unpacks to more than {self._limits.size_max} bytes")
        while self._at < offset and self.read(min(STEP, offset - self._at)):
            pass
        return self._at

    def close(self) -> None:
        self._plain.close()
        self._packed.close()

    def _check(self) -> None:
        if self._at > self._limits.size_max:
            raise TooLarge(f"it unpacks to more than {self._limits.size_max} bytes")
        if self._at > RATIO_FREE and self._at > self._limits.ratio_max * max(1, self._packed.tell()):
            raise TooLarge(f"it unpacks to more than {self._limits.ratio_max} times its size")
