"""A VM's first and second boot: network, host name and ephemeral disk, in namespaces of the test's own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import sources
from agent.identity import enrolment_file
from agent.layout import Layout, make_directories

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with own networks and loop devices need root"),
]
ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
MACS = ("00:50:56:00:00:01", "00:50:56:00:00:02")
TICKET = {"agent_id": "a", "token": "t", "enrol_targets": [], "agent_targets": []}
NETWORKS = {
    "back": {"type": "manual", "ip": "10.9.1.5", "netmask": "255.255.255.0", "gateway": "10.9.1.1", "mac": MACS[1]},
    "front": {
        "type": "manual",
        "ip": "10.9.0.5",
        "prefix": "24",
        "gateway": "10.9.0.1",
        "dns": ["10.9.0.2", "10.9.0.3"],
        "default": ["dns", "gateway"],
        "mac": MACS[0],
    },
}
# $1: the VM's directory, $2: the base; makes the VM's NICs, then runs the rest of the words and tells what came of it.
VM = """
set -eu
mount -t sysfs sysfs /sys
ip link add ens1 address {} type veth peer name far1
ip link add ens2 address {} type veth peer name far2
ip link set far1 up; ip link set far2 up
for file in hostname hosts resolv.conf; do mount --bind "$1/$file" "/etc/$file"; done
shift
"$@" >&2
echo "$(hostname)"
ip -4 -o address show scope global | awk '{{print $2, $4}}'
ip -4 route show default
cat /etc/resolv.conf /etc/hosts
""".format(*MACS)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(base=tmp_path / "vcap")
    make_directories(layout)
    for name in ("hostname", "resolv.conf"):
        (tmp_path / name).touch()
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    return layout


def _boot(layout: Layout, times: int = 1) -> list[str]:
    """What the VM looks like after it."""
    once = f"{sys.executable} -m agent.boot --base {layout.base}"
    command = " && ".join([once] * times)
    argv = ["unshare", "--net", "--mount", "--uts", "sh", "-c", VM, "vm", str(layout.base.parent), "sh", "-c", command]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_vm_gets_its_name_addresses_route_and_servers_and_again_at_each_boot(layout: Layout) -> None:
    enrolment_file(layout).write_text(json.dumps(TICKET | {"hostname": "web-0", "networks": NETWORKS}))
    expected = [
        "web-0",
        "ens1 10.9.0.5/24",
        "ens2 10.9.1.5/24",
        "default via 10.9.0.1 dev ens1 ",
        "nameserver 10.9.0.2",
        "nameserver 10.9.0.3",
        "127.0.0.1 localhost",
        "127.0.1.1 web-0",
    ]
    assert sorted(_boot(layout)) == sorted(expected)
    enrolment_file(layout).unlink()  # as after enrolment
    assert sorted(_boot(layout, times=2)) == sorted(expected)


def test_a_network_that_another_has_made_is_left_alone(layout: Layout) -> None:
    networks = {name: net | {"preconfigured": True} for name, net in NETWORKS.items()}
    enrolment_file(layout).write_text(json.dumps(TICKET | {"hostname": "web-0", "networks": networks}))
    assert _boot(layout) == ["web-0", "127.0.0.1 localhost", "127.0.1.1 web-0"]


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    if (
        shutil.which("sfdisk") is None
        or subprocess.run(["losetup", "--find"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no sfdisk, or a kernel without loop devices")
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    made = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=True)
    device = made.stdout.strip()
    yield Path(device)
    subprocess.run(["partx", "--delete", device], capture_output=True, check=False)
    subprocess.run(["losetup", "--detach", device], check=True)


def _boot_with_disk(layout: Layout, hint: object, then: str = "true") -> "subprocess.CompletedProcess[str]":
    enrolment_file(layout).write_text(json.dumps(TICKET | {"disks": {"ephemeral": hint}}))
    script = f"{sys.executable} -m agent.boot --base {layout.base} && {then}"
    argv = ["unshare", "--mount", "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, cwd=ROOT, check=False)


def test_an_ephemeral_disk_is_formatted_once_and_mounted_at_data(layout: Layout, loop: Path) -> None:
    first = _boot_with_disk(layout, {"path": str(loop)}, f"ls {layout.data} && echo x >{layout.data}/mark")
    assert first.returncode == 0, first.stdout + first.stderr
    assert {"jobs", "lost+found", "packages", "sys", "tmp"} <= set(first.stdout.split())
    again = f"{sys.executable} -m agent.boot --base {layout.base}"
    second = _boot_with_disk(
        layout, str(loop), f"{again} && cat {layout.data}/mark && grep -c {layout.data} /proc/mounts"
    )
    assert second.stdout.split()[-2:] == ["x", "1"], second.stdout + second.stderr
    assert not (layout.data / "mark").exists()


def test_a_directory_given_as_the_ephemeral_disk_is_shown_at_data(layout: Layout, tmp_path: Path) -> None:
    disk = tmp_path / "ephemeral"
    disk.mkdir()
    done = _boot_with_disk(layout, {"path": str(disk)}, f"touch {layout.data}/mark")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (disk / "mark").exists()


def test_an_agent_whose_data_disk_cannot_be_used_does_not_start(layout: Layout, loop: Path) -> None:
    subprocess.run(["mkswap", str(loop)], capture_output=True, check=True)
    assert _boot_with_disk(layout, {"path": str(loop)}).returncode == 2
    argv = [sys.executable, "-m", "agent", "--base", str(layout.base)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert "holds swap" in done.stdout
    assert "the agent does not start" in done.stderr


def test_an_enrolment_is_read_from_a_cd(layout: Layout, loop: Path, tmp_path: Path, monkeypatch) -> None:
    source = tmp_path / "cd"
    source.mkdir()
    (source / "env").write_text(json.dumps({"env": {"bosh": {"director_enrolment": TICKET}}}))
    subprocess.run(["mkfs.ext4", "-q", "-d", str(source), str(loop)], check=True)
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    assert sources.fetch(layout, loop)
    assert json.loads(enrolment_file(layout).read_bytes())["token"] == "t"
    assert str(loop) not in Path("/proc/mounts").read_text()
