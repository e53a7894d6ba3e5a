"""Archives to directories and back, as a program of its own: what it loads and uses goes when it ends.

``archive.py unpack ARCHIVE DIRECTORY`` · ``archive.py pack ROOT ARCHIVE FILTER…`` · Refuses what would read or write
outside its directory. It imports nothing of the agent, so that it starts in milliseconds (see archives.py).
"""

import os
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path


def unpack(archive: Path, into: Path) -> None:
    """The directory appears whole or not at all. Raises TarError, EOFError or OSError for an archive that is bad."""
    part = into.with_name(into.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    part.chmod(0o755)
    with tarfile.open(archive, "r:*") as tar:
        tar.extraction_filter = _as_it_is  # each member is filtered here: some Pythons have no filters of their own
        for member in tar:
            tar.extract(FILTER(member, str(part)), part)
    shutil.rmtree(into, ignore_errors=True)
    part.rename(into)


def _as_it_is(member: tarfile.TarInfo, _into: str) -> tarfile.TarInfo:
    return member


def library_filter(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo:
    """Packages link to programs of the VM and to each other by absolute paths, which harms nobody: what would be
    written through such a link is still refused, because the filter resolves every name first.
    """
    try:
        return tarfile.data_filter(member, into)
    except tarfile.AbsoluteLinkError:
        if not member.issym():
            raise
        return _anonymous(member)


def own_filter(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo:
    """The same for a Python without filters (Debian 12 has one). Raises TarError."""
    root = os.path.realpath(into)
    member.name = member.name.lstrip("/")
    _stay_inside(root, member.name, member.name)
    if member.islnk():
        _stay_inside(root, member.linkname, member.name)
    elif member.issym() and not member.linkname.startswith("/"):
        _stay_inside(root, f"{os.path.dirname(member.name)}/{member.linkname}".lstrip("/"), member.name)  # noqa: PTH120 - a name in an archive
    elif not (member.isreg() or member.isdir() or member.issym()):
        raise tarfile.ExtractError(f"{member.name!r} is a special file")
    if member.isreg():
        member.mode = (member.mode & 0o755 if member.mode & 0o100 else member.mode & 0o644) | 0o600
    elif member.isdir():
        member.mode = 0o755
    return _anonymous(member)


def _stay_inside(root: str, path: str, name: str) -> None:
    if os.path.commonpath([os.path.realpath(f"{root}/{path}"), root]) != root or path.startswith("/"):
        raise tarfile.ExtractError(f"{name!r} would lie or point outside the destination")


FILTER = library_filter if hasattr(tarfile, "data_filter") else own_filter


def pack(root: Path, archive: Path, filters: Sequence[str]) -> None:
    """A gzipped tar, readable by its owner only: what the filters match below ``root``, everything without filters.

    Raises ValueError for a filter that would leave ``root``.
    """
    paths = _tree(root) if not filters else _matches(root, filters)
    fd = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
        for path in sorted(paths):
            tar.add(path, arcname=f"./{path.relative_to(root)}", recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _tree(root: Path) -> set[Path]:
    """Every path below ``root``, links not followed."""
    return {
        Path(directory, name)
        for directory, subdirectories, files in os.walk(root)
        for name in (*subdirectories, *files)
    }


def _matches(root: Path, filters: Sequence[str]) -> set[Path]:
    """Regular files only."""
    found: set[Path] = set()
    for pattern in filters:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ValueError(f'the filter "{pattern}" would leave {root}')
        found.update(path for path in root.glob(pattern) if path.is_file() and not path.is_symlink())
    return found


def main(arguments: Sequence[str]) -> int:
    """0, or 1 with why on stderr."""
    try:
        match arguments:
            case ["unpack", archive, into]:
                unpack(Path(archive), Path(into))
            case ["pack", root, archive, *filters]:
                pack(Path(root), Path(archive), filters)
            case _:
                sys.stderr.write("usage: archive.py unpack ARCHIVE DIRECTORY | pack ROOT ARCHIVE FILTER…\n")
                return 1
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
