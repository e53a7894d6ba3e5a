"""The Archives port: opens, checks, and only then stores blobs. Blocking work runs in threads."""

import asyncio
import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from director.adapters.archives.release import COMPILED, Listed, OpenedRelease, open_release
from director.adapters.archives.stemcell import open_stemcell
from director.adapters.archives.stream import Limits
from director.adapters.archives.write import members_of, sha1_of, write_archive
from director.model.names import PackageName
from director.model.release import CompiledPackage, CompiledRelease, Release
from director.ports.archives import ReadRelease, ReadStemcell, WrittenRelease
from director.ports.blobs import Blob, Blobs


class ArchiveReader:
    """``scratch_dir`` needs room for the largest release; what is put there is gone when a call returns."""

    def __init__(self, blobs: Blobs, scratch_dir: Path, *, limits: Limits | None = None) -> None:
        self._blobs = blobs
        self._scratch_dir = scratch_dir
        self._limits = limits or Limits()

    async def read_release(
        self, path: Path, *, known: Release | None = None, built: Collection[str] = ()
    ) -> ReadRelease:
        """As the port says. Parts left out of the archive are found in ``known`` by name and fingerprint.

        ``known`` need not be one real release: its jobs and packages may be those of every stored release together.
        """
        self._scratch_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="release-", dir=self._scratch_dir) as scratch:
            opened = await asyncio.to_thread(open_release, path, Path(scratch), self._limits, known, built)
            return await self._store(opened)

    async def read_stemcell(self, path: Path, unpack_to: Path) -> ReadStemcell:
        """``unpack_to`` is an existing directory of the caller's; the image stays there."""
        return await asyncio.to_thread(open_stemcell, path, unpack_to, self._limits)

    async def write_release(self, compiled: CompiledRelease, *, sha2: bool) -> WrittenRelease:
        """As the port says."""
        paths = {member.blob: await self._blobs.path_of(member.blob) for member in members_of(compiled)}
        self._scratch_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="export-", dir=self._scratch_dir) as scratch:
            target = Path(scratch) / "release.tgz"
            await asyncio.to_thread(write_archive, compiled, paths, target, sha2=sha2)
            blob = await self._blobs.put_file(target)
            digest = blob.digest if sha2 else await asyncio.to_thread(sha1_of, target)
        return WrittenRelease(blob=blob.id, digest=digest)

    async def _store(self, opened: OpenedRelease) -> ReadRelease:
        blobs = {one.member: await self._put(opened, one) for one in opened.listed if one.member in opened.files}
        jobs = tuple(
            replace(job, blob=blob.id, digest=blob.digest) if (blob := blobs.get(f"jobs/{job.name}.tgz")) else job
            for job in opened.release.jobs
        )
        packages = tuple(
            replace(package, blob=blob.id, digest=blob.digest)
            if (blob := blobs.get(f"packages/{package.name}.tgz"))
            else package
            for package in opened.release.packages
        )
        release = replace(opened.release, jobs=jobs, packages=packages)
        return ReadRelease(release=release, compiled=_compiled(opened, blobs), is_compiled=opened.is_compiled)

    async def _put(self, opened: OpenedRelease, one: Listed) -> Blob:
        return await self._blobs.put_file(opened.files[one.member])


def _compiled(opened: OpenedRelease, blobs: dict[str, Blob]) -> tuple[CompiledPackage, ...]:
    return tuple(
        CompiledPackage(
            key=opened.keys[one.name],
            name=PackageName(one.name),
            fingerprint=one.fingerprint,
            stemcell_os=one.stemcell[0],
            stemcell_version=one.stemcell[1],
            blob=blobs[one.member].id,
            digest=blobs[one.member].digest,
        )
        for one in opened.listed
        if one.kind == COMPILED and one.member in blobs
    )
