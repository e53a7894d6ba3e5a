"""The Blobs port's promises, held by every adapter. Another one joins by another entry in ``BLOBS``."""

import asyncio
import hashlib
import resource
import stat

import pytest

from director.adapters.blobs import DirectoryBlobs
from director.ports.failure import BlobMissing, Failure

BLOBS = {"directory": DirectoryBlobs}


@pytest.fixture(params=sorted(BLOBS))
def blobs(request, tmp_path):
    return BLOBS[request.param](tmp_path / "blobs")


async def _chunks(*chunks):
    for chunk in chunks:
        yield chunk


async def _bytes(blobs, blob, **how):
    return b"".join([chunk async for chunk in await blobs.read(blob, **how)])


def _files(tmp_path):
    return [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


async def test_a_file_is_read_back_under_the_hash_of_its_bytes(blobs, tmp_path):
    content = bytes(range(256)) * 9000
    (tmp_path / "file").write_bytes(content)
    blob = await blobs.put_file(tmp_path / "file")
    assert blob.id == hashlib.sha256(content).hexdigest()
    assert blob.digest == f"sha256:{blob.id}"
    assert blob.size == len(content)
    assert await _bytes(blobs, blob.id) == content
    assert (await blobs.path_of(blob.id)).read_bytes() == content
    assert await blobs.has(blob.id)


@pytest.mark.parametrize("content", [b"", b"x", b"0123456789"])
async def test_chunks_are_no_longer_than_asked_for(blobs, content):
    blob = await blobs.put_stream(_chunks(content), size_max=10)
    chunks = [chunk async for chunk in await blobs.read(blob.id, chunk=3)]
    assert b"".join(chunks) == content
    assert all(0 < len(chunk) <= 3 for chunk in chunks)


async def test_the_same_content_is_one_blob(blobs, tmp_path):
    (tmp_path / "file").write_bytes(b"again")
    first = await blobs.put_stream(_chunks(b"ag", b"", b"ain"), size_max=5)
    assert await blobs.put_file(tmp_path / "file") == first
    assert len(_files(tmp_path)) == 1


async def test_many_may_put_the_same_content_at_once(blobs, tmp_path):
    put = await asyncio.gather(*(blobs.put_stream(_chunks(b"x" * 3_000_000), size_max=3_000_000) for _ in range(8)))
    assert len(set(put)) == 1
    assert len(_files(tmp_path)) == 1


async def test_a_stream_that_is_too_long_is_refused_and_nothing_kept(blobs, tmp_path):
    with pytest.raises(Failure, match="larger than the 4 bytes"):
        await blobs.put_stream(_chunks(b"123", b"45"), size_max=4)
    assert _files(tmp_path) == []


async def test_a_stream_that_breaks_off_leaves_nothing(blobs, tmp_path):
    async def broken():
        yield b"x" * 2_000_000
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await blobs.put_stream(broken(), size_max=10_000_000)
    assert _files(tmp_path) == []


async def test_a_cancelled_stream_leaves_nothing(blobs, tmp_path):
    begun = asyncio.Event()

    async def endless():
        while True:
            begun.set()
            yield b"x" * 1_100_000

    putting = asyncio.ensure_future(blobs.put_stream(endless(), size_max=1 << 40))
    await begun.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert _files(tmp_path) == []


async def test_a_blob_that_is_not_there_is_missing_before_the_first_chunk(blobs):
    missing = "0" * 64
    for ask in (blobs.read, blobs.path_of):
        with pytest.raises(BlobMissing, match=missing):
            await ask(missing)
    assert not await blobs.has(missing)
    await blobs.delete(missing)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "incoming"])
async def test_what_is_no_blob_id_reaches_no_file(blobs, name):
    with pytest.raises(BlobMissing):
        await blobs.read(name)
    with pytest.raises(BlobMissing):
        await blobs.delete(name)
    assert not await blobs.has(name)


async def test_a_deleted_blob_is_gone(blobs):
    blob = await blobs.put_stream(_chunks(b"x"), size_max=1)
    await blobs.delete(blob.id)
    assert not await blobs.has(blob.id)


async def test_damaged_bytes_are_never_handed_out_whole(blobs):
    blob = await blobs.put_stream(_chunks(b"right"), size_max=5)
    (await blobs.path_of(blob.id)).write_bytes(b"wrong")
    with pytest.raises(BlobMissing, match="damaged"):
        await _bytes(blobs, blob.id)


async def test_nobody_else_may_read_a_blob(blobs, tmp_path):
    blob = await blobs.put_stream(_chunks(b"x"), size_max=1)
    assert stat.S_IMODE((await blobs.path_of(blob.id)).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700


async def test_a_disk_that_takes_no_more_fails_in_words_and_leaves_nothing(blobs, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(Failure, match=r"cannot be kept in .*blobs: File too large"):
            await blobs.put_stream(_chunks(b"x" * 2_000_000), size_max=3_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert _files(tmp_path) == []
    assert (await blobs.put_stream(_chunks(b"x" * 2_000_000), size_max=3_000_000)).size == 2_000_000


async def test_what_a_killed_director_left_half_is_swept_at_open(tmp_path):
    first = DirectoryBlobs(tmp_path / "blobs")
    blob = await first.put_stream(_chunks(b"x"), size_max=1)
    (tmp_path / "blobs" / "incoming" / "half").write_bytes(b"half")
    again = DirectoryBlobs(tmp_path / "blobs")
    assert await _bytes(again, blob.id) == b"x"
    assert len(_files(tmp_path)) == 1


async def test_a_source_that_cannot_be_read_is_named(blobs, tmp_path):
    with pytest.raises(Failure, match=r"absent.*No such file"):
        await blobs.put_file(tmp_path / "absent")
    assert _files(tmp_path) == []
