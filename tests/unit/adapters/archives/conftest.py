"""Archives made by hand, good ones and hostile ones, and a blob store in a directory."""

import gzip
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from director.adapters.archives import ArchiveReader
from director.adapters.archives.stream import Limits
from director.model.problem import Refused
from director.ports.blobs import Blob


class Blobs:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def put_file(self, path: Path) -> Blob:
        blob = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, self.directory / blob)
        return Blob(id=blob, digest=f"sha256:{blob}", size=path.stat().st_size)

    @property
    def count(self) -> int:
        return len(list(self.directory.iterdir()))


def tgz(files: dict[str, str | bytes | tarfile.TarInfo], prefix: str = "./") -> bytes:
    """A gzipped tar; a TarInfo as value is put in as it is, without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                data = content if isinstance(content, bytes) else content.encode()
                member = tarfile.TarInfo(prefix + name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


JOB = {
    "name": "app",
    "templates": {"run.erb": "bin/run"},
    "packages": ["lib"],
    "properties": {"a.b": {"default": 1, "description": "d"}, "c": {}},
    "provides": [{"name": "app", "type": "http", "properties": ["a.b"]}],
    "consumes": [{"name": "db", "type": "sql", "optional": True}],
}


class Bench:
    """Builds a small release, changes parts of it, reads it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "blobs").mkdir()
        self.blobs = Blobs(directory / "blobs")
        self.limits = Limits()
        self.spec: dict = dict(JOB)
        self.job_files: dict = {"monit": "", "templates/run.erb": "x"}
        self.parts: dict[str, bytes] = {}
        self.packages = {"lib": [], "base": []}
        self.kind = "packages"
        self.manifest: dict = {"name": "rel", "version": "1.2", "commit_hash": "abc", "uncommitted_changes": True}
        self.extra: dict = {}
        self.digests: dict[str, str] = {}
        self.left_out: set[str] = set()

    def archive(self) -> bytes:
        spec = {"job.MF": yaml.safe_dump(self.spec)} if self.spec else {}
        parts = {"jobs/app.tgz": tgz(spec | self.job_files)}
        parts |= {f"{self.kind}/{name}.tgz": tgz({"packaging": name}) for name in self.packages}
        parts |= self.parts
        jobs = [self.listed("jobs/app.tgz", parts) | {"packages": ["lib"]}]
        packages = [
            self.listed(f"{self.kind}/{name}.tgz", parts) | {"dependencies": needs}
            for name, needs in self.packages.items()
        ]
        if self.kind == "compiled_packages":
            packages = [package | {"stemcell": "ubuntu-jammy/1.5"} for package in packages]
        manifest = {"jobs": jobs, self.kind: packages, **self.manifest}
        kept = {name: data for name, data in parts.items() if name not in self.left_out}
        return tgz({"release.MF": yaml.safe_dump(manifest)} | kept | self.extra)

    def listed(self, member: str, parts: dict[str, bytes]) -> dict:
        name = member.split("/")[1].removesuffix(".tgz")
        digest = self.digests.get(member) or hashlib.sha1(parts[member]).hexdigest()
        return {"name": name, "version": f"fp-{name}", "fingerprint": f"fp-{name}", "sha1": digest}

    async def read(self, data: bytes | None = None, **known):
        path = self.directory / "release.tgz"
        path.write_bytes(self.archive() if data is None else data)
        reader = ArchiveReader(self.blobs, self.directory / "scratch", limits=self.limits)
        try:
            return await reader.read_release(path, **known)
        finally:
            assert list((self.directory / "scratch").iterdir()) == [], "nothing stays in the scratch directory"

    async def refused(self, data: bytes | None = None, **known) -> list[tuple[int, str]]:
        with pytest.raises(Refused) as refused:
            await self.read(data, **known)
        assert self.blobs.count == 0, "a refused archive leaves no blob"
        return [(problem.number, problem.detail) for problem in refused.value.problems]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def make():
    """``tgz``, ``member`` and a plain gzip, for tests that build their own."""

    class Make:
        tgz = staticmethod(tgz)
        member = staticmethod(member)
        gzip = staticmethod(gzip.compress)

    return Make
