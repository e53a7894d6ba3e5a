"""The fingerprint of a job or package: one hash over its files' paths, contents and modes, and its dependencies.

The rule is that of BOSH with ``--sha2`` (bosh-director.md section 8.2): sha256 over "v2", then for each file by
sorted archive path the path, the sha256 of its content and its mode, then the sorted names of its dependencies.
Times and owners do not count, so that every checkout of the same files has the same fingerprints.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LINK_MODE: Final = "120000"
PROGRAM_MODE: Final = "100755"
FILE_MODE: Final = "100644"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What stands at one path of an archive. ``target`` is set for a symbolic link, and ``data`` empty then."""

    data: bytes = b""
    is_program: bool = False
    target: str = ""

    @property
    def mode(self) -> str:
        if self.target:
            return LINK_MODE
        return PROGRAM_MODE if self.is_program else FILE_MODE


def content_of(path: Path) -> Content:
    """Raises OSError."""
    if path.is_symlink():
        return Content(target=str(path.readlink()))
    return Content(data=path.read_bytes(), is_program=bool(path.stat().st_mode & 0o100))


def fingerprint_of(files: Mapping[str, Content], dependencies: Iterable[str] = ()) -> str:
    """The sha256 hex. ``files`` by their path in the archive."""
    text = ["v2"]
    for path, content in sorted(files.items()):
        text += [path, hashlib.sha256(content.target.encode() or content.data).hexdigest(), content.mode]
    text.append(",".join(sorted(dependencies)))
    return hashlib.sha256("".join(text).encode()).hexdigest()
