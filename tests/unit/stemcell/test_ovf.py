"""The descriptor and the image that `build-stemcell` writes."""

import hashlib
import tarfile
from pathlib import Path
from xml.etree import ElementTree as ET

from director.stemcell.ovf import DESCRIPTOR, DIGESTS, DISK, Disk, descriptor, write_image

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
SIZES = Disk(size=5, capacity=4 << 30, populated=1 << 30)


def test_the_vm_has_one_disk_on_a_paravirtual_controller_and_no_nic() -> None:
    root = ET.fromstring(descriptor("deb", SIZES))
    items = [{part.tag.removeprefix(RASD): part.text for part in item} for item in root.iter(f"{OVF}Item")]
    by_kind = {item["ResourceType"]: item for item in items}
    assert sorted(by_kind) == ["17", "3", "4", "6"]
    assert by_kind["6"]["ResourceSubType"] == "VirtualSCSI"
    assert by_kind["17"]["Parent"] == by_kind["6"]["InstanceID"]
    assert by_kind["17"]["HostResource"] == "ovf:/disk/vmdisk1"
    assert [item["InstanceID"] for item in items] == sorted({item["InstanceID"] for item in items})


def test_the_disk_is_described_as_it_is() -> None:
    root = ET.fromstring(descriptor("deb", SIZES))
    (disk,), (file,) = root.iter(f"{OVF}Disk"), root.iter(f"{OVF}File")
    assert (disk.get(f"{OVF}capacity"), disk.get(f"{OVF}populatedSize")) == (str(4 << 30), str(1 << 30))
    assert disk.get(f"{OVF}fileRef") == file.get(f"{OVF}id")
    assert (file.get(f"{OVF}href"), file.get(f"{OVF}size")) == (DISK, "5")


def test_a_name_cannot_break_the_descriptor() -> None:
    root = ET.fromstring(descriptor('a & "b" <c>', SIZES))
    assert root.findtext(f"{OVF}VirtualSystem/{OVF}Name") == 'a & "b" <c>'


def test_the_image_has_the_descriptor_first_and_true_digests(tmp_path: Path) -> None:
    (tmp_path / "d.vmdk").write_bytes(b"KDMV!")
    write_image(tmp_path / "image", descriptor("deb", SIZES), tmp_path / "d.vmdk")
    with tarfile.open(tmp_path / "image", "r:gz") as tar:
        names, contents = tar.getnames(), {member.name: tar.extractfile(member).read() for member in tar}
    assert names == [DESCRIPTOR, DIGESTS, DISK]
    said = dict(line.split("= ") for line in contents[DIGESTS].decode().splitlines())
    assert said == {f"SHA256({name})": hashlib.sha256(contents[name]).hexdigest() for name in (DESCRIPTOR, DISK)}


def test_the_same_disk_gives_the_same_image(tmp_path: Path) -> None:
    (tmp_path / "d.vmdk").write_bytes(b"KDMV!")
    for name in ("one", "two"):
        write_image(tmp_path / name, descriptor("deb", SIZES), tmp_path / "d.vmdk")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
