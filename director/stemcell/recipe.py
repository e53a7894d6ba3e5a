"""What a stemcell is made of: values only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

SUITE: Final = "bookworm"
NAME: Final = "director-vsphere-debian-bookworm"
OPERATING_SYSTEM: Final = "debian-bookworm"
_UUIDS: Final = UUID("0c4a9a6e-9a0a-4a65-9a8b-0f4f8d3d1b52")
"""Any fixed one: what is derived from it must only be the same for the same stemcell."""

SYSTEM: Final = (
    "systemd", "systemd-sysv", "systemd-timesyncd", "dbus", "udev", "kmod", "initramfs-tools", "linux-image-amd64",
    "grub-pc-bin", "grub-common", "open-vm-tools", "openssh-server", "python3",
)  # fmt: skip
FOR_AGENT: Final = (
    "iproute2", "util-linux", "fdisk", "e2fsprogs", "xfsprogs", "isc-dhcp-client", "procps", "sudo", "openssl",
)  # fmt: skip
FOR_JOBS: Final = (
    "ca-certificates", "curl", "wget", "rsync", "iptables", "iputils-ping", "dnsutils", "netbase", "netcat-openbsd",
    "lsof", "psmisc", "less", "vim-tiny", "zstd", "xz-utils", "bzip2", "zip", "unzip", "parted", "cron", "logrotate",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One line of apt's sources."""

    url: str
    suite: str

    def __str__(self) -> str:
        return f"deb {self.url} {self.suite} main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """``sources`` begin with the one of ``SUITE`` itself. ``more`` are further Debian packages."""

    version: str
    out: Path
    work: Path
    sources: tuple[Source, ...]
    disk_mb: int
    is_compiling: bool = True
    more: tuple[str, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        compilers = FOR_COMPILING if self.is_compiling else ()
        return tuple(sorted({*SYSTEM, *FOR_AGENT, *FOR_JOBS, *compilers, *self.more}))

    @property
    def root_uuid(self) -> str:
        """Of the root file system: what the boot loader and the kernel find it by."""
        return str(uuid5(_UUIDS, f"{NAME}/{self.version}"))

    @property
    def archive(self) -> Path:
        return self.out / f"{NAME}-{self.version}.tgz"
