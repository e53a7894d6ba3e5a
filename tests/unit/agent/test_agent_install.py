"""What a spec brings is on disk whole, with its modes, or refused; what it no longer has is gone."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from agent import apply, archive, digest
from agent.blobs import Blobs
from agent.compile import compile_package
from agent.failure import Failed
from agent.layout import Layout
from agent.wire import agent_pb2 as wire

HELLO = hashlib.sha256(b"hello").hexdigest()
HELLO1 = hashlib.sha1(b"hello").hexdigest()

SIEVES = sorted({archive.own_filter, archive.FILTER}, key=lambda sieve: sieve.__name__)


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _file(name: str, content: bytes = b"x", mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.mode = mode
    return member, content


def _link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member, b""


def _hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.LNKTYPE, target
    return member, b""


def _fifo(name: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type = tarfile.FIFOTYPE
    return member, b""


class Shelf(Blobs):
    """Blobs without a director."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.fetched: list[str] = []

    def put(self, name: str, content: bytes) -> dict[str, str]:
        self.blobs[name] = content
        return {"blob": name, "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}

    async def fetch(self, blob: str, digest_: str, into: Path, what: str) -> None:
        self.fetched.append(blob)
        check = digest.Check(digest_)
        check.update(self.blobs[blob])
        check.finish(what)
        into.write_bytes(self.blobs[blob])

    async def store(self, path: Path, what: str) -> wire.StoredBlob:
        self.blobs["stored"] = path.read_bytes()
        return wire.StoredBlob(id="stored", digest="d")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def _spec(shelf: Shelf, *, job: str = "web", version: str = "1", package: str = "ruby") -> wire.Spec:
    files = [
        wire.File(path="bin/ctl", content=b"#!/bin/sh\n"),
        wire.File(path="config/deep/app.yml", content=b"secret", mode=0o644),
    ]
    return wire.Spec(
        deployment="shop",
        group="web",
        id="id-1",
        az="z1",
        configuration_hash=f"h{version}",
        jobs=[wire.Job(name=job, digest=f"sha256:{version}", files=files, monit="# none")],
        packages=[
            wire.Package(name=package, key=f"k{version}", **shelf.put(f"b{version}", _tar(_file("bin/ruby", b"r"))))
        ],
    )


def _names(path: Path) -> list[str]:
    return sorted(found.name for found in path.iterdir())


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_apply_installs_enables_and_remembers(layout: Layout, shelf: Shelf) -> None:
    await apply.apply(_spec(shelf), layout, shelf)
    job = layout.job("web")
    assert job.resolve() == layout.data / "jobs/web/sha256-1"
    assert _mode(job / "bin/ctl") == 0o750
    assert _mode(job / "config/deep/app.yml") == 0o640
    assert _mode(job / "config") == 0o750
    assert (layout.package("ruby") / "bin/ruby").read_bytes() == b"r"
    assert (layout.instance / "id").read_text() == "id-1"
    assert (layout.instance / "deployment").read_text() == "shop"
    assert layout.log("web").is_dir()
    assert (layout.base / "sys/run/web").is_dir()
    assert apply.remembered(layout).configuration_hash == "h1"
    spec_file = layout.bosh / "spec.pb"
    assert _mode(spec_file) == 0o600
    assert b"secret" not in spec_file.read_bytes()


async def test_prepare_brings_everything_and_enables_nothing(layout: Layout, shelf: Shelf) -> None:
    await apply.prepare(_spec(shelf), layout, shelf)
    assert (layout.data / "jobs/web/sha256-1/bin/ctl").exists()
    assert (layout.data / "packages/ruby/k1/bin/ruby").exists()
    assert not layout.job("web").exists()
    assert apply.remembered(layout).configuration_hash == ""


async def test_applying_again_fetches_nothing_again(layout: Layout, shelf: Shelf) -> None:
    await apply.prepare(_spec(shelf), layout, shelf)
    await apply.apply(_spec(shelf), layout, shelf)
    await apply.apply(_spec(shelf), layout, shelf)
    assert shelf.fetched == ["b1"]


async def test_what_the_new_spec_does_not_have_is_gone(layout: Layout, shelf: Shelf) -> None:
    await apply.apply(_spec(shelf), layout, shelf)
    await apply.apply(_spec(shelf, job="api", version="2"), layout, shelf)
    assert _names(layout.base / "jobs") == ["api"]
    assert _names(layout.data / "jobs") == ["api"]
    assert _names(layout.data / "packages/ruby") == ["k2"]
    assert layout.package("ruby").resolve().name == "k2"


async def test_a_spec_without_configuration_hash_is_only_recorded(layout: Layout, shelf: Shelf) -> None:
    spec = _spec(shelf)
    spec.configuration_hash = ""
    await apply.apply(spec, layout, shelf)
    assert not layout.job("web").exists()
    assert (layout.instance / "id").read_text() == "id-1"


async def test_a_blob_with_another_digest_is_refused_and_nothing_is_left(layout: Layout, shelf: Shelf) -> None:
    spec = _spec(shelf)
    shelf.blobs["b1"] += b"!"
    with pytest.raises(Failed, match=r'package "ruby": its sha256 is .* as promised'):
        await apply.apply(spec, layout, shelf)
    assert not (layout.data / "packages/ruby/k1").exists()
    assert _names(layout.tmp) == []
    assert apply.remembered(layout).configuration_hash == ""


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", ""])
async def test_a_rendered_file_outside_its_job_is_refused(layout: Layout, shelf: Shelf, path: str) -> None:
    spec = wire.Spec(configuration_hash="h", jobs=[wire.Job(name="web", digest="1", files=[wire.File(path=path)])])
    with pytest.raises(Failed, match="outside the job"):
        await apply.apply(spec, layout, shelf)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "-x"])
