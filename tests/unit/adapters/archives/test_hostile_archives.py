"""Archives made to harm (performance-reliability.md 5.3, fault 22): refused, and nothing written anywhere else."""

import gzip
import hashlib
import io
import os
import struct
import tarfile
import tracemalloc

import pytest
import yaml

from director.adapters.archives import ArchiveReader
from director.adapters.archives.stream import Limits
from director.model.problem import Refused

ESCAPES = [
    ("../outside", tarfile.REGTYPE, ""),
    ("/tmp/outside-of-the-archive", tarfile.REGTYPE, ""),
    ("a/../../outside", tarfile.REGTYPE, ""),
    ("link", tarfile.SYMTYPE, "/etc/passwd"),
    ("link", tarfile.SYMTYPE, "../../outside"),
    ("link", tarfile.LNKTYPE, "/etc/passwd"),
    ("link", tarfile.LNKTYPE, "../outside"),
    ("device", tarfile.CHRTYPE, ""),
    ("device", tarfile.BLKTYPE, ""),
    ("pipe", tarfile.FIFOTYPE, ""),
]


@pytest.mark.parametrize(("name", "kind", "target"), ESCAPES)
@pytest.mark.parametrize("where", ["release", "job", "package"])
async def test_an_entry_that_leads_out_is_refused_wherever_it_stands(bench, make, where, name, kind, target):
    entry = make.member(name, kind, target)
    match where:
        case "release":
            bench.extra = {"x": entry}
        case "job":
            bench.job_files["x"] = entry
        case "package":
            bench.parts["packages/lib.tgz"] = make.tgz({"packaging": "", "x": entry})
    before = sorted(bench.directory.parent.rglob("outside*"))
    problems = await bench.refused()
    assert any(number in (30002, 60000, 80000) for number, _ in problems)
    assert any(repr(name) in detail for _, detail in problems)
    assert sorted(bench.directory.parent.rglob("outside*")) == before
    assert not os.path.lexists("/tmp/outside-of-the-archive")


async def test_a_file_behind_a_link_is_refused_in_compiled_packages_too(bench, make):
    bench.kind = "compiled_packages"
    link = make.member("lib", tarfile.SYMTYPE, "/etc")
    bench.parts["compiled_packages/lib.tgz"] = make.tgz({"l": link, "lib/passwd": "root"}, prefix="")
    ((number, detail),) = await bench.refused()
    assert number == 60000
    assert "behind a link" in detail


async def test_a_hard_link_through_a_link_is_refused(bench, make):
    files = {"l": make.member("d", tarfile.SYMTYPE, "/etc"), "h": make.member("h", tarfile.LNKTYPE, "d/passwd")}
    bench.kind = "compiled_packages"
    bench.parts["compiled_packages/lib.tgz"] = make.tgz(files)
    assert [number for number, _ in await bench.refused()] == [60000]


async def test_compiled_packages_may_point_at_the_system(bench, make):
    bench.kind = "compiled_packages"
    link = make.member("bin/python3", tarfile.SYMTYPE, "/usr/bin/python3")
    bench.parts["compiled_packages/lib.tgz"] = make.tgz({"l": link})
    assert await bench.read()


async def test_links_that_stay_inside_a_package_are_fine(bench, make):
    files = {"packaging": "", "a/b": "x", "l": make.member("a/c", tarfile.SYMTYPE, "../packaging")}
    bench.parts["packages/lib.tgz"] = make.tgz(files)
    assert await bench.read()


async def test_a_part_that_comes_twice_is_refused(bench):
    bench.extra = {"./jobs/app.tgz": b"another"}
    assert [number for number, _ in await bench.refused()] == [30002]


@pytest.mark.parametrize("data", [b"", b"x", b"\x1f\x8b", b"\x1f\x8b" + b"\0" * 600, b"\0" * 512, os.urandom(4096)])
async def test_what_is_no_archive_is_refused(bench, data):
    assert [number for number, _ in await bench.refused(data)] in ([30002], [30003])


