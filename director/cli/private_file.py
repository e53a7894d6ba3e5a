"""Writes a file that only this user may read, whole or not at all."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
