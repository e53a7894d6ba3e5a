"""Images as they come: gzipped, as OVA, unpacked, and broken."""

import gzip
import tarfile
from pathlib import Path

import pytest

from director.adapters.vsphere.ovf import DESCRIPTOR_MAX, open_image
from director.ports.failure import InfrastructureFailure
from tests.support.tinyovf import CAPACITY, tiny_image

SIZE = 70_000


@pytest.fixture
def gzipped(tmp_path: Path) -> Path:
    return tiny_image(tmp_path / "made", size=SIZE)


def unzipped(image: Path) -> Path:
    ova = image.with_name("image.ova")
    ova.write_bytes(gzip.decompress(image.read_bytes()))
    return ova


def unpacked(image: Path) -> Path:
    place = image.with_name("unpacked")
    with tarfile.open(image) as tar:
        tar.extractall(place, filter="data")
    return place


@pytest.mark.parametrize(
    "form", [lambda image: image, unzipped, unpacked, lambda image: unpacked(image) / "image.ovf"],
    ids=["gzipped", "ova", "directory", "descriptor"],
)  # fmt: skip
def test_every_form_gives_the_descriptor_and_the_disk(gzipped: Path, form) -> None:
    image = open_image(form(gzipped))
    with image.open("image-disk1.vmdk") as (content, size):
        data = content.read()
    assert "<Envelope" in image.descriptor
    assert image.capacity_bytes == CAPACITY
    assert (size, len(data), data[:4]) == (SIZE, SIZE, b"KDMV")


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ('capacity="5" capacityAllocationUnits="byte * 2^30"', 5 << 30),
        ('capacity="5" capacityAllocationUnits="byte*2^20"', 5 << 20),
        ('capacity="4096"', 4096),
    ],
)
def test_capacities_are_read_in_every_unit(tmp_path: Path, said: str, size: int) -> None:
    ovf = tmp_path / "a.ovf"
    ovf.write_text(f"<Envelope><DiskSection><Disk {said}/></DiskSection></Envelope>")
    assert open_image(ovf).capacity_bytes == size


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<Envelope>", "is no XML"),
        ("<Envelope/>", "does not say how big"),
        ('<Envelope><Disk capacity="${size}"/></Envelope>', "does not say how big"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Envelope/>', "declares entities"),
        (" " * (DESCRIPTOR_MAX + 1), "more than 4 MiB"),
    ],
)
def test_a_descriptor_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    ovf = tmp_path / "a.ovf"
    ovf.write_text(text)
    with pytest.raises(InfrastructureFailure, match=why):
        open_image(ovf)


def test_an_archive_without_descriptor_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "image", "w") as tar:
        tar.add(__file__, "root.img")
    with pytest.raises(InfrastructureFailure, match=r"no \.ovf in it"):
        open_image(tmp_path / "image")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"not at all")
    with pytest.raises(InfrastructureFailure, match="its archive is broken"):
        open_image(tmp_path / "image")


def test_a_truncated_archive_is_refused_where_it_ends(gzipped: Path) -> None:
    gzipped.write_bytes(gzipped.read_bytes()[:-30_000])
    image = open_image(gzipped)
    with pytest.raises(InfrastructureFailure, match="broken"), image.open("image-disk1.vmdk") as (content, _):
        content.read()


def test_a_missing_image_is_said(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFailure, match="cannot be read"):
        open_image(tmp_path / "nothing")


def test_a_file_outside_of_the_directory_is_not_read(gzipped: Path) -> None:
    place = unpacked(gzipped)
    (place.parent / "secret").write_text("x")
    with pytest.raises(InfrastructureFailure, match="is not beside it"), open_image(place).open("../secret"):
        pass