async def test_an_archive_cut_short_is_refused_at_every_length(bench):
    whole = bench.archive()
    for length in range(0, len(whole) - 8, max(1, len(whole) // 40)):
        assert {number for number, _ in await bench.refused(whole[:length])} <= {30002, 30003}


async def test_a_gzip_bomb_is_refused_before_it_is_unpacked(bench):
    bench.limits = Limits(ratio_max=50)
    data = gzip.compress(one_file_header("jobs/x.tgz", 200 * 1024**2) + b"\0" * (100 * 1024**2), 1)
    assert len(data) < 1_000_000
    ((number, detail),) = await bench.refused(data)
    assert number == 30002
    assert "times its size" in detail


async def test_more_bytes_than_the_limit_are_refused(bench):
    bench.limits = Limits(size_max=100_000)
    data = gzip.compress(one_file_header("x", 1_000_000) + os.urandom(1_000_000))
    assert "more than 100000 bytes" in (await bench.refused(data))[0][1]


async def test_more_entries_than_the_limit_are_refused(bench, make):
    bench.limits = Limits(members_max=10)
    data = make.tgz({f"f{n}": "" for n in range(50)})
    assert "more than 10 entries" in (await bench.refused(data))[0][1]


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
async def test_a_header_that_asks_for_gigabytes_takes_no_memory(bench, kind):
    data = gzip.compress(one_file_header("x", 3 * 1024**3, kind) + b"\0" * (64 * 1024**2), 1)
    tracemalloc.start()
    try:
        assert [number for number, _ in await bench.refused(data)] == [30002]
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024**2
    finally:
        tracemalloc.stop()


async def test_a_size_below_zero_is_refused(bench):
    header = bytearray(one_file_header("x", 0))
    header[124:136] = b"\xff" * 4 + struct.pack(">q", -4096)
    data = gzip.compress(bytes(with_checksum(header)) + b"\0" * 2048)
    assert {number for number, _ in await bench.refused(data)} <= {30002, 30003}


async def test_a_sparse_file_is_no_file(bench):
    member = tarfile.TarInfo("jobs/x.tgz")
    member.type = tarfile.GNUTYPE_SPARSE
    data = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)
    ((number, detail),) = await bench.refused(data)
    assert number == 30002
    assert "neither file nor directory" in detail


async def test_a_job_with_a_huge_template_is_refused(bench):
    bench.job_files["templates/run.erb"] = b"x" * (17 * 1024**2)
    assert [number for number, _ in await bench.refused()] == [80000]


def one_file_header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def with_checksum(header: bytearray) -> bytearray:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return header


STEMCELL = {
    "name": "bosh-x",
    "version": "1.5",
    "operating_system": "ubuntu-jammy",
    "api_version": 3,
    "stemcell_formats": ["openstack-raw"],
    "cloud_properties": {"root": "/dev/sda1"},
}


class TestStemcells:
    def archive(self, make, image: bytes | None = b"disk", **changes) -> bytes:
        manifest = STEMCELL | {"sha1": hashlib.sha1(image or b"").hexdigest()} | changes
        files = {
            "stemcell.MF": yaml.safe_dump({k: v for k, v in manifest.items() if v is not None}),
            "packages.txt": "x",
        }
        return make.tgz(files | ({} if image is None else {"image": image}))

    async def read(self, tmp_path, data: bytes, limits: Limits | None = None):
        (tmp_path / "to").mkdir()
        (tmp_path / "s.tgz").write_bytes(data)
        return await ArchiveReader(None, tmp_path / "scratch", limits=limits).read_stemcell(
            tmp_path / "s.tgz", tmp_path / "to"
        )

    async def test_a_stemcell_is_read(self, tmp_path, make):
        read = await self.read(tmp_path, self.archive(make))
        assert (read.stemcell.name, read.stemcell.os, read.stemcell.version) == ("bosh-x", "ubuntu-jammy", "1.5")
        assert (read.stemcell.api_version, read.formats, read.cloud_properties) == (
            3,
            ("openstack-raw",),
            {"root": "/dev/sda1"},
        )
        assert read.image.read_bytes() == b"disk"
        assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["image", "stemcell.MF"]

    @pytest.mark.parametrize(
        ("image", "changes", "number"),
        [
            (None, {}, 50001),
            (b"disk", {"sha1": "0" * 40}, 50007),
            (b"disk", {"name": None}, 50000),
            (b"disk", {"version": None}, 50000),
            (b"disk", {"sha1": None}, 50000),
            (b"disk", {"stemcell_formats": "x"}, 50000),
            (b"disk", {"cloud_properties": []}, 50000),
        ],
    )
    async def test_each_fault_of_a_stemcell_has_its_number(self, tmp_path, make, image, changes, number):
        with pytest.raises(Refused) as refused:
            await self.read(tmp_path, self.archive(make, image, **changes))
        assert number in [problem.number for problem in refused.value.problems]

    @pytest.mark.parametrize("data", [b"", b"junk", gzip.compress(b"junk", mtime=0)])
    async def test_what_is_no_stemcell_is_refused(self, tmp_path, data):
        with pytest.raises(Refused) as refused:
            await self.read(tmp_path, data)
        assert [problem.number for problem in refused.value.problems] == [50000]

    async def test_a_stemcell_that_leads_out_is_refused(self, tmp_path, make):
        buffer = io.BytesIO(make.tgz({"image": make.member("image", tarfile.SYMTYPE, "/etc/passwd")}))
        with pytest.raises(Refused):
            await self.read(tmp_path, buffer.getvalue())
        assert list((tmp_path / "to").iterdir()) == []