async def test_a_job_name_that_is_no_file_name_is_refused(layout: Layout, shelf: Shelf, name: str) -> None:
    spec = wire.Spec(configuration_hash="h", jobs=[wire.Job(name=name, digest="1")])
    with pytest.raises(Failed, match="not a name of jobs"):
        await apply.apply(spec, layout, shelf)


@pytest.mark.parametrize(
    "members",
    [
        [_file("../out")],
        [_file("a/../../out")],
        [_link("evil", "/etc"), _file("evil/passwd")],
        [_link("here", "/var/vcap/jobs"), _file("here/out")],
        [_hard_link("evil", "/etc/passwd")],
        [_link("up", "../../..")],
        [_fifo("pipe")],
    ],
    ids=[
        "dotdot",
        "inner dotdot",
        "through a link",
        "through a link of ours",
        "hard link",
        "relative link",
        "special file",
    ],
)
@pytest.mark.parametrize("sieve", SIEVES)
def test_an_archive_that_leaves_its_directory_is_refused(tmp_path: Path, sieve, members, capsys, monkeypatch) -> None:
    monkeypatch.setattr(archive, "FILTER", sieve)
    (tmp_path / "a.tgz").write_bytes(_tar(*members))
    assert archive.main(["unpack", str(tmp_path / "a.tgz"), str(tmp_path / "in" / "x")]) == 1
    assert capsys.readouterr().err.strip()
    assert not (tmp_path / "in" / "x").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["/var/vcap/packages/ruby/lib", "/usr/bin/python3"])
@pytest.mark.parametrize("sieve", SIEVES)
def test_links_to_packages_and_programs_of_the_vm_are_kept(tmp_path: Path, sieve, target: str, monkeypatch) -> None:
    monkeypatch.setattr(archive, "FILTER", sieve)
    (tmp_path / "a.tgz").write_bytes(_tar(_link("lib", target)))
    archive.unpack(tmp_path / "a.tgz", tmp_path / "x")
    assert str((tmp_path / "x/lib").readlink()) == target


