"""The director's disk is full: a deploy ends in words, and goes on when there is space again."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.e2e.conftest import IS_ROOT, Director, cloud_config, leftovers

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.root,
    pytest.mark.timeout(200),
    pytest.mark.skipif(not IS_ROOT, reason="only root may mount a disk that is small enough to fill"),
]
SIZE_MIB = 24


@pytest.fixture
def director():
    """A started director whose state lies on a disk of its own."""
    with tempfile.TemporaryDirectory(prefix="director-e2e-") as name:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", name], check=True)
        try:
            yield from _started(Director(Path(name)))
        finally:
            subprocess.run(["umount", name], check=True)


def _started(director):
    director.env["DIRECTOR_AGENT_WAIT_S"] = "20"
    try:
        director.run("local", "start")
        director.run("-n", "update-cloud-config", *cloud_config(director.folder))
        yield director
    finally:
        (director.folder / "filling").unlink(missing_ok=True)
        director.run("-n", "local", "destroy")
    assert leftovers(director) == []


# Nothing is left: the release cannot be taken in. A little: the task cannot be recorded, or stops in the middle.
@pytest.mark.parametrize("left_kib", [0, 100, 400])
def test_a_deploy_on_a_full_disk_ends_in_words_and_is_repeated_when_there_is_space(director, left_kib):
    filling = _fill(director.folder, left_kib)
    with director.start_command("-n", "deploy", "manifests/guestbook.yml") as command:
        said = "".join(command.communicate(timeout=100))
    assert command.returncode in {1, 3}, said
    assert re.search(r"disk .*full|No space left", said)
    assert "Traceback" not in said
    filling.unlink()
    director.deploy()
    found = [row for row in director.instances().values() if row["vm_cid"]]
    assert len(found) == len(list((director.state / "vms").iterdir())) == 5
    assert {row["process_state"] for row in found} == {"running"}


def _fill(folder, left_kib):
    """A file that leaves so much free and no more."""
    path = folder / "filling"
    free = os.statvfs(folder)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left_kib * 1024)
    return path
