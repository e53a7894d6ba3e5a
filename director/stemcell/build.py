"""From nothing to a stemcell archive, step by step. Blocks for minutes."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from director.stemcell import disk, ovf, pack, root, tree
from director.stemcell.failure import Impossible
from director.stemcell.recipe import Recipe, Target
from director.stemcell.run import Runner
from director.stemcell.workspace import workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A build under way: everything of it lies in ``work``."""

    recipe: Recipe
    work: Path
    runner: Runner
    bundle: Path

    @property
    def files(self) -> Path:
        return self.work / "root"

    @property
    def image(self) -> Path:
        return self.work / "image"


Step = tuple[str, Callable[[Making], None]]
"""What it is called, and what it does."""


def check_machine(recipe: Recipe) -> None:
    """Raises Impossible with everything that this machine lacks."""
    lacks = []
    if os.geteuid() != 0:
        lacks.append("root: debootstrap makes device files and other users' files; run it with sudo")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    tools = recipe.kind.tools
    missing = sorted(package for tool, package in tools.items() if shutil.which(tool, path=path) is None)
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
    steps = (*_debian_steps(recipe), *_STEPS[recipe.target])
    with workspace(recipe.work) as work:
        runner = Runner(work / "log", len(steps) + 1)
        with runner.step("the agent's bundle"):
            making = Making(recipe=recipe, work=work, runner=runner, bundle=make_bundle(work))
        for words, do in steps:
            with runner.step(words):
                do(making)
    return recipe.archive


def _debian_steps(recipe: Recipe) -> Sequence[Step]:
    if recipe.base is not None:
        return ((f"Debian from {recipe.base.name}", _unpack_base),)
    return (("Debian's base system", _make_debian), (f"{len(recipe.packages)} packages", _add_packages))


def _unpack_base(making: Making) -> None:
    tree.read_base(making.recipe, making.files, making.work, making.runner)


def _make_debian(making: Making) -> None:
    root.make_debian(making.files, making.recipe, making.runner)


def _add_packages(making: Making) -> None:
    root.add_packages(making.files, making.recipe, making.runner)


def _settle_for_vsphere(making: Making) -> None:
    root.add_agent(making.files, making.bundle, making.runner)
    root.settle(making.files, making.recipe, making.runner)
    _list_packages(making)


def _write_disk(making: Making) -> None:
    boot = disk.write_boot_files(making.files, making.recipe, making.work, making.runner)
    disk.write_disk(making.files, making.work / "disk", boot, making.recipe, making.runner)
    root.remove(making.files)


def _write_vmdk(making: Making) -> None:
    disk.write_vmdk(making.work / "disk", making.work / "vmdk", making.runner)


def _write_ova(making: Making) -> None:
    raw, vmdk = making.work / "disk", making.work / "vmdk"
    capacity = making.recipe.disk_mb << 20
    sizes = ovf.Disk(size=vmdk.stat().st_size, capacity=capacity, populated=disk.used_bytes(raw))
    raw.unlink()
    ovf.write_image(making.image, ovf.descriptor(making.recipe.kind.name, sizes), vmdk)
    vmdk.unlink()


def _pack_disk(making: Making) -> None:
    _pack(making, making.recipe.disk_mb)


def _settle_for_local(making: Making) -> None:
    root.add_local_agent(making.files, making.bundle, making.runner)
    root.settle_local(making.files, making.runner)
    _list_packages(making)


def _write_tree(making: Making) -> None:
    tree.write_tree(making.files, making.image, making.runner)


def _pack_tree(making: Making) -> None:
    _pack(making, tree.size_mb(making.files))


def _pack(making: Making, disk_mb: int) -> None:
    pack.write_stemcell(making.recipe, making.image, (making.work / "packages").read_text(), disk_mb)


def _list_packages(making: Making) -> None:
    ask = ("chroot", str(making.files), "dpkg-query", "-W", "-f", "${Package} ${Version}\\n")
    said = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    (making.work / "packages").write_text(said)


_STEPS: Final[Mapping[Target, Sequence[Step]]] = {
    Target.VSPHERE: (
        ("the agent, and what every VM has", _settle_for_vsphere),
        ("the disk", _write_disk),
        ("the VMDK", _write_vmdk),
        ("the OVA", _write_ova),
        ("the stemcell", _pack_disk),
    ),
    Target.LOCAL: (
        ("the agent, and what every VM has", _settle_for_local),
        ("the image", _write_tree),
        ("the stemcell", _pack_tree),
    ),
}
"""What is done with a Debian, by what it is for."""
