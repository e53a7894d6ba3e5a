"""Writes a compiled release as BOSH has it: release.MF, jobs, compiled packages (section 8.2). Nothing in the archive
depends on when, where or by whom it was made, so that one made again is the same blob.
"""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from director.adapters.archives.digest import digest_problem
from director.adapters.archives.release import COMPILED, MANIFEST
from director.model.names import BlobId, Digest
from director.model.release import CompiledPackage, CompiledRelease, Job, Package
from director.model.tree import Node, Tree
from director.ports.failure import Failure

_AS_IT_IS: Final = 0
"""What goes in is compressed already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One part of the archive: a blob under its name. ``digest`` is what the blob had when it was stored."""

    name: str
    blob: BlobId
    digest: Digest


def members_of(compiled: CompiledRelease) -> tuple[Member, ...]:
    """Jobs, then compiled packages, each by name."""
    return (*(_job_member(job) for job in compiled.release.jobs), *(_build_member(b) for _, b in compiled.builds))


def write_archive(compiled: CompiledRelease, paths: Mapping[BlobId, Path], target: Path, *, sha2: bool) -> None:
    """Writes ``target``. Blocks. Raises Failure for a part that is not what was stored."""
    manifest = yaml.safe_dump(_manifest(compiled, paths, sha2=sha2), sort_keys=False).encode()
    try:
        target.touch(mode=0o600)
        with (
            target.open("wb", buffering=0) as plain,  # a buffer would meet a full disk only as it is closed
            gzip.GzipFile(filename="", mode="wb", fileobj=plain, compresslevel=_AS_IT_IS, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            tar.addfile(_entry(MANIFEST, len(manifest)), io.BytesIO(manifest))
            for member in members_of(compiled):
                path = paths[member.blob]
                with path.open("rb") as content:
                    tar.addfile(_entry(member.name, path.stat().st_size), content)
    except OSError as error:
        raise Failure(f"The release cannot be written on the director: {error.strerror or error}.") from error


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = 0o644, size
    return entry


def _manifest(compiled: CompiledRelease, paths: Mapping[BlobId, Path], *, sha2: bool) -> Tree:
    """release.MF. Each build names the stemcell it was really made for: its key comes of that."""
    release = compiled.release
    digests = dict(_digests(compiled, paths, sha2=sha2))
    jobs: list[Node] = [
        _part(job, digests[_job_member(job).name]) | {"packages": [str(name) for name in job.packages]}
        for job in release.jobs
    ]
    builds: list[Node] = [
        _part(package, digests[_build_member(build).name])
        | {
            "stemcell": f"{build.stemcell_os}/{build.stemcell_version}",
            "dependencies": [str(name) for name in package.dependencies],
        }
        for package, build in compiled.builds
    ]
    about: Tree = {
        "name": str(release.name),
        "version": release.version,
        "commit_hash": release.commit_hash,
        "uncommitted_changes": release.uncommitted_changes,
    }
    return {**about, "jobs": jobs, COMPILED: builds}


def _part(part: Job | Package, digest: Digest) -> dict[str, Node]:
    entry = {"name": part.name, "version": part.fingerprint, "fingerprint": part.fingerprint, "sha1": digest}
    return {key: str(value) for key, value in entry.items()}


def _digests(compiled: CompiledRelease, paths: Mapping[BlobId, Path], *, sha2: bool) -> Iterator[tuple[str, Digest]]:
    """By member. Each part is looked at whole: what was damaged on the disk is not handed on."""
    for member in members_of(compiled):
        problem = digest_problem(paths[member.blob], member.digest)
        if problem:
            raise Failure(
                f"{member.name} of release {compiled.release.name}/{compiled.release.version} {problem}. "
                "Upload the release again with --fix."
            )
        # Stored blobs have sha256 digests; large ones are not read again.
        yield member.name, member.digest if sha2 else sha1_of(paths[member.blob])


def sha1_of(path: Path) -> Digest:
    """As BOSH writes it (section 8.5). Blocks."""
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest())


def _job_member(job: Job) -> Member:
    return Member(name=f"jobs/{job.name}.tgz", blob=job.blob, digest=job.digest)


def _build_member(build: CompiledPackage) -> Member:
    return Member(name=f"{COMPILED}/{build.name}.tgz", blob=build.blob, digest=build.digest)
