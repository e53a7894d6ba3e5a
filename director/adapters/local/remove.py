"""Removes directory trees that jobs filled: whatever they made read-only, whoever it now belongs to."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from director.ports.failure import InfrastructureFailure, Retry

# A disk of many files on a slow machine; nothing but this removal waits for it.
_REMOVE_TIMEOUT_S: Final = 900.0


async def remove_tree(path: Path, *, last: str = "") -> None:
    """In a thread. A tree that is not there is well. The entry named ``last`` goes when all others have gone."""
    try:
        async with asyncio.timeout(_REMOVE_TIMEOUT_S):
            await asyncio.to_thread(_remove_all, path, last)
    except TimeoutError as error:
        raise InfrastructureFailure(f"{path} was not removed in time.", retry=Retry.SOON) from error
    except OSError as error:
        raise InfrastructureFailure(f"{path} cannot be removed: {error.strerror} ({error.filename}).") from error


def _remove_all(path: Path, last: str) -> None:
    if last and path.is_dir():
        for entry in path.iterdir():
            if entry.name != last:
                _remove(entry)
    _remove(path)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        try:
            shutil.rmtree(path)
        except PermissionError:
            _open_up(path)
            shutil.rmtree(path)


def _open_up(path: Path) -> None:
    """A directory without its permissions keeps its entries even from its own owner."""
    path.chmod(0o700)
    for above, names, _ in os.walk(path):
        for directory in (Path(above, name) for name in names):
            if not directory.is_symlink():
                directory.chmod(0o700)
