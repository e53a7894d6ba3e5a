"""What a stemcell is made of, by what it is for: values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid5

SUITE: Final = "bookworm"
OPERATING_SYSTEM: Final = "debian-bookworm"
PYTHON: Final = "3.11"
"""That Debian's, for which the agent's libraries are taken along."""
_UUIDS: Final = UUID("0c4a9a6e-9a0a-4a65-9a8b-0f4f8d3d1b52")
"""Any fixed one: what is derived from it must only be the same for the same stemcell."""

FOR_VSPHERE: Final = (
    "systemd", "systemd-sysv", "systemd-timesyncd", "dbus", "udev", "kmod", "initramfs-tools", "linux-image-amd64",
    "grub-pc-bin", "grub-common", "open-vm-tools", "openssh-server", "fdisk", "parted", "xfsprogs", "isc-dhcp-client",
    "sudo", "cron", "logrotate", "dnsutils", "vim-tiny",
)  # fmt: skip
FOR_NODES: Final = (
    "nftables", "conntrack", "kmod", "mount", "ethtool", "socat", "runc", "containerd", "containernetworking-plugins",
    "docker-registry",
)  # fmt: skip
"""What a kubelet needs of its machine (kubernetes.md 3), and the release kubernetes of its stemcell. All that is in one
for ``local`` beside what all have: no kernel, no boot loader, no systemd; the director's init is pid 1, and the agent
finds its disks in place."""
NODE_SERVICES: Final = ("containerd", "docker-registry")
"""What of it Debian would start by itself, in the way of the jobs that do."""
FOR_AGENT: Final = ("python3", "iproute2", "util-linux", "e2fsprogs", "procps", "openssl")
FOR_JOBS: Final = (
    "ca-certificates", "curl", "wget", "rsync", "iptables", "iputils-ping", "netbase", "netcat-openbsd",
    "lsof", "psmisc", "less", "zstd", "xz-utils", "bzip2", "zip", "unzip",
)  # fmt: skip
"""What releases' scripts take for granted on a stemcell."""
FOR_COMPILING: Final = (
    "build-essential",
    "cmake",
    "pkg-config",
    "libssl-dev",
    "zlib1g-dev",
    "gettext",
    "bison",
    "flex",
)
"""What packaging scripts compile with: releases with packages in source cannot do without."""
LOCAL_AGENT: Final = PurePosixPath("/usr/lib/director-agent")
"""Where the agent lies in an image for ``local``: /var/vcap is there a directory of the VM's own, not the image's."""


class Target(Enum):
    """The infrastructures that stemcells are built for."""

    VSPHERE = "vsphere"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What differs between targets.

    ``tools``: programs of this machine that it is built with, and the Debian packages that have them. ``properties``
    go into the stemcell's ``cloud_properties``.
    """

    name: str
    formats: tuple[str, ...]
    packages: tuple[str, ...]
    tools: Mapping[str, str]
    properties: Mapping[str, Any]


_DEBIAN_TOOLS: Final = {"debootstrap": "debootstrap", "chroot": "coreutils"}
KINDS: Final[Mapping[Target, Kind]] = MappingProxyType(
    {
        Target.VSPHERE: Kind(
            name="director-vsphere-debian-bookworm",
            formats=("vsphere-ova", "vsphere-ovf"),
            packages=(*FOR_VSPHERE, *FOR_NODES, *FOR_AGENT, *FOR_JOBS),
            tools={**_DEBIAN_TOOLS, "qemu-img": "qemu-utils", "mke2fs": "e2fsprogs", "sfdisk": "fdisk"},
            properties={
                "infrastructure": "vsphere",
                "hypervisor": "esxi",
                "disk_format": "ovf",
                "root_device_name": "/dev/sda1",
                "agent": {"install": "baked"},
            },
        ),
        Target.LOCAL: Kind(
            name="director-local-debian-bookworm",
            formats=("local-root",),
            packages=(*FOR_NODES, *FOR_AGENT, *FOR_JOBS),
            tools={**_DEBIAN_TOOLS, "tar": "tar", "gzip": "gzip"},
            properties={
                "infrastructure": "local",
                "format": "local-root",
                "agent": {"install": "baked", "command": [f"{LOCAL_AGENT}/run", "--base", "/var/vcap"]},
            },
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One line of apt's sources."""

    url: str
    suite: str

    def __str__(self) -> str:
        return f"deb {self.url} {self.suite} main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """``sources`` begin with the one of ``SUITE`` itself. ``more`` are further Debian packages.

    ``base`` is an earlier stemcell for the same target, whose Debian is taken as it is: only the agent is new then.
    """

    target: Target
    version: str
    out: Path
    work: Path
    sources: tuple[Source, ...]
    disk_mb: int
    is_compiling: bool = True
    more: tuple[str, ...] = ()
    base: Path | None = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.target]

    @property
    def packages(self) -> tuple[str, ...]:
        compilers = FOR_COMPILING if self.is_compiling else ()
        return tuple(sorted({*self.kind.packages, *compilers, *self.more}))

    @property
    def root_uuid(self) -> str:
        """Of the root file system: what the boot loader and the kernel find it by."""
        return str(uuid5(_UUIDS, f"{self.kind.name}/{self.version}"))

    @property
    def archive(self) -> Path:
        return self.out / f"{self.kind.name}-{self.version}.tgz"
