"""Files without a name, for output that is read once."""

import itertools
import os
from typing import IO

from agent.layout import Layout

_numbers = itertools.count()


def scratch(layout: Layout) -> IO[bytes]:
    """Gone when it is closed, also when the agent is killed."""
    path = layout.tmp / f"scratch-{os.getpid()}-{next(_numbers)}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    path.unlink()
    return os.fdopen(fd, "w+b", buffering=0)
