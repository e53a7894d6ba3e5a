"""A stemcell's image that is no more than its form: for tests of importing, where nobody boots it."""

from pathlib import Path

from director.stemcell.ovf import Disk, descriptor, write_image

CAPACITY = 64 << 20


def tiny_image(directory: Path, *, size: int = 3 << 20) -> Path:
    """BOSH's ``image`` (a gzipped OVA) whose VMDK has ``size`` bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    vmdk = directory / "disk.vmdk"
    vmdk.write_bytes(b"KDMV" + bytes(size - 4))
    image = directory / "image"
    write_image(image, descriptor("tiny", Disk(size=size, capacity=CAPACITY, populated=size)), vmdk)
    return image