@pytest.mark.parametrize("sieve", SIEVES)
def test_what_is_packed_is_unpacked_the_same(tmp_path: Path, sieve, monkeypatch) -> None:
    monkeypatch.setattr(archive, "FILTER", sieve)
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/c").write_text("c")
    (root / "a/b/c").chmod(0o755)
    (root / "empty").mkdir()
    (root / "link").symlink_to("a/b")
    archive.pack(root, tmp_path / "x.tgz", ())
    archive.unpack(tmp_path / "x.tgz", tmp_path / "out")
    assert (tmp_path / "out/link/c").read_text() == "c"
    assert _mode(tmp_path / "out/a/b/c") == 0o755
    assert (tmp_path / "out/empty").is_dir()
    assert _mode(tmp_path / "x.tgz") == 0o600


@pytest.mark.parametrize(
    "text, found",
    [
        (HELLO1, ("sha1", HELLO1)),
        (f"sha256:{HELLO}", ("sha256", HELLO)),
        (f"{HELLO1};sha256:{HELLO}", ("sha256", HELLO)),
        (f"md5:1;sha1:{HELLO1.upper()}", ("sha1", HELLO1)),
    ],
)
def test_the_strongest_known_digest_is_verified(text: str, found: tuple[str, str]) -> None:
    assert digest.strongest(text) == found
    check = digest.Check(text)
    check.update(b"hello")
    check.finish("it")


@pytest.mark.parametrize("text", ["", "md5:1", f"sha1:{HELLO1};{HELLO1}"])
def test_a_digest_that_cannot_be_checked_is_refused(text: str) -> None:
    with pytest.raises(Failed, match="digest"):
        digest.Check(text)


PACKAGING = b"""set -e
mkdir -p $BOSH_INSTALL_TARGET/bin
cat src/hello > $BOSH_INSTALL_TARGET/bin/hello
echo "$BOSH_PACKAGE_NAME $BOSH_PACKAGE_VERSION $BOSH_COMPILE_TARGET" > $BOSH_INSTALL_TARGET/about
cat $(dirname $BOSH_INSTALL_TARGET)/dep/bin/ruby >> $BOSH_INSTALL_TARGET/about
"""


async def test_compiling_gives_what_packaging_put_into_its_target(layout: Layout, shelf: Shelf, tmp_path: Path) -> None:
    source = shelf.put("src", _tar(_file("./packaging", PACKAGING), _file("./src/hello", b"hi")))
    dependency = wire.Package(name="dep", key="k", **shelf.put("dep", _tar(_file("bin/ruby", b"r"))))
    request = wire.CompilePackage(
        name="app", fingerprint="f1", source=source["blob"], digest=source["digest"], dependencies=[dependency]
    )
    assert (await compile_package(request, layout, shelf)).id == "stored"
    (tmp_path / "x.tgz").write_bytes(shelf.blobs["stored"])
    archive.unpack(tmp_path / "x.tgz", tmp_path / "x")
    assert (tmp_path / "x/bin/hello").read_text() == "hi"
    assert (tmp_path / "x/about").read_text() == f"app f1 {layout.data}/compile/app\nr"
    assert not layout.package("app").exists()
    assert _names(layout.data / "compile") == []


async def test_a_failed_packaging_gives_exit_code_and_last_lines(layout: Layout, shelf: Shelf) -> None:
    source = shelf.put("src", _tar(_file("packaging", b"echo out; echo no compiler >&2; exit 9")))
    request = wire.CompilePackage(name="app", fingerprint="f1", source=source["blob"], digest=source["digest"])
    with pytest.raises(Failed) as failed:
        await compile_package(request, layout, shelf)
    message = str(failed.value)
    assert message.startswith('packaging of "app" ended with exit code 9; its last lines:\nout\n')
    assert "no compiler" in message
    assert not layout.package("app").is_symlink()
