"""The archive, read again by the director that takes it."""

from pathlib import Path

import pytest

from director.adapters.archives.stemcell import open_stemcell
from director.adapters.archives.stream import Limits
from director.stemcell.pack import write_stemcell
from director.stemcell.recipe import KINDS, Recipe, Source, Target

SOURCE = Source(url="http://mirror/debian", suite="bookworm")


def recipe(out: Path, **changes: object) -> Recipe:
    usual = {"target": Target.VSPHERE, "version": "1.2", "out": out, "work": out, "sources": (SOURCE,), "disk_mb": 4096}
    return Recipe(**usual | changes)


def test_the_director_takes_it(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"an image")
    path = write_stemcell(recipe(tmp_path / "out"), tmp_path / "image", "bash 5.2\n", 4096)

    name, read = KINDS[Target.VSPHERE].name, open_stemcell(path, tmp_path, Limits())

    assert path.name == f"{name}-1.2.tgz"
    assert (read.stemcell.name, read.stemcell.version, read.stemcell.os) == (name, "1.2", "debian-bookworm")
    assert read.stemcell.api_version == 3
    assert read.formats == ("vsphere-ova", "vsphere-ovf")
    assert read.cloud_properties["agent"] == {"install": "baked"}
    assert read.image.read_bytes() == b"an image"


def test_an_archive_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_stemcell(recipe(tmp_path / "out"), tmp_path / "no-image", "", 1)
    (tmp_path / "image").mkdir()
    with pytest.raises(IsADirectoryError):
        write_stemcell(recipe(tmp_path / "out"), tmp_path / "image", "", 1)
    assert not list(tmp_path.glob("out/*"))


def test_the_root_file_system_has_one_uuid_per_version(tmp_path: Path) -> None:
    assert recipe(tmp_path).root_uuid == recipe(tmp_path / "elsewhere").root_uuid
    assert recipe(tmp_path).root_uuid != recipe(tmp_path, version="1.3").root_uuid


def test_compilers_can_be_left_out_and_packages_added(tmp_path: Path) -> None:
    assert "build-essential" in recipe(tmp_path).packages
    slim = recipe(tmp_path, is_compiling=False, more=("tcpdump",)).packages
    assert "build-essential" not in slim
    assert {"tcpdump", "open-vm-tools", "python3"} <= set(slim)


def test_one_for_this_machine_says_what_it_is_and_how_its_agent_starts(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"an image")
    path = write_stemcell(recipe(tmp_path / "out", target=Target.LOCAL), tmp_path / "image", "", 356)

    read = open_stemcell(path, tmp_path, Limits())

    assert path.name == "director-local-debian-bookworm-1.2.tgz"
    assert (read.stemcell.os, read.formats) == ("debian-bookworm", ("local-root",))
    assert (read.cloud_properties["format"], read.cloud_properties["disk"]) == ("local-root", 356)
    assert read.cloud_properties["agent"]["command"] == ["/usr/lib/director-agent/run", "--base", "/var/vcap"]


@pytest.mark.parametrize("target", list(Target))
def test_every_target_has_the_agents_programs_and_the_jobs(target: Target, tmp_path: Path) -> None:
    packages = set(recipe(tmp_path, target=target).packages)
    assert {"python3", "iproute2", "curl", "ca-certificates", "build-essential"} <= packages


def test_a_vm_of_this_machine_has_no_kernel_no_loader_and_no_systemd(tmp_path: Path) -> None:
    packages = set(recipe(tmp_path, target=Target.LOCAL).packages)
    assert {"containerd", "runc", "conntrack", "nftables", "docker-registry"} <= packages
    assert not packages & {"linux-image-amd64", "grub-pc-bin", "systemd", "udev", "open-vm-tools", "openssh-server"}
