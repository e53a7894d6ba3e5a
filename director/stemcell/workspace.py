"""A directory to build in that is gone afterwards, whatever happened."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from director.stemcell.failure import Impossible


@contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """Removed with all in it. Raises Impossible, and removes nothing, when something stays mounted below it."""
    parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="build-stemcell-", dir=parent)).resolve()
    try:
        yield place
    finally:
        _unmount(place)
        shutil.rmtree(place)


def _unmount(place: Path) -> None:
    """What a killed debootstrap leaves mounted (proc and sys) must not be removed with the rest."""
    for mount in reversed(_mounts_below(place)):
        subprocess.run(("umount", "--lazy", mount), check=False, capture_output=True, timeout=60)
    left = _mounts_below(place)
    if left:
        raise Impossible(f"{', '.join(left)} could not be unmounted: do that, and then remove {place}.")


def _mounts_below(place: Path) -> list[str]:
    """In the order they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    points = [line.split(" ")[4].encode("ascii", "surrogateescape").decode("unicode_escape") for line in lines]
    return [point for point in points if Path(point).is_relative_to(place)]
