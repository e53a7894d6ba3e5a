"""From nothing to a stemcell archive, step by step. Blocks for minutes."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from director.stemcell import disk, ovf, pack, root
from director.stemcell.failure import Impossible
from director.stemcell.recipe import NAME, Recipe
from director.stemcell.run import Runner
from director.stemcell.workspace import workspace

TOOLS: Final = {
    "debootstrap": "debootstrap",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "sfdisk": "fdisk",
    "chroot": "coreutils",
}
"""Programs, and the Debian packages that have them."""
_STEPS: Final = 8


def check_machine(recipe: Recipe) -> None:
    """Raises Impossible with everything that this machine lacks."""
    lacks = []
    if os.geteuid() != 0:
        lacks.append("root: debootstrap makes device files and other users' files; run it with sudo")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = sorted(package for tool, package in TOOLS.items() if shutil.which(tool, path=path) is None)
    if missing:
        lacks.append(f"programs: apt-get install {' '.join(missing)}")
    if recipe.archive.exists():
        lacks.append(f"another version: {recipe.archive} exists already")
    if lacks:
        raise Impossible("A stemcell cannot be built here, for want of\n" + "\n".join(f"  - {lack}" for lack in lacks))


def build(recipe: Recipe, make_bundle: Callable[[Path], Path]) -> Path:
    """The archive's path. ``make_bundle`` writes the agent's bundle into a directory, and says where.

    Raises Impossible; OSError when the disk is full. The work directory is gone afterwards in any case.
    """
    check_machine(recipe)
    with workspace(recipe.work) as work:
        runner, files = Runner(work / "log", _STEPS), work / "root"
        with runner.step("the agent's bundle"):
            bundle = make_bundle(work)
        with runner.step("Debian's base system"):
            root.make_debian(files, recipe, runner)
        with runner.step(f"{len(recipe.packages)} packages"):
            root.add_packages(files, recipe, runner)
        with runner.step("the agent, and what every VM has"):
            root.add_agent(files, bundle, runner)
            root.settle(files, recipe, runner)
            installed = _installed(files)
        with runner.step("the disk"):
            boot = disk.write_boot_files(files, recipe, work, runner)
            disk.write_disk(files, work / "disk", boot, recipe, runner)
            root.remove(files)
        with runner.step("the VMDK"):
            disk.write_vmdk(work / "disk", work / "vmdk", runner)
        with runner.step("the OVA"):
            _write_image(recipe, work)
        with runner.step("the stemcell"):
            return pack.write_stemcell(recipe, work / "image", installed)


def _write_image(recipe: Recipe, work: Path) -> None:
    sizes = ovf.Disk(
        size=(work / "vmdk").stat().st_size, capacity=recipe.disk_mb << 20, populated=disk.used_bytes(work / "disk")
    )
    (work / "disk").unlink()
    ovf.write_image(work / "image", ovf.descriptor(NAME, sizes), work / "vmdk")
    (work / "vmdk").unlink()


def _installed(files: Path) -> str:
    ask = ("chroot", str(files), "dpkg-query", "-W", "-f", "${Package} ${Version}\\n")
    return subprocess.run(ask, capture_output=True, text=True, check=True).stdout
