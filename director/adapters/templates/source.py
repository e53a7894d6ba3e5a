"""A job's templates as they stand in its archive, and which engine fills each. Renders nothing.

Job archives were checked when they were uploaded (``adapters/archives``); the sizes are bounded again here
because they are kept in memory.
"""

import hashlib
import tarfile
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from director.model.release import Job
from director.ports.failure import Failure

FILE_MAX = 16 * 1024 * 1024
JOB_MAX = 64 * 1024 * 1024


class Engine(Enum):
    ERB = "erb"
    JINJA = "jinja"
    LITERAL = "literal"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFile:
    """``name`` is what an operator calls it, ``path`` where it goes below the job's directory."""

    name: str
    path: str
    mode: int
    engine: Engine
    content: bytes = field(repr=False)
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSource:
    """``size`` in bytes, for the bounds of whoever keeps it."""

    monit: TemplateFile
    files: tuple[TemplateFile, ...]
    size: int

    @property
    def all_files(self) -> tuple[TemplateFile, ...]:
        return (self.monit, *self.files)


def read_source(archive: Path, job: Job) -> JobSource:
    """The templates of ``job``. Blocks. Raises Failure when the archive is not what was uploaded."""
    contents = _unpack(archive, job)
    try:
        files = tuple(
            _template(job, source, target, contents[f"templates/{source}"])
            for source, target in sorted(job.templates.items())
        )
    except KeyError as error:
        raise Failure(f"The archive of job {job.name!r} lacks {error.args[0]}; upload its release again.") from error
    monit = _monit(job, contents)
    return JobSource(monit=monit, files=files, size=sum(len(f.content) for f in (monit, *files)))


def _unpack(archive: Path, job: Job) -> dict[str, bytes]:
    try:
        with tarfile.open(archive, mode="r:*") as tar:
            return _contents(tar, job)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Failure(f"The archive of job {job.name!r} cannot be read: {error}. Upload its release again.") from error


def _contents(tar: tarfile.TarFile, job: Job) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    left = JOB_MAX
    for member in tar:
        if not member.isreg():
            continue
        left -= member.size
        if member.size > FILE_MAX or left < 0:
            raise Failure(f"Job {job.name!r} is too large to render: {member.name} passes {FILE_MAX} or all {JOB_MAX}.")
        stream = tar.extractfile(member)
        assert stream is not None, "a regular member has content"
        contents[member.name.removeprefix("./")] = stream.read()
    return contents


def _monit(job: Job, contents: dict[str, bytes]) -> TemplateFile:
    if "monit.j2" in contents:
        return _template(job, "monit.j2", "monit", contents["monit.j2"])
    return _template(job, "monit", "monit", contents.get("monit", b""))


def _template(job: Job, name: str, path: str, content: bytes) -> TemplateFile:
    mode = 0o750 if path.startswith("bin/") else 0o640
    label = f"{job.name}/{name}"
    key = hashlib.sha256(label.encode() + b"\0" + content).hexdigest()
    return TemplateFile(name=name, path=path, mode=mode, engine=engine_of(name, content), content=content, key=key)


def engine_of(name: str, content: bytes) -> Engine:
    """By suffix; without one, BOSH fills every file as ERB, which changes only those that have a tag."""
    if name.endswith(".j2"):
        return Engine.JINJA
    if name.endswith(".erb"):
        return Engine.ERB if b"<%" in content else Engine.LITERAL
    return Engine.ERB if b"<%" in content else Engine.LITERAL
