"""Reads a directory of this machine. Every file must lie in it, symbolic links resolved, and be a regular one."""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from director.adapters.sources.files import (
    CONFIGS,
    FILE_MAX,
    check_size,
    config_of,
    manifest_of,
    no_manifest,
    ops_among,
    ops_of,
    text_in,
)
from director.ports.sources import SourceFailure, Texts


def read_directory(root: Path, deployment: str) -> Texts:
    """As the port has it. Blocks."""
    try:
        home = root.resolve(strict=True)
        manifest = _text(home, manifest_of(deployment))
        if manifest is None:
            no_manifest(str(root), deployment)
        ops = [(name, _text(home, name)) for name in ops_among(_names(home, ops_of(deployment)), deployment)]
        configs = {kind: _text(home, config_of(kind)) for kind in CONFIGS}
    except OSError as error:
        raise SourceFailure(f"{error.filename or root} cannot be read: {error.strerror}.") from error
    kept_ops = tuple((name, text) for name, text in ops if text is not None)
    kept = {kind: text for kind, text in configs.items() if text is not None}
    parts = [manifest, *(text for _, text in kept_ops), *kept.values()]
    return Texts(
        revision=_digest(parts),
        file=str(root / manifest_of(deployment)),
        manifest=manifest,
        ops=kept_ops,
        configs=kept,
    )


def _digest(parts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(hashlib.sha256(part.encode()).digest())
    return found.hexdigest()[:12]


def _names(home: Path, folder: str) -> list[str]:
    path = home / folder
    return [f"{folder}/{name}" for name in os.listdir(path)] if path.is_dir() else []  # noqa: PTH208  (names only)


def _text(home: Path, name: str) -> str | None:
    """None when there is no such file."""
    try:
        path = (home / name).resolve(strict=True)
    except FileNotFoundError:
        return None
    except RuntimeError as error:  # Python 3.11 and 3.12 tell a loop of links so
        raise SourceFailure(f"{name} is a symbolic link that leads to itself.") from error
    if not path.is_relative_to(home):
        raise SourceFailure(f"{name} leads out of {home}, which is refused. Put the file itself there.")
    # Not to be followed once more: between resolving and opening somebody may have put a link there.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        known = os.fstat(stream.fileno())
        if not stat.S_ISREG(known.st_mode):
            raise SourceFailure(f"{name} is no regular file.")
        check_size(name, known.st_size)
        return text_in(name, stream.read(FILE_MAX + 1))
