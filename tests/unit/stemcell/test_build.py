"""What does not need a Debian: finding mirrors, running programs, cleaning up, and the form of a bootable disk."""

import os
import select
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from director.stemcell import build as building
from director.stemcell import disk, mirror
from director.stemcell.failure import Impossible
from director.stemcell.recipe import FOR_NODES, Recipe, Source, Target
from director.stemcell.root import forget, settle, write
from director.stemcell.run import Runner
from director.stemcell.workspace import workspace

SOURCE = Source(url="http://mirror/debian", suite="bookworm")


def recipe(place: Path, target: Target = Target.VSPHERE) -> Recipe:
    return Recipe(target=target, version="1", out=place, work=place, sources=(SOURCE,), disk_mb=64)


APT = """\
http://mirror/debian/ bookworm main
http://mirror/debian/ bookworm contrib
http://mirror/debian/ bookworm-updates main
http://mirror/security/ bookworm-security main
http://elsewhere/ nodistro main
"""


def test_mirrors_are_the_ones_apt_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_targets", APT.splitlines)
    assert [str(source) for source in mirror.find_sources(None, None)] == [
        "deb http://mirror/debian/ bookworm main",
        "deb http://mirror/debian/ bookworm-updates main",
        "deb http://mirror/security/ bookworm-security main",
    ]


def test_a_mirror_that_is_named_is_used_instead() -> None:
    named = mirror.find_sources("http://mine/debian", "http://mine/security")
    assert [(source.url, source.suite) for source in named] == [
        ("http://mine/debian", "bookworm"),
        ("http://mine/debian", "bookworm-updates"),
        ("http://mine/security", "bookworm-security"),
    ]


def test_without_any_mirror_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_targets", lambda: ["http://ubuntu/ noble main"])
    with pytest.raises(Impossible, match="--mirror"):
        mirror.find_sources(None, None)


def test_everything_a_machine_lacks_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    recipe(tmp_path).archive.write_bytes(b"")
    with pytest.raises(Impossible) as raised:
        building.check_machine(recipe(tmp_path))
    said = str(raised.value)
    assert "sudo" in said
    assert "apt-get install coreutils debootstrap e2fsprogs fdisk qemu-utils" in said
    assert f"{recipe(tmp_path).archive} exists already" in said


def test_a_stemcell_for_this_machine_needs_no_disk_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(Impossible, match=r"apt-get install coreutils debootstrap gzip tar$"):
        building.check_machine(recipe(tmp_path, Target.LOCAL))


class Noted(Runner):
    """Runs nothing."""

    def __init__(self, place: Path) -> None:
        super().__init__(place / "log", 1)
        self.words: list[tuple[str, ...]] = []

    def in_root(self, root: Path, *argv: str, stdin: str = "") -> None:
        self.words.append(argv)


def test_a_stemcell_for_vsphere_has_what_nodes_of_kubernetes_need_and_starts_none_of_it(tmp_path: Path) -> None:
    assert set(FOR_NODES) < set(recipe(tmp_path).packages)
    noted = Noted(tmp_path)
    settle(tmp_path, recipe(tmp_path), noted)
    assert ("systemctl", "disable", "containerd", "docker-registry") in noted.words


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(Impossible, match=r"sh ended with exit code 3.*(?s:.)*no such mirror"):
        Runner(tmp_path / "log", 1).run("sh", "-c", "echo no such mirror >&2; exit 3")


def test_programs_get_proxies_and_nothing_else_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("https_proxy", "http://proxy")
    Runner(tmp_path / "log", 1).run("env")
    said = (tmp_path / "log").read_text()
    assert "https_proxy=http://proxy" in said
    assert "SECRET" not in said


def test_an_interrupt_ends_the_program_and_what_it_started(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    started: list[int] = []

    def interrupt() -> None:
        started.append(os.pidfd_open(int(pipe.read_text())))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Runner(tmp_path / "log", 1).run("sh", "-c", f"sleep 60 & echo $! >{pipe}; wait")
    thread.join(10)
    is_ended, _, _ = select.select(started, [], [], 10)
    os.close(started[0])
    assert is_ended


def test_nothing_is_left_of_a_build_that_fails(tmp_path: Path) -> None:
    def build() -> None:
        with workspace(tmp_path) as place:
            (place / "root" / "deep").mkdir(parents=True)
            raise Impossible("no mirror")

    with pytest.raises(Impossible):
        build()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
def test_what_is_still_mounted_is_unmounted_before_anything_is_removed(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root mounts")

    def build() -> None:
        with workspace(tmp_path) as place:
            (place / "proc").mkdir()
            if subprocess.run(("mount", "-t", "tmpfs", "none", str(place / "proc")), check=False).returncode:
                pytest.skip("this machine lets nobody mount")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build()
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_would_make_two_vms_the_same_stays(tmp_path: Path) -> None:
    for name in ("etc/ssh/ssh_host_rsa_key", "etc/machine-id", "var/lib/dbus/machine-id", "var/log/apt/term.log"):
        write(tmp_path, name, "not to be shared")

    class Nothing(Runner):
        def run(self, *argv: str, **more: object) -> None:
            pass

    forget(tmp_path, Nothing(tmp_path / "log", 1))

    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["etc/machine-id", "etc/resolv.conf"]
    assert (tmp_path / "etc/machine-id").read_text() == ""


def test_a_disk_has_loader_partition_and_files_without_any_device(tmp_path: Path) -> None:
    needed = [tool for tool in ("sfdisk", "mke2fs", "debugfs") if shutil.which(tool, path="/usr/sbin:/sbin") is None]
    if needed:
        pytest.skip(f"{needed} are not installed")
    write(tmp_path, "root/etc/motd", "hello\n")
    first, core, image = tmp_path / "first", tmp_path / "core", tmp_path / "disk"
    first.write_bytes(b"\x11" * 512)
    core.write_bytes(b"\x22" * 5000)

    disk.write_disk(tmp_path / "root", image, (first, core), recipe(tmp_path), Runner(tmp_path / "log", 1))

    data = image.read_bytes()
    assert len(data) == 64 << 20
    assert (data[:440], data[512:5512]) == (b"\x11" * 440, b"\x22" * 5000)
    assert (data[510:512], data[446], data[450]) == (b"\x55\xaa", 0x80, 0x83)
    assert int.from_bytes(data[454:458], "little") * 512 == disk.START
    seen = subprocess.run(
        ("/usr/sbin/debugfs", "-R", "cat /etc/motd", f"{image}?offset={disk.START}"), capture_output=True, check=True
    )
    assert seen.stdout == b"hello\n"
