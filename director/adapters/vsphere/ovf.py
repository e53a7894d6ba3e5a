"""A stemcell's image as vCenter takes it: an OVF descriptor and the files it names. Reads; keeps no file in memory.

Three forms: BOSH's (a tar, gzipped or not, with ``image.ovf`` and its VMDK), an OVA (the same, never gzipped), and a
descriptor that lies unpacked beside its files (agent-cpi-vsphere.md 3.5).
"""

import contextlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final
from xml.etree import ElementTree as ET

from director.ports.failure import InfrastructureFailure

DESCRIPTOR_MAX: Final = 4 << 20
"""A descriptor is some kilobytes; vCenter takes it as one string."""

_UNIT: Final = re.compile(r"\s*byte\s*(?:\*\s*2\s*\^\s*(\d{1,2}))?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """``capacity_bytes`` is what its disks may grow to. ``descriptor`` is the OVF's text, for CreateImportSpec."""

    path: Path
    descriptor: str = field(repr=False)
    capacity_bytes: int

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """The file of that name (as the descriptor has it), to be read once from its start; and its size.

        Blocks. Raises InfrastructureFailure when the image has no such file, OSError when it cannot be read.
        """
        if _is_unpacked(self.path):
            path = _beside(self.path, name)
            with path.open("rb") as file:
                yield file, path.stat().st_size
            return
        with _archive(self.path) as tar:
            member = next((member for member in tar if member.isfile() and _plain(member.name) == _plain(name)), None)
            content = None if member is None else tar.extractfile(member)
            if member is None or content is None:
                raise _corrupt(self.path, f"it has no {name}, which its descriptor names")
            yield content, member.size


def open_image(path: Path) -> Image:
    """Finds and reads the descriptor. Blocks. Raises InfrastructureFailure for what is no image, or a broken one."""
    try:
        text = _read_descriptor(path)
    except OSError as error:
        raise InfrastructureFailure(f"The stemcell's image cannot be read: {error}.") from error
    return Image(path=_found(path), descriptor=text, capacity_bytes=_capacity_bytes(path, text))


def _read_descriptor(path: Path) -> str:
    if _is_unpacked(path):
        found = _found(path)
        with found.open("rb") as file:
            return _text(found, file)
    with _archive(path) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".ovf"):
                content = tar.extractfile(member)
                assert content is not None, "a file has content"
                return _text(path, content)
    raise _corrupt(path, "it has no .ovf in it")


def _is_unpacked(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".ovf"


def _found(path: Path) -> Path:
    if not path.is_dir():
        return path
    descriptors = sorted(path.glob("*.ovf"))
    if len(descriptors) != 1:
        raise _corrupt(path, f"a directory must have one .ovf in it, and this has {len(descriptors)}")
    return descriptors[0]


def _beside(descriptor: Path, name: str) -> Path:
    path = descriptor.parent / name
    if not path.resolve().is_relative_to(descriptor.parent.resolve()) or not path.is_file():
        raise _corrupt(descriptor, f"{name}, which it names, is not beside it")
    return path


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[tarfile.TarFile]:
    """As a stream: a gzipped file cannot be sought in, and one pass is all that is needed."""
    try:
        with tarfile.open(path, "r|*") as tar:
            yield tar
    except (tarfile.TarError, EOFError) as error:
        raise _corrupt(path, f"its archive is broken ({error})") from error


def _plain(name: str) -> str:
    return str(PurePosixPath(name))


def _text(path: Path, content: IO[bytes]) -> str:
    data = content.read(DESCRIPTOR_MAX + 1)
    if len(data) > DESCRIPTOR_MAX:
        raise _corrupt(path, f"its descriptor has more than {DESCRIPTOR_MAX >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _corrupt(path, "its descriptor is not UTF-8") from error


def _capacity_bytes(path: Path, text: str) -> int:
    disks = [element for element in _parsed(path, text).iter() if _local(element.tag) == "Disk"]
    sizes = [_disk_bytes({_local(key): value for key, value in disk.attrib.items()}) for disk in disks]
    if not sizes or None in sizes:
        raise _corrupt(path, "its descriptor does not say how big its disks are")
    return sum(size for size in sizes if size is not None)


def _parsed(path: Path, text: str) -> ET.Element:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _corrupt(path, "its descriptor declares entities, which no OVF needs")
    try:
        return ET.fromstring(text)  # noqa: S314 - without declarations nothing can be expanded
    except ET.ParseError as error:
        raise _corrupt(path, f"its descriptor is no XML ({error})") from error


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _disk_bytes(attributes: dict[str, str]) -> int | None:
    """None when it is not said, or said by a property (``${…}``) whose value only a person would choose."""
    unit = _UNIT.fullmatch(attributes.get("capacityAllocationUnits", "byte"))
    capacity = attributes.get("capacity", "")
    return int(capacity) << int(unit[1] or 0) if unit and capacity.isascii() and capacity.isdigit() else None


def _corrupt(path: Path, why: str) -> InfrastructureFailure:
    return InfrastructureFailure(
        f"The stemcell's image {path.name} cannot be imported: {why}. Fetch or build the stemcell again."
    )
