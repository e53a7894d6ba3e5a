"""Jobs of a spec: their rendered files installed as bundles, with the modes and directories of 1.6 and 1.11."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from agent import bundles, owner
from agent.failure import Failed
from agent.layout import Layout, make_directory
from agent.wire import agent_pb2 as wire

KIND = "jobs"


def install(jobs: Iterable[wire.Job], layout: Layout) -> None:
    """Writes the bundles that are not there yet, each whole or not at all."""
    for job in jobs:
        place = bundles.bundle(layout, KIND, job.name, version(job))
        if not place.exists():
            _write(job, place)


def version(job: wire.Job) -> str:
    """The job's digest; of its content when the director gives none."""
    if job.digest:
        return job.digest
    return hashlib.sha256(job.SerializeToString(deterministic=True)).hexdigest()


def _write(job: wire.Job, place: Path) -> None:
    part = place.with_name(place.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    make_directory(part, 0o750)
    for file in job.files:
        _write_file(job.name, file, part)
    (part / "monit").write_text(job.monit, "utf-8")
    (part / "monit").chmod(0o640)
    _give_to_vcap(part)
    part.rename(place)


def _write_file(job: str, file: wire.File, root: Path) -> None:
    name = PurePosixPath(file.path)
    if name.is_absolute() or ".." in name.parts or not name.parts:
        raise Failed(f'job "{job}": its file "{file.path}" would lie outside the job')
    path = root
    for part in name.parts[:-1]:
        path = path / part
        make_directory(path, 0o750)
    path = path / name.parts[-1]
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as opened:
        opened.write(file.content)
        os.fchmod(fd, _mode(name, file.mode))


def _mode(name: PurePosixPath, wanted: int) -> int:
    """Everything in bin is executable; nothing rendered is for others, it may hold secrets."""
    if name.parts[0] == "bin":
        return 0o750
    return (wanted or 0o640) & 0o770


def _give_to_vcap(root: Path) -> None:
    ids = owner.root_and_vcap_group()
    if ids is None:
        return
    os.chown(root, *ids)
    for directory, subdirectories, files in os.walk(root):
        for name in (*subdirectories, *files):
            os.chown(Path(directory, name), *ids)


def make_directories(jobs: Iterable[wire.Job], layout: Layout) -> None:
    """What each job may write to, for root and vcap alone."""
    for job in jobs:
        for path in (layout.log(job.name), layout.run(job.name), layout.data / job.name):
            make_directory(path, 0o770, owner.root_and_vcap_group())


def enable(jobs: Iterable[wire.Job], layout: Layout) -> None:
    for job in jobs:
        bundles.enable(layout, KIND, job.name, version(job))


def keep_only(jobs: Iterable[wire.Job], layout: Layout) -> None:
    bundles.keep_only(layout, KIND, {(job.name, version(job)) for job in jobs})
