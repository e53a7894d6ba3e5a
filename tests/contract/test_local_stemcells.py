"""Stemcells with a root of their own on this machine: whole or not there, once per upload, gone when deleted."""

import asyncio
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from director.adapters.local import stemcells
from director.adapters.local.infrastructure import LocalInfrastructure, destroy
from director.model.names import StemcellCid
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import StemcellRequest

AGENT = "/usr/lib/agent/run"
PROPERTIES = {"format": "local-root", "agent": {"install": "baked", "command": [AGENT, "--base", "/var/vcap"]}}
IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root gives VMs a root file system of their own")


def image_of(path: Path, *, agent: str = AGENT, motd: str = "hello") -> Path:
    """A root with little in it, but with what a copy gets wrong: owners, modes, links."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, mode, content in (
            ("./usr/bin/sh", 0o755, "#!"),
            (f".{agent}", 0o755, "#!"),
            ("./etc/motd", 0o640, motd),
            ("./usr/bin/su", 0o4755, "#!"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, 0, 42
            tar.addfile(entry, io.BytesIO(content.encode()))
        for name, target, kind in (
            ("./bin", "usr/bin", tarfile.SYMTYPE),
            ("./usr/bin/bash", "./usr/bin/sh", tarfile.LNKTYPE),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            tar.addfile(entry)
    return path


def request(image: Path, *, key: str = "deb/1", **more: object) -> StemcellRequest:
    return StemcellRequest(key=key, image=image, properties={**PROPERTIES, **more})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture
def local(home: Path) -> LocalInfrastructure:
    return infrastructure(home)


def infrastructure(home: Path) -> LocalInfrastructure:
    return LocalInfrastructure(home, agent_command=(), sockets_dir=home / "run", calls_in_flight=4)


def places(home: Path) -> list[str]:
    return sorted(entry.name for entry in (home / "stemcells").iterdir())


async def test_both_kinds_are_offered(local: LocalInfrastructure) -> None:
    assert (await local.info()).stemcell_formats == ("local", "local-root")


async def test_this_host_needs_no_image_and_stays_when_deleted(local: LocalInfrastructure, home: Path) -> None:
    asked = StemcellRequest(key="local/1", image=home / "none", properties={"format": "local"})
    assert await local.create_stemcell(asked) == "host"
    await local.delete_stemcell(StemcellCid("host"))
    assert not (home / "stemcells").exists()


async def test_another_format_is_refused_with_the_ones_there_are(local: LocalInfrastructure, home: Path) -> None:
    asked = StemcellRequest(key="x/1", image=home / "none", properties={"format": "vsphere-ova"})
    with pytest.raises(InfrastructureFailure, match=r'"local-root".*"local".*build-stemcell --for local'):
        await local.create_stemcell(asked)


async def test_an_ordinary_user_is_told_before_anything_is_unpacked(
    local: LocalInfrastructure, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InfrastructureFailure, match=r"deb/1 .*only root.*run the director as root"):
        await local.create_stemcell(request(image_of(home / "image")))
    assert not (home / "stemcells").exists()


@pytest.mark.parametrize(
    "agent", [None, {}, {"install": "baked"}, {"command": []}, {"command": ["run"]}, {"command": "run"}]
)
async def test_a_stemcell_that_names_no_agent_is_refused(local: LocalInfrastructure, home: Path, agent: object) -> None:
    with pytest.raises(InfrastructureFailure, match=r"agent\.command"):
        await local.create_stemcell(request(image_of(home / "image"), agent=agent))


@pytest.mark.root
@only_root
class TestUnpacked:
    async def test_the_tree_is_as_it_was_packed(self, home: Path) -> None:
        found = stemcells.Stemcells(home)
        cid = await found.create(request(image_of(home / "image")))

        root = found.root(cid)
        assert cid.startswith("root-")
        assert root is not None
        assert (root / "etc/motd").read_text() == "hello"
        stat = (root / "etc/motd").stat()
        assert (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid) == (0o640, 0, 42)
        assert (root / "usr/bin/su").stat().st_mode & 0o7777 == 0o4755
        assert (root / "bin").readlink() == Path("usr/bin")
        assert (root / "usr/bin/bash").samefile(root / "usr/bin/sh")
        assert root.stat().st_mode & 0o777 == 0o755
        assert found.agent_command(cid) == (AGENT, "--base", "/var/vcap")

    async def test_the_same_upload_is_unpacked_once_also_by_the_next_director(self, home: Path) -> None:
        first = await infrastructure(home).create_stemcell(request(image_of(home / "image")))
        before = (home / "stemcells" / first).stat().st_ino
        again = infrastructure(home)
        both = await asyncio.gather(*(again.create_stemcell(request(home / "image")) for _ in range(2)))
        assert both == [first, first]
        assert places(home) == [first]
        assert (home / "stemcells" / first).stat().st_ino == before

    async def test_two_stemcells_of_one_image_are_deleted_one_by_one(self, home: Path) -> None:
        found = stemcells.Stemcells(home)
        image = image_of(home / "image")
        one, two = await found.create(request(image)), await found.create(request(image, key="deb/1 fixed by task 3"))
        assert one != two
        await found.delete(one)
        assert found.root(one) is None
        assert found.root(two) is not None
        assert places(home) == [two]

    async def test_a_deleted_stemcell_takes_those_with_it_whose_place_it_took(self, home: Path) -> None:
        found, named = stemcells.Stemcells(home), {"name": "deb", "version": "1"}
        image = image_of(home / "image")
        old = await found.create(request(image, **named))
        new = await found.create(request(image, key="deb/1 fixed by task 3", **named))
        other = await found.create(request(image, key="deb/2", name="deb", version="2"))
        assert found.root(old) is not None  # its VMs run until they are made anew
        await found.delete(new)
        assert places(home) == [other]

    async def test_deleting_twice_or_what_never_was_is_well(self, local: LocalInfrastructure, home: Path) -> None:
        await local.delete_stemcell(StemcellCid("root-0000000000000000"))
        cid = await local.create_stemcell(request(image_of(home / "image")))
        await local.delete_stemcell(cid)
        await local.delete_stemcell(cid)
        assert places(home) == []

    async def test_what_a_crash_left_does_not_count_and_goes(self, home: Path) -> None:
        found = stemcells.Stemcells(home)
        for name in ("root-1111111111111111.half", "root-2222222222222222.gone"):
            (home / "stemcells" / name / "root").mkdir(parents=True)
            assert found.root(StemcellCid(name.partition(".")[0])) is None
        cid = await found.create(request(image_of(home / "image")))
        assert places(home) == [cid]

    async def test_an_upload_whose_answer_was_lost_leaves_nothing_when_another_image_follows(self, home: Path) -> None:
        lost = await stemcells.Stemcells(home).create(request(image_of(home / "image")))
        other = await stemcells.Stemcells(home).create(request(image_of(home / "image", motd="other")))
        assert other != lost
        assert places(home) == [other]

    @pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 cut off"])
    async def test_a_broken_image_is_told_and_leaves_nothing(self, home: Path, content: bytes) -> None:
        (home / "image").write_bytes(content)
        with pytest.raises(InfrastructureFailure, match="deb/1"):
            await stemcells.Stemcells(home).create(request(home / "image"))
        assert places(home) == []

    async def test_an_image_without_its_agent_is_told_and_leaves_nothing(self, home: Path) -> None:
        with pytest.raises(InfrastructureFailure, match=f"has no {AGENT}"):
            await stemcells.Stemcells(home).create(request(image_of(home / "image", agent="/opt/run")))
        assert places(home) == []

    async def test_an_entry_cannot_leave_the_tree(self, home: Path) -> None:
        with tarfile.open(home / "image", "w:gz") as tar:
            entry = tarfile.TarInfo("../escaped")
            tar.addfile(entry, io.BytesIO(b""))
        with pytest.raises(InfrastructureFailure):
            await stemcells.Stemcells(home).create(request(home / "image"))
        assert not list(home.parent.rglob("escaped"))

    async def test_a_stemcell_larger_than_what_is_free_is_not_begun(self, home: Path) -> None:
        with pytest.raises(InfrastructureFailure, match=r"takes 1099511627776 MB in .*make room"):
            await stemcells.Stemcells(home).create(request(image_of(home / "image"), disk=1 << 40))
        assert places(home) == []

    async def test_a_disk_that_fills_up_is_told_as_that_and_leaves_nothing(self, home: Path) -> None:
        (home / "stemcells").mkdir()
        if subprocess.run(
            ("mount", "-t", "tmpfs", "-o", "size=64k", "none", home / "stemcells"), check=False
        ).returncode:
            pytest.skip("this machine lets nobody mount")
        try:
            with pytest.raises(InfrastructureFailure, match="the disk is full"):
                await stemcells.Stemcells(home).create(request(image_of(home / "image", motd="x" * 200_000)))
            assert places(home) == []
        finally:
            subprocess.run(("umount", home / "stemcells"), check=True)

    async def test_a_cancelled_upload_leaves_nothing(self, home: Path) -> None:
        image = image_of(home / "image", motd="x" * 50_000_000)
        unpacking = asyncio.create_task(stemcells.Stemcells(home).create(request(image)))
        async with asyncio.timeout(20):
            while not list(home.glob("stemcells/*.half/root/usr")):
                await asyncio.sleep(0)
        unpacking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unpacking
        assert places(home) == []

    async def test_destroy_removes_them_all(self, local: LocalInfrastructure, home: Path) -> None:
        await local.create_stemcell(request(image_of(home / "image")))
        await destroy(home)
        assert not (home / "stemcells").exists()
