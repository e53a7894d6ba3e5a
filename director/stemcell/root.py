"""The files of the root disk: Debian, what its VMs need, the agent; nothing that must differ from VM to VM."""

from pathlib import Path
from shutil import copyfile, rmtree
from typing import Final

from director.stemcell.recipe import LOCAL_AGENT, NODE_SERVICES, SUITE, Recipe
from director.stemcell.run import Runner

_NO_SERVICES: Final = "#!/bin/sh\n# Nothing is started while this is built.\nexit 101\n"
_BUILDING: Final = ("usr/sbin/policy-rc.d", "etc/dpkg/dpkg.cfg.d/building", "etc/apt/apt.conf.d/99building")
"""Files that are there while it is built, and no longer."""
_NO_FSYNC: Final = "force-unsafe-io\n"
"""A build that is interrupted is removed whole, so no single file of it need be safe on the disk: twice as fast."""
_NO_LANGUAGES: Final = 'Acquire::Languages "none";\n'
_RUN: Final = """\
#!/bin/sh
# Starts the agent that came with this image.
export PYTHONPATH={base}/bosh/agent/current PYTHONSAFEPATH=1 MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536
exec /usr/bin/python3 -m agent "$@"
"""
_UNREAD: Final = (
    "usr/share/doc/*/*",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/lintian/*",
)
"""What nobody reads on a VM of this machine; licences stay."""
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
    for name, text in zip(_BUILDING, (_NO_SERVICES, _NO_FSYNC, _NO_LANGUAGES), strict=True):
        write(root, name, text, mode=0o755)
    runner.in_root(root, "apt-get", "-q", "update")
    runner.in_root(root, "apt-get", "-q", "-y", "dist-upgrade")


def add_packages(root: Path, recipe: Recipe, runner: Runner) -> None:
    runner.in_root(root, "apt-get", "-q", "-y", "--no-install-recommends", "install", *recipe.packages)


def add_agent(root: Path, bundle: Path, runner: Runner) -> None:
    """As on any VM, by the bundle's own ``install.sh``; but nothing is started."""
    _install_agent(root, bundle, runner)


def add_local_agent(root: Path, bundle: Path, runner: Runner) -> None:
    """In place of the one that is there: outside of /var/vcap, without a unit, compiled once for all VMs."""
    base = root / LOCAL_AGENT.relative_to("/")
    if base.exists():
        rmtree(base)
    _install_agent(root, bundle, runner, "--base", str(LOCAL_AGENT), "--units", "/tmp/agent/units")  # noqa: S108  (the image's own)
    write(root, f"{base.relative_to(root)}/run", _RUN.format(base=LOCAL_AGENT), mode=0o755)
    # Unchecked: the files never change, and each VM would look at the dates of some hundred of them.
    compiled = ("python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(LOCAL_AGENT))
    runner.in_root(root, *compiled)


def _install_agent(root: Path, bundle: Path, runner: Runner, *options: str) -> None:
    place = root / "tmp" / "agent"
    place.mkdir()
    copyfile(bundle, place / "bundle.tar.gz")
    runner.in_root(root, "tar", "-xzf", "/tmp/agent/bundle.tar.gz", "-C", "/tmp/agent")  # noqa: S108  (the image's own)
    runner.in_root(root, "sh", "/tmp/agent/install.sh", "--no-start", *options)  # noqa: S108  (the image's own)
    rmtree(place)


def settle(root: Path, recipe: Recipe, runner: Runner) -> None:
    """Settings that every VM has, and the end of everything that was only for building."""
    _name(root)
    write(root, "etc/fstab", f"UUID={recipe.root_uuid} / ext4 noatime,errors=remount-ro 0 1\n")
    write(root, "etc/ssh/sshd_config.d/director.conf", _SSH)
    write(root, "etc/systemd/system/ssh-host-keys.service", _KEYS_UNIT)
    write(root, "etc/systemd/system/grow-root.service", _GROW_UNIT)
    write(root, "usr/local/sbin/grow-root", _GROW, mode=0o755)
    runner.in_root(root, "systemctl", "enable", "ssh-host-keys", "grow-root", "open-vm-tools", "systemd-timesyncd")
    runner.in_root(root, "systemctl", "disable", *NODE_SERVICES)
    forget(root, runner)


def settle_local(root: Path, runner: Runner) -> None:
    """The same for VMs whose devices, mounts and services are the local infrastructure's matter."""
    _name(root)
    forget(root, runner)
    for pattern in _UNREAD:
        for path in sorted(root.glob(pattern)):
            # A package's directory may be a link to another's, whose files would then be met twice.
            if path.name != "copyright" and not path.parent.is_symlink():
                remove(path)


def _name(root: Path) -> None:
    write(root, "etc/hostname", "localhost\n")
    write(root, "etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")


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
    for name in (*_BUILDING, "var/lib/dbus/machine-id", "var/lib/systemd/random-seed"):
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
