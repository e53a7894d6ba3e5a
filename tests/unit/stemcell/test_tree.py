"""The image of a local stemcell: written from a directory, taken as the base of the next."""

import os
import stat
from pathlib import Path

import pytest

from director.stemcell.failure import Impossible
from director.stemcell.pack import write_stemcell
from director.stemcell.recipe import Recipe, Target
from director.stemcell.root import settle_local, write
from director.stemcell.run import Runner
from director.stemcell.tree import read_base, size_mb, write_tree


def recipe(place: Path, target: Target = Target.LOCAL, base: Path | None = None) -> Recipe:
    return Recipe(target=target, version="1", out=place, work=place, sources=(), disk_mb=64, base=base)


def runner(place: Path) -> Runner:
    return Runner(place / "log", 1)


def packed(place: Path, target: Target = Target.LOCAL) -> Path:
    """A stemcell of a few files."""
    files = place / "files"
    write(files, "usr/bin/sh", "#!", mode=0o755)
    write(files, "run/left.pid", "1")
    write(files, "usr/share/run/kept", "this is another run")
    write(files, "tmp/x", "")
    (files / "tmp").chmod(0o1777)
    (files / "bin").symlink_to("usr/bin")
    write_tree(files, place / "image", runner(place))
    return write_stemcell(recipe(place, target), place / "image", "", size_mb(files))


def test_a_tree_comes_back_as_it_was_but_for_what_each_vm_fills_itself(tmp_path: Path) -> None:
    base = packed(tmp_path)
    (tmp_path / "work").mkdir()

    read_base(recipe(tmp_path, base=base), tmp_path / "root", tmp_path / "work", runner(tmp_path))

    root = tmp_path / "root"
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()) == [
        "tmp/x",
        "usr/bin/sh",
        "usr/share/run/kept",
    ]
    assert (root / "bin").readlink() == Path("usr/bin")
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert os.access(root / "usr/bin/sh", os.X_OK)
    assert list((tmp_path / "work").iterdir()) == [tmp_path / "work/stemcell.MF"]


def test_the_same_tree_gives_the_same_image(tmp_path: Path) -> None:
    write(tmp_path / "files", "b", "")
    write(tmp_path / "files", "a", "")
    for name in ("one", "two"):
        write_tree(tmp_path / "files", tmp_path / name, runner(tmp_path))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_base_must_be_made_for_the_same(tmp_path: Path) -> None:
    base = packed(tmp_path, Target.VSPHERE)
    with pytest.raises(Impossible, match="made as vsphere-ova, vsphere-ovf: name one for local"):
        read_base(recipe(tmp_path, base=base), tmp_path / "root", tmp_path, runner(tmp_path))


def test_a_base_that_is_no_stemcell_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(b"x" * 2000)
    with pytest.raises(Impossible, match=r"x\.tgz cannot be taken as the base"):
        read_base(recipe(tmp_path, base=tmp_path / "x.tgz"), tmp_path / "root", tmp_path, runner(tmp_path))


def test_a_file_of_two_names_takes_its_place_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * (3 << 20))
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    assert size_mb(tmp_path) in {3, 4}


def test_documents_go_and_licences_stay(tmp_path: Path) -> None:
    for name in ("usr/share/doc/gcc/copyright", "usr/share/doc/gcc/README", "usr/share/man/man1/sh.1", "usr/share/x/y"):
        write(tmp_path, name, "")
    (tmp_path / "usr/share/doc/libgcc").symlink_to("gcc")

    class Nothing(Runner):
        def run(self, *argv: str, **more: object) -> None:
            pass

    settle_local(tmp_path, Nothing(tmp_path / "log", 1))

    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("usr/**/*") if not path.is_dir())
    assert left == ["usr/share/doc/gcc/copyright", "usr/share/x/y"]
