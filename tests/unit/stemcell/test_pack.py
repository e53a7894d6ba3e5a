"""The archive, read again by the director that takes it."""

from pathlib import Path

import pytest

from director.adapters.archives.stemcell import open_stemcell
from director.adapters.archives.stream import Limits
from director.stemcell.pack import write_stemcell
from director.stemcell.recipe import NAME, Recipe, Source

SOURCE = Source(url="http://mirror/debian", suite="bookworm")


def recipe(out: Path, **changes: object) -> Recipe:
    return Recipe(**{"version": "1.2", "out": out, "work": out, "sources": (SOURCE,), "disk_mb": 4096, **changes})


def test_the_director_takes_it(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"an image")
    path = write_stemcell(recipe(tmp_path / "out"), tmp_path / "image", "bash 5.2\n")

    read = open_stemcell(path, tmp_path, Limits())

    assert path.name == f"{NAME}-1.2.tgz"
    assert (read.stemcell.name, read.stemcell.version, read.stemcell.os) == (NAME, "1.2", "debian-bookworm")
    assert read.stemcell.api_version == 3
    assert read.formats == ("vsphere-ova", "vsphere-ovf")
    assert read.cloud_properties["agent"] == {"install": "baked"}
    assert read.image.read_bytes() == b"an image"


def test_an_archive_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_stemcell(recipe(tmp_path / "out"), tmp_path / "no-image", "")
    (tmp_path / "image").mkdir()
    with pytest.raises(IsADirectoryError):
        write_stemcell(recipe(tmp_path / "out"), tmp_path / "image", "")
    assert not list(tmp_path.glob("out/*"))


def test_the_root_file_system_has_one_uuid_per_version(tmp_path: Path) -> None:
    assert recipe(tmp_path).root_uuid == recipe(tmp_path / "elsewhere").root_uuid
    assert recipe(tmp_path).root_uuid != recipe(tmp_path, version="1.3").root_uuid


def test_compilers_can_be_left_out_and_packages_added(tmp_path: Path) -> None:
    assert "build-essential" in recipe(tmp_path).packages
    slim = recipe(tmp_path, is_compiling=False, more=("tcpdump",)).packages
    assert "build-essential" not in slim
    assert {"tcpdump", "open-vm-tools", "python3"} <= set(slim)
