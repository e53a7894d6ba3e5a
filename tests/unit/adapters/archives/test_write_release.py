"""Compiled releases as they are written: read again by our own reader, and of the same bytes when made again."""

import hashlib
import tarfile
from dataclasses import replace

import pytest
import yaml

from director.adapters.archives import ArchiveReader
from director.adapters.blobs import DirectoryBlobs
from director.model.release import CompiledRelease
from director.ports.failure import BlobMissing, Failure


@pytest.fixture
async def store(bench):
    """A reader over a real blob store, and a compiled release in it, of another director's making."""
    bench.kind = "compiled_packages"
    bench.packages = {"lib": ["base"], "base": []}
    path = bench.directory / "theirs.tgz"
    path.write_bytes(bench.archive())
    blobs = DirectoryBlobs(bench.directory / "real")
    reader = ArchiveReader(blobs, bench.directory / "scratch")
    read = await reader.read_release(path)
    builds = {build.name: build for build in read.compiled}
    compiled = CompiledRelease(
        release=read.release, builds=tuple((package, builds[package.name]) for package in read.release.packages)
    )
    return blobs, reader, read, compiled


async def test_what_is_written_is_read_as_the_same_release(store, bench):
    blobs, reader, read, compiled = store
    written = await reader.write_release(compiled, sha2=True)
    assert list((bench.directory / "scratch").iterdir()) == []
    assert await reader.read_release(await blobs.path_of(written.blob)) == read
    assert read.is_compiled


@pytest.mark.parametrize(("sha2", "algorithm", "prefix"), [(True, "sha256", "sha256:"), (False, "sha1", "")])
async def test_the_manifest_is_boshs_with_digests_in_the_form_asked_for(store, sha2, algorithm, prefix):
    blobs, reader, _, compiled = store
    written = await reader.write_release(compiled, sha2=sha2)
    path = await blobs.path_of(written.blob)
    assert written.digest == prefix + hashlib.new(algorithm, path.read_bytes()).hexdigest()
    with tarfile.open(path) as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}
    assert list(content) == [
        "release.MF",
        "jobs/app.tgz",
        "compiled_packages/base.tgz",
        "compiled_packages/lib.tgz",
    ]
    digests = {name: prefix + hashlib.new(algorithm, data).hexdigest() for name, data in content.items()}
    assert yaml.safe_load(content["release.MF"]) == {
        "name": "rel",
        "version": "1.2",
        "commit_hash": "abc",
        "uncommitted_changes": True,
        "jobs": [
            {
                "name": "app",
                "version": "fp-app",
                "fingerprint": "fp-app",
                "sha1": digests["jobs/app.tgz"],
                "packages": ["lib"],
            }
        ],
        "compiled_packages": [
            {
                "name": name,
                "version": f"fp-{name}",
                "fingerprint": f"fp-{name}",
                "sha1": digests[f"compiled_packages/{name}.tgz"],
                "stemcell": "ubuntu-jammy/1.5",
                "dependencies": needs,
            }
            for name, needs in (("base", []), ("lib", ["base"]))
        ],
    }


async def test_made_again_it_is_the_same_blob(store):
    _, reader, _, compiled = store
    assert await reader.write_release(compiled, sha2=True) == await reader.write_release(compiled, sha2=True)


async def test_a_part_that_is_gone_or_damaged_is_told_and_nothing_is_written(store, bench):
    blobs, reader, _, compiled = store
    (_, build), *_ = compiled.builds
    path = await blobs.path_of(build.blob)
    path.write_bytes(b"rot")
    with pytest.raises(Failure, match=r"compiled_packages/base.tgz of release rel/1.2 has the sha256"):
        await reader.write_release(compiled, sha2=True)
    path.unlink()
    with pytest.raises(BlobMissing):
        await reader.write_release(compiled, sha2=True)
    assert list((bench.directory / "scratch").iterdir()) == []


async def test_a_part_of_a_release_may_be_written(store):
    _, reader, _, compiled = store
    part = replace(compiled, release=replace(compiled.release, jobs=()), builds=compiled.builds[:1])
    assert await reader.write_release(part, sha2=True) != await reader.write_release(compiled, sha2=True)


async def test_compiled_packages_left_out_must_be_known_by_their_key(bench):
    bench.kind, bench.packages = "compiled_packages", {"lib": ["base"], "base": []}
    keys = {build.name: build.key for build in (await bench.read()).compiled}
    bench.left_out = {"compiled_packages/base.tgz"}
    read = await bench.read(built={keys["base"]})
    assert [build.name for build in read.compiled] == ["lib"]
    assert [package.name for package in read.release.packages] == ["base", "lib"]
    assert read.is_compiled
    for blob in (bench.directory / "blobs").iterdir():
        blob.unlink()
    assert [number for number, _ in await bench.refused(built={keys["lib"]})] == [60001]
