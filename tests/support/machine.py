"""A machine for agents to be brought to, made of namespaces: its own processes, mounts, host name, and NIC.

It sees this machine's programs, but an /etc, /var, /run, /dev and /sys of its own, so that whoever is root in it
changes nothing outside. Its second disk is a directory. ``systemctl`` starts the one unit that is asked for. Root only.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BRIDGE: Final = "br0"
NIC: Final = "ens192"
_NEW_NET: Final = 0x40000000
_END_S: Final = 20

SYSTEMCTL = """#!/bin/sh
[ "$1" = restart ] || exit 0
unit=/etc/systemd/system/$2
words=$(sed -n 's/^ExecStart=//p' "$unit")
settings=$(sed -n 's/^Environment=//p' "$unit")
exec </dev/null >>/var/vcap/bosh/log/agent.log 2>&1
setsid sh -c 'while :; do "$@"; sleep 1; done' unit env $settings $words &
"""

# $1: the machine's directory, $2: device number of the root file system. The rest is what it runs.
BOOT = """
set -eu
directory=$1 root=$2
shift 2
mount --make-rprivate /
cp -a /etc "$directory/etc"
rm -rf "$directory/etc/systemd/system"
mkdir -p "$directory/etc/systemd/system" "$directory/sysfs"
mount --bind "$directory/etc" /etc
mount -t sysfs sysfs "$directory/sysfs"
mount -t tmpfs -o mode=755 tmpfs /sys
mkdir -p /sys/class/net /sys/devices/virtual /sys/dev/block /sys/devices/0:0:0:0/block/sda
mount --bind "$directory/sysfs/class/net" /sys/class/net
mount --bind "$directory/sysfs/devices/virtual" /sys/devices/virtual
ln -s ../.. /sys/devices/0:0:0:0/block/sda/device
ln -s ../../devices/0:0:0:0/block/sda "/sys/dev/block/$root"
for unit in 1 2 3; do mkdir -p "/sys/bus/scsi/devices/0:0:$unit:0/block/sdb"; done
mkdir "$directory/dev"
mount -t tmpfs -o mode=755 tmpfs "$directory/dev"
for name in null zero full random urandom tty; do
    touch "$directory/dev/$name"
    mount --bind "/dev/$name" "$directory/dev/$name"
done
mkdir "$directory/dev/sdb" "$directory/dev/shm"
ln -s /proc/self/fd "$directory/dev/fd"
mount --move "$directory/dev" /dev
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var
mkdir -p /run/sshd /var/tmp /var/vcap
mount --bind "$directory/vcap" /var/vcap
export PATH="$directory/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ip link set lo up
echo ready
read -r _
exec "$@"
"""


@contextmanager
def own_network(address: str) -> Iterator[None]:
    """This thread, and what it starts, has a network of its own meanwhile: loopback, and a bridge with ``address``."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(libc.unshare(_NEW_NET))
        for words in (f"link set lo up|link add {BRIDGE} type bridge|address add {address} dev {BRIDGE}|"
                      f"link set {BRIDGE} up").split("|"):  # fmt: skip
            _ip(*words.split())
        yield
    finally:
        _check(libc.setns(before, _NEW_NET))
        os.close(before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """``vcap`` is its /var/vcap; ``output`` takes what it prints."""

    pid: int
    vcap: Path
    output: Path

    @property
    def log(self) -> str:
        file = self.vcap / "bosh/log/agent.log"
        return self.output.read_text() + (file.read_text() if file.exists() else "")


@contextmanager
def machine(directory: Path, mac: str, *argv: str) -> Iterator[Machine]:
    """Boots with a NIC on the bridge and runs ``argv``; everything in it has ended when the block is over."""
    for name in ("bin", "vcap"):
        (directory / name).mkdir(parents=True)
    (directory / "bin/systemctl").write_text(SYSTEMCTL)
    (directory / "bin/systemctl").chmod(0o755)
    (directory / "bin/python3").symlink_to(sys.executable)
    number = Path("/").stat().st_dev
    root = f"{os.major(number)}:{os.minor(number)}"
    own = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with (directory / "output").open("wb") as output, subprocess.Popen(
        [*own, "sh", "-c", BOOT, "boot", str(directory), root, *argv],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, process_group=0,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == b"ready\n", (directory / "output").read_text()
            _plug_in(process.pid, mac)
            process.stdin.write(b"\n")
            process.stdin.flush()
            yield Machine(pid=process.pid, vcap=directory / "vcap", output=directory / "output")
        finally:
            process.kill()
            process.wait(_END_S)


def _plug_in(pid: int, mac: str) -> None:
    _ip(*f"link add vm0 type veth peer name {NIC} address {mac} netns {pid}".split())
    _ip(*f"link set vm0 master {BRIDGE} up".split())


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def _check(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
