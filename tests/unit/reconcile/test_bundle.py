"""Several archives as one."""

import io
import tarfile

from director.adapters.blobs import DirectoryBlobs
from director.reconcile.bundle import bundle


async def _chunks(content):
    yield content


async def test_each_archive_is_whole_under_its_name_and_nothing_is_left_behind(tmp_path):
    blobs = DirectoryBlobs(tmp_path / "blobs")
    contents = {f"web.{n}.tgz": bytes([n]) * 1000 for n in range(3)}
    put = {name: (await blobs.put_stream(_chunks(c), size_max=10_000)).id for name, c in contents.items()}
    scratch = tmp_path / "bundle.tgz"
    made = b"".join([chunk async for chunk in await blobs.read(await bundle(put, blobs, scratch))])
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        assert {name: archive.extractfile(name).read() for name in archive.getnames()} == contents
    assert not scratch.exists()
