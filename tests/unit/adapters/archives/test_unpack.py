"""What goes wrong on our side of an archive is not blamed on it."""

import io
from pathlib import Path

import pytest

from director.adapters.archives.unpack import Entry
from director.ports.failure import Failure


def test_a_full_disk_is_not_the_archives_fault():
    entry = Entry(name="a", size=3, mode=0o644, content=io.BytesIO(b"abc"))
    with pytest.raises(Failure, match="cannot be unpacked on the director: No space left on device"):
        entry.copy_to(Path("/dev/full"))
