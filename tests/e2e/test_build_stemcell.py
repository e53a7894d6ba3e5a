"""A stemcell built for real, and booted where an emulator is. Only when asked for: it takes minutes and a mirror."""

import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from director.adapters.archives.stemcell import open_stemcell
from director.adapters.archives.stream import Limits
from director.adapters.vsphere.ovf import open_image
from director.stemcell.disk import START

FLAG = "DIRECTOR_TEST_BUILD_STEMCELL"
BUILD_S = 1500
BOOT_S = 400

pytestmark = [pytest.mark.e2e, pytest.mark.root, pytest.mark.timeout(BUILD_S + BOOT_S)]


@pytest.fixture(scope="module")
def vmdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk of a stemcell built by the command, without compilers."""
    if os.environ.get(FLAG) != "1":
        pytest.skip(f"building a stemcell takes minutes and a Debian mirror: set {FLAG}=1 to have it tested")
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    missing = [tool for tool in ("debootstrap", "qemu-img") if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"{FLAG} is set, but {missing} are not installed")
    place = tmp_path_factory.mktemp("stemcell")
    words = ("build-stemcell", "--for", "vsphere", "--version", "9.9", "--without-compilers")
    built = subprocess.run(
        [sys.executable, "-m", "director", *words, f"--out={place}", f"--work={place / 'work'}"],
        capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    assert list((place / "work").iterdir()) == []
    (archive,) = place.glob("*.tgz")
    return _disk_of(archive, place)


def _disk_of(archive: Path, place: Path) -> Path:
    read = open_stemcell(archive, place, Limits())
    assert read.formats == ("vsphere-ova", "vsphere-ovf")
    image = open_image(read.image)
    target = place / "disk.vmdk"
    with image.open("image-disk1.vmdk") as (content, size), target.open("wb") as file:
        shutil.copyfileobj(content, file)
    assert target.stat().st_size == size
    return target


def test_the_disk_is_what_esxi_takes(vmdk: Path) -> None:
    said = json.loads(
        subprocess.run(("qemu-img", "info", "--output=json", str(vmdk)), capture_output=True, check=True).stdout
    )
    assert (said["format"], said["virtual-size"]) == ("vmdk", 4096 << 20)
    assert said["format-specific"]["data"]["create-type"] == "streamOptimized"


def test_it_boots_grows_and_starts_the_agent_and_is_nobody_yet(vmdk: Path, tmp_path: Path) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed, so the disk was built but not booted")
    raw = tmp_path / "disk.raw"
    subprocess.run(("qemu-img", "convert", "-O", "raw", str(vmdk), str(raw)), check=True)
    assert _file(raw, "/etc/machine-id") == ""
    assert "ssh_host" not in _debugfs(raw, "ls /etc/ssh").stdout
    os.truncate(raw, 6144 << 20)

    _boot(raw, tmp_path)

    assert len(_file(raw, "/etc/machine-id").strip()) == 32
    assert "agent started" in _file(raw, "/var/vcap/bosh/log/agent.log")
    assert "ssh-ed25519" in _file(raw, "/etc/ssh/ssh_host_ed25519_key.pub")
    blocks = _debugfs(raw, "show_super_stats -h").stdout
    (count,) = (int(line.split()[-1]) for line in blocks.splitlines() if line.startswith("Block count"))
    assert count * 4096 > 5000 << 20


def _boot(raw: Path, place: Path) -> None:
    """On the devices a VM of vSphere has, until somebody could log in and the agent has begun; then off.

    Emulated in software: slow, but the same everywhere; a /dev/kvm that is there need not work.
    """
    lines: queue.Queue[bytes] = queue.Queue()
    machine = subprocess.Popen(
        (
            "qemu-system-x86_64", "-machine", "pc,accel=tcg", "-m", "1024", "-smp", "2", "-no-reboot",
            "-device", "pvscsi,id=s0", "-drive", f"file={raw},format=raw,if=none,id=d0",
            "-device", "scsi-hd,bus=s0.0,drive=d0", "-nic", "none", "-display", "none",
            "-serial", "stdio", "-monitor", f"unix:{place}/monitor,server,nowait",
        ),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        _until(machine, lines, b"login:")
        # The agent's first words are written by then or soon after; they reach the disk within the journal's 5 s.
        time.sleep(30)
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(place / "monitor"))
            monitor.sendall(b"quit\n")
            machine.wait(30)
    finally:
        machine.kill()
        machine.wait(30)
    subprocess.run(("e2fsck", "-fy", f"{raw}?offset={START}"), capture_output=True, check=False)


def _until(machine: subprocess.Popen[bytes], lines: "queue.Queue[bytes]", words: bytes) -> None:
    def read() -> None:
        assert machine.stdout is not None
        while chunk := os.read(machine.stdout.fileno(), 4096):
            lines.put(chunk)

    threading.Thread(target=read, daemon=True).start()
    seen, ends = b"", time.monotonic() + BOOT_S
    while words not in seen:
        left = ends - time.monotonic()
        assert left > 0, seen.decode(errors="replace")
        seen += lines.get(timeout=left)


def _debugfs(raw: Path, command: str) -> "subprocess.CompletedProcess[str]":
    argv = ("/usr/sbin/debugfs", "-R", command, f"{raw}?offset={START}")
    return subprocess.run(argv, capture_output=True, text=True, check=True)


def _file(raw: Path, path: str) -> str:
    return _debugfs(raw, f"cat {path}").stdout
