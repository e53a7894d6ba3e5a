"""The files of the root disk: Debian, what its VMs need, the agent; nothing that must differ from VM to VM."""

from pathlib import Path
from shutil import copyfile, rmtree
from typing import Final

from director.stemcell.recipe import SUITE, Recipe
from director.stemcell.run import Runner

_NO_SERVICES: Final = "#!/bin/sh\n# Nothing is started while this is built.\nexit 101\n"
_KEYS_UNIT: Final = """\
[Unit]
Description=SSH host keys of this VM's own
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
"""
_GROW_UNIT: Final = """\
[Unit]
Description=The root file system takes the whole root disk
DefaultDependencies=no
After=systemd-remount-fs.service
Before=local-fs.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/grow-root

[Install]
WantedBy=local-fs.target
"""
_GROW: Final = """\
#!/bin/sh
# A VM whose root disk was made larger than the stemcell's gets all of it. May be run again.
set -eu
partition=$(readlink -f "$(findmnt -n -o SOURCE /)")
disk=/dev/$(basename "$(dirname "$(readlink -f "/sys/class/block/$(basename "$partition")")")")
echo ',+' | sfdisk --quiet --no-reread --no-tell-kernel -N 1 "$disk"
partx --update --nr 1 "$disk"
resize2fs "$partition"
"""
_SSH: Final = "PasswordAuthentication no\nPermitRootLogin no\nX11Forwarding no\n"


def make_debian(root: Path, recipe: Recipe, runner: Runner) -> None:
    """The smallest Debian that can install the rest."""
    base = recipe.sources[0]
    runner.run("debootstrap", "--variant=minbase", "--arch=amd64", SUITE, str(root), base.url)
    write(root, "etc/apt/sources.list", "".join(f"{source}\n" for source in recipe.sources))
    write(root, "usr/sbin/policy-rc.d", _NO_SERVICES, mode=0o755)
    runner.in_root(root, "apt-get", "-q", "update")
    runner.in_root(root, "apt-get", "-q", "-y", "dist-upgrade")


def add_packages(root: Path, recipe: Recipe, runner: Runner) -> None:
    runner.in_root(root, "apt-get", "-q", "-y", "--no-install-recommends", "install", *recipe.packages)


def add_agent(root: Path, bundle: Path, runner: Runner) -> None:
    """As on any VM, by the bundle's own ``install.sh``; but nothing is started."""
    place = root / "tmp" / "agent"
    place.mkdir()
    copyfile(bundle, place / "bundle.tar.gz")
    runner.in_root(root, "tar", "-xzf", "/tmp/agent/bundle.tar.gz", "-C", "/tmp/agent")  # noqa: S108  (the image's own)
    runner.in_root(root, "sh", "/tmp/agent/install.sh", "--no-start")  # noqa: S108  (the image's own)
    rmtree(place)


def settle(root: Path, recipe: Recipe, runner: Runner) -> None:
    """Settings that every VM has, and the end of everything that was only for building."""
    write(root, "etc/fstab", f"UUID={recipe.root_uuid} / ext4 noatime,errors=remount-ro 0 1\n")
    write(root, "etc/hostname", "localhost\n")
    write(root, "etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
    write(root, "etc/ssh/sshd_config.d/director.conf", _SSH)
    write(root, "etc/systemd/system/ssh-host-keys.service", _KEYS_UNIT)
    write(root, "etc/systemd/system/grow-root.service", _GROW_UNIT)
    write(root, "usr/local/sbin/grow-root", _GROW, mode=0o755)
    runner.in_root(root, "systemctl", "enable", "ssh-host-keys", "grow-root", "open-vm-tools", "systemd-timesyncd")
    forget(root, runner)


def forget(root: Path, runner: Runner) -> None:
    """What would be the same on every VM and must not be, and what the next VM does not need."""
    runner.in_root(root, "apt-get", "clean")
    for path in sorted(root.glob("etc/ssh/ssh_host_*")):
        path.unlink()
    for pattern in ("var/lib/apt/lists/*", "var/log/*", "tmp/*", "var/tmp/*", "var/cache/debconf/*-old"):
        for path in sorted(root.glob(pattern)):
            remove(path)
    write(root, "etc/machine-id", "")  # empty, not missing: systemd fills it in and knows that it boots first
    write(root, "etc/resolv.conf", "")
    for name in ("var/lib/dbus/machine-id", "usr/sbin/policy-rc.d", "var/lib/systemd/random-seed"):
        (root / name).unlink(missing_ok=True)


def write(root: Path, name: str, text: str, *, mode: int = 0o644) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        rmtree(path)
    else:
        path.unlink()
