"""Versions of jobs and packages side by side, the enabled one behind a link (1.11).

``data/<kind>/<name>/<version>`` are bundles, complete once they are there; ``<kind>/<name>`` is the link.
"""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from agent.failure import Failed
from agent.layout import Layout, link_atomically

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


def bundle(layout: Layout, kind: str, name: str, version: str) -> Path:
    """Where that version is or will be. Raises Failed for a name that is no plain file name."""
    if not _NAME.fullmatch(name):
        raise Failed(f'"{name}" is not a name of {kind}')
    directory = re.sub(r"[^A-Za-z0-9_.+-]", "-", version).lstrip(".-")[-128:]
    if not directory:
        raise Failed(f'"{name}" of {kind} has no version')
    return layout.data / kind / name / directory


def enable(layout: Layout, kind: str, name: str, version: str) -> None:
    link_atomically(layout.base / kind / name, bundle(layout, kind, name, version))


def disable(layout: Layout, kind: str, name: str) -> None:
    (layout.base / kind / name).unlink(missing_ok=True)


def keep_only(layout: Layout, kind: str, versions: Collection[tuple[str, str]]) -> None:
    """Removes links and bundles of everything but these (name, version)."""
    names = {name for name, _ in versions}
    for link in sorted((layout.base / kind).iterdir()):
        if link.is_symlink() and link.name not in names:
            link.unlink()
    kept = {bundle(layout, kind, name, version) for name, version in versions}
    for directory in sorted((layout.data / kind).iterdir()):
        for found in sorted(directory.iterdir()):
            if found not in kept:
                shutil.rmtree(found)
        if directory.name not in names:
            shutil.rmtree(directory)
