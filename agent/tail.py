"""The ends of files: what an operator is shown of a log."""

import os
from pathlib import Path
from typing import IO


def last_lines(path: Path, count: int, size_max: int = 10 * 1024) -> tuple[str, ...]:
    """The last ``count`` lines within the last ``size_max`` bytes; empty when there is no such file."""
    try:
        with path.open("rb") as file:
            text = last_bytes(file, size_max).decode("utf-8", "replace")
    except FileNotFoundError:
        return ()
    return tuple(text.splitlines()[-count:])


def last_bytes(file: IO[bytes], size_max: int) -> bytes:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - size_max))
    return file.read(size_max)
