"""Builds the agent bundle: a tar.gz with the agent, its libraries as wheels, and what installs them on a guest.

The same agent and the same libraries give the same bytes, so a bundle is known by its digest. Blocks on files.
"""

import gzip
import hashlib
import importlib.util
import io
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from director.adapters.bundles import wheels

_HERE: Final = Path(__file__).parent
_ON_GUEST: Final = ("install.sh", "unpack.py")


def build(directory: Path, *, is_online: bool = True, pythons: Sequence[str] = wheels.PYTHONS) -> Path:
    """The bundle's file in ``directory``, made when it is not there for this agent and these libraries.

    With ``is_online`` it holds wheels for every Python a guest may have (``pythons``), if they can be downloaded; else
    for this director's own Python only, and the next build tries again.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _digest_of(_own_files() | {"pins": " ".join((*wheels.pins(), *pythons)).encode()})[:16]
    whole, narrow = directory / f"agent-{key}.tar.gz", directory / f"agent-{key}-own-python.tar.gz"
    if whole.exists():
        return whole
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        place = Path(scratch)
        is_whole = is_online and wheels.download(place, pythons)
        if not is_whole:
            wheels.pack_installed(place)
        files = {f"wheels/{file.name}": file.read_bytes() for file in place.iterdir()}
    target = whole if is_whole else narrow
    _write(target, _own_files() | files)
    for older in set(directory.glob("agent-*.tar.gz")) - {target}:
        older.unlink()
    return target


def _own_files() -> dict[str, bytes]:
    spec = importlib.util.find_spec("agent")
    assert spec is not None, "the agent is part of this distribution"
    agent = Path(next(iter(spec.submodule_search_locations or ())))
    files = {f"agent/{path.relative_to(agent)}": path.read_bytes() for path in agent.rglob("*.py")}
    return files | {name: (_HERE / name).read_bytes() for name in _ON_GUEST}


def _digest_of(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    """Whole or not at all; nothing in it tells when or by whom it was made."""
    named = {**files, "digest": _digest_of(files)[:16].encode()}
    fresh = path.with_name(f".{path.name}.new")
    with (
        fresh.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(named.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(entry, io.BytesIO(content))
    fresh.replace(path)
