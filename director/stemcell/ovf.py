"""The OVF descriptor of a stemcell's VM, and the archive of it with its disk. Pure text, and a tar written to a file.

No NIC: each VM gets its own. One PVSCSI controller with the root disk; CPU and memory are set by each clone.
"""

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape, quoteattr

DESCRIPTOR: Final = "image.ovf"
DIGESTS: Final = "image.mf"
DISK: Final = "image-disk1.vmdk"
HARDWARE: Final = "vmx-13"
"""Of vSphere 6.5: the oldest that knows all this uses; a newer one is set by upgrade_hw_version."""
GUEST: Final = "debian10_64Guest"
"""The newest Debian that this hardware version knows by name."""
_STORED: Final = 0
"""gzip without compressing: BOSH's CPI wants a gzipped image, and the VMDK in it is compressed already."""

_TEMPLATE: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
    xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
    xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
    <File ovf:id="file1" ovf:href={disk} ovf:size="{size}"/>
  </References>
  <DiskSection>
    <Info>The root disk</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte"
        ovf:populatedSize="{populated}"
        ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <VirtualSystem ovf:id={name_attribute}>
    <Info>A stemcell</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType={guest}>
      <Info>Debian, 64 bit</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>What every clone starts from</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>{hardware}</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
        <rasd:ElementName>CPU</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:ElementName>Memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1024</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:ElementName>SCSI controller 0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Hard disk 1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="bios"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """``size`` is the VMDK file's, ``capacity`` the disk's, ``populated`` what is in use of it; all in bytes."""

    size: int
    capacity: int
    populated: int


def descriptor(name: str, disk: Disk) -> str:
    """The VM ``name`` with that disk, whose file is ``DISK`` beside the descriptor."""
    return _TEMPLATE.format(
        name=escape(name),
        name_attribute=quoteattr(name),
        disk=quoteattr(DISK),
        guest=quoteattr(GUEST),
        hardware=HARDWARE,
        size=disk.size,
        capacity=disk.capacity,
        populated=disk.populated,
    )


def write_image(path: Path, text: str, vmdk: Path) -> None:
    """The descriptor first, as OVA asks, then the digests, then the disk; gzipped. Blocks."""
    with vmdk.open("rb") as disk:
        of_disk = hashlib.file_digest(disk, "sha256").hexdigest()
    of_text = hashlib.sha256(text.encode()).hexdigest()
    digests = f"SHA256({DESCRIPTOR})= {of_text}\nSHA256({DISK})= {of_disk}\n"
    with (
        path.open("wb") as out,
        gzip.GzipFile("", "wb", compresslevel=_STORED, fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        vmdk.open("rb") as disk,
    ):
        for name, content in ((DESCRIPTOR, text), (DIGESTS, digests)):
            data = content.encode()
            tar.addfile(member(name, len(data)), io.BytesIO(data))
        tar.addfile(member(DISK, vmdk.stat().st_size), disk)


def member(name: str, size: int) -> tarfile.TarInfo:
    """An entry that says nothing of when and by whom it was made."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info
