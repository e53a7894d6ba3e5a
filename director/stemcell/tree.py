"""A directory → the image of a local stemcell, and back: a gzipped tar with owners, links and capabilities."""

from pathlib import Path
from typing import Final

from director.adapters.archives.stemcell import open_stemcell
from director.adapters.archives.stream import Limits
from director.model.problem import Refused
from director.stemcell.failure import Impossible
from director.stemcell.recipe import Recipe
from director.stemcell.run import Runner

_FASTEST: Final = "gzip -1 -n"
"""It is unpacked once and thrown away: seconds count, not megabytes."""
_KEPT: Final = ("--numeric-owner", "--xattrs", "--xattrs-include=security.capability")
_SAME: Final = ("--sort=name", "--format=posix", "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime")
"""The same tree gives the same bytes."""
_EMPTY: Final = ("./dev/*", "./proc/*", "./sys/*", "./run/*")
"""Filled by each VM for itself."""


def write_tree(root: Path, image: Path, runner: Runner) -> None:
    left_out = (f"--exclude={pattern}" for pattern in _EMPTY)
    options = ("--one-file-system", "--anchored", *_SAME, *_KEPT, *left_out)
    runner.run(
        "tar", "--create", f"--use-compress-program={_FASTEST}", *options, f"--file={image}", f"--directory={root}", "."
    )


def read_base(recipe: Recipe, root: Path, work: Path, runner: Runner) -> None:
    """The Debian of an earlier stemcell. Raises Impossible when it is none, or none for the same target."""
    assert recipe.base is not None
    try:
        read = open_stemcell(recipe.base, work, Limits())
    except Refused as refused:
        raise Impossible(f"{recipe.base} cannot be taken as the base: {refused}") from refused
    if read.formats != recipe.kind.formats:
        raise Impossible(f"{recipe.base} is made as {', '.join(read.formats)}: name one for {recipe.target.value}.")
    root.mkdir()
    runner.run(
        "tar", "--extract", "--gzip", *_KEPT, "--same-permissions", f"--file={read.image}", f"--directory={root}"
    )
    read.image.unlink()


def size_mb(root: Path) -> int:
    """What its files take on a disk, rounded up; a file of several names is counted once."""
    blocks = {(stat.st_dev, stat.st_ino): stat.st_blocks for stat in (path.lstat() for path in root.rglob("*"))}
    return -(-sum(blocks.values()) * 512 >> 20)
