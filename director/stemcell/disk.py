"""A directory → a disk that boots, as files only: no loop device, no mount, so it works in a container too.

Note: booting. BIOS, one partition. GRUB's first sector looks for the rest in the second one, so the loader is written
right behind it, into the gap before the first partition; it finds the root file system by its UUID.
"""

from pathlib import Path
from shutil import copyfile
from typing import Final

from director.stemcell.failure import Impossible
from director.stemcell.recipe import Recipe
from director.stemcell.root import write
from director.stemcell.run import Runner

START: Final = 1 << 20
"""Where the partition begins, in bytes; the boot loader has the place before it."""
SECTOR: Final = 512
_CODE: Final = 440
"""Bytes of the first sector that are the loader's; then come the disk's signature and its partitions."""
_MODULES: Final = (
    "biosdisk",
    "part_msdos",
    "ext2",
    "search",
    "search_fs_uuid",
    "normal",
    "linux",
    "boot",
    "echo",
    "ls",
)
_VMDK: Final = "subformat=streamOptimized,adapter_type=lsilogic,compat6"
"""What ESXi takes: stream optimized, and a header of the version it knows (compat6)."""
_FIRST: Final = "search --no-floppy --fs-uuid --set=root {uuid}\nset prefix=($root)/boot/grub\n"
_MENU: Final = """\
set timeout=1
menuentry "Debian" {{
  linux /boot/{kernel} root=UUID={uuid} ro quiet net.ifnames=0 console=ttyS0,115200 console=tty0
  initrd /boot/{initrd}
}}
"""


def write_boot_files(root: Path, recipe: Recipe, work: Path, runner: Runner) -> tuple[Path, Path]:
    """GRUB's menu into ``root``; and outside of it the first sector and the loader, which go before the partition."""
    kernels = sorted(path.name for path in (root / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        raise Impossible(f"The image has {len(kernels)} kernels in /boot: one is needed.")
    initrd = kernels[0].replace("vmlinuz-", "initrd.img-")
    write(root, "boot/grub/grub.cfg", _MENU.format(kernel=kernels[0], initrd=initrd, uuid=recipe.root_uuid))
    write(root, "boot/grub/first.cfg", _FIRST.format(uuid=recipe.root_uuid))
    made = ("-p", "/boot/grub", "-c", "/boot/grub/first.cfg", "-o", "/boot/grub/core")
    runner.in_root(root, "grub-mkimage", "-O", "i386-pc", *made, *_MODULES)
    first, core = work / "first", work / "core"
    copyfile(root / "usr/lib/grub/i386-pc/boot.img", first)
    copyfile(root / "boot/grub/core", core)
    for name in ("boot/grub/first.cfg", "boot/grub/core"):
        (root / name).unlink()
    return first, core


def write_disk(root: Path, disk: Path, boot: tuple[Path, Path], recipe: Recipe, runner: Runner) -> None:
    """A raw disk image, sparse, with everything of ``root`` in its one partition."""
    size = recipe.disk_mb << 20
    with disk.open("wb") as file:
        file.truncate(size)
    runner.run("sfdisk", "--quiet", str(disk), stdin=f"label: dos\nstart={START // SECTOR}, type=83, bootable\n")
    first, core = (path.read_bytes() for path in boot)
    assert len(core) <= START - SECTOR, "the loader fits before the partition"
    with disk.open("r+b") as file:
        file.write(first[:_CODE])
        file.seek(SECTOR)
        file.write(core)
    options = f"offset={START},lazy_itable_init=0,lazy_journal_init=0"
    runner.run(
        "mke2fs", "-q", "-F", "-t", "ext4", "-U", recipe.root_uuid, "-L", "root", "-m", "1",
        "-E", options, "-d", str(root), str(disk), f"{(size - START) >> 10}k",
    )  # fmt: skip


def write_vmdk(disk: Path, vmdk: Path, runner: Runner) -> None:
    runner.run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", _VMDK, str(disk), str(vmdk))


def used_bytes(path: Path) -> int:
    """What a sparse file really takes."""
    return path.stat().st_blocks * SECTOR
