"""A VM's persistent disks, read from its devices and what is remembered beside them; and the changes to them. Pure.

Note: what is remembered where. Storage vMotion renames a disk's file to one of the VM's own, so the name of an attached
disk is kept on the VM as a vApp property (as BOSH does, 3.8), written in the same reconfiguration as the device:
it survives every migration, and reading the property of all VMs gives our few lines instead of each VM's whole
extraConfig. It names the device by the disk's uuid, which migration keeps, where slots and keys can be given to others.
While a renamed file is on its way back to its own path, the property says where it lies, so nothing is lost in between.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.disk_paths import DiskHome, DiskId, FilePath, read_path
from director.model.names import DeploymentName, DiskName
from director.ports.failure import InfrastructureFailure

DEVICES: Final = "config.hardware.device"
PROPERTIES: Final = "config.vAppConfig.property"
CATEGORY: Final = "Persistent disks of the director"
MODE: Final = "independent_persistent"
"""No snapshot of the VM holds such a disk, and no deletion of a linked clone takes it along (3.8)."""
_STRAY: Final = "stray"
_RESERVED_UNIT: Final = 7
"""The controller's own address on its bus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A disk that is attached to a VM. ``is_home``: its file lies where a free disk's does."""

    disk: DiskId
    path: FilePath
    is_home: bool
    size_mb: int
    uuid: str
    device: vim.vm.device.VirtualDisk


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A disk that is attached to nothing, whose file Storage vMotion had renamed and nobody has moved back yet."""

    disk: DiskId
    path: FilePath
    size_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DisksOfVm:
    """``remembered`` are the keys of our properties on the VM, whether or not their disks are attached."""

    held: Mapping[DiskName, Held]
    strays: Mapping[DiskName, Stray]
    remembered: frozenset[int]


def disks_of(home: DiskHome, seen: Mapping[str, Any]) -> DisksOfVm:
    """From a VM's ``DEVICES`` and ``PROPERTIES``. A disk at its own path is ours even when no property says so."""
    properties = seen.get(PROPERTIES) or ()
    lines = [one for one in properties if one.category == CATEGORY and one.instanceId == home.director]
    by_uuid = {uuid: disk for uuid, disk in map(_remembered, lines) if disk is not None}
    held = {}
    for device in seen.get(DEVICES) or ():
        one = _held(home, device, by_uuid) if isinstance(device, vim.vm.device.VirtualDisk) else None
        if one is not None:
            held[one.disk.name] = one
    strays = {stray.disk.name: stray for stray in map(_stray, lines) if stray and stray.disk.name not in held}
    return DisksOfVm(held=held, strays=strays, remembered=frozenset(line.key for line in lines))


def plain_uuid(text: str) -> str:
    """A disk's uuid as the guest shows it, from any of the ways vSphere writes it (``60 00 C2 9a …-…``)."""
    digits = "".join(letter for letter in text.lower() if letter in "0123456789abcdef")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def attach_spec(
    home: DiskHome, disk: DiskId, path: FilePath, uuid: str, devices: Sequence[Any], remembered: Iterable[int]
) -> vim.vm.ConfigSpec:
    """Device and property in one change. Raises InfrastructureFailure when no controller has a free unit."""
    controller, unit = free_slot(devices)
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=str(path), diskMode=MODE)
    device = vim.vm.device.VirtualDisk(key=-1, controllerKey=controller, unitNumber=unit, backing=backing)
    change = vim.vm.device.VirtualDeviceSpec(operation="add", device=device)
    line = _line(home, disk, f"{uuid} {disk.deployment}/{disk.name}", remembered)
    return vim.vm.ConfigSpec(deviceChange=[change], vAppConfig=vim.vApp.VmConfigSpec(property=[line]))


def detach_spec(home: DiskHome, disks: Sequence[Held], remembered: Iterable[int]) -> vim.vm.ConfigSpec:
    """The devices go, their files stay. Those whose file is to be moved back are remembered as strays."""
    changes = [vim.vm.device.VirtualDeviceSpec(operation="remove", device=held.device) for held in disks]
    known = frozenset(remembered)
    lines = [
        _forgotten(held.disk) if held.is_home else _line(home, held.disk, _stray_value(held), known)
        for held in disks
        if not held.is_home or key_of(held.disk.name) in known
    ]
    return vim.vm.ConfigSpec(deviceChange=changes, vAppConfig=vim.vApp.VmConfigSpec(property=lines) if lines else None)


def forget_spec(disk: DiskId) -> vim.vm.ConfigSpec:
    return vim.vm.ConfigSpec(vAppConfig=vim.vApp.VmConfigSpec(property=[_forgotten(disk)]))


def free_slot(devices: Sequence[Any]) -> tuple[int, int]:
    """Controller key and unit number: the lowest free one of the first SCSI controller that has one."""
    controllers = [device for device in devices if isinstance(device, vim.vm.device.VirtualSCSIController)]
    taken = {(device.controllerKey, device.unitNumber) for device in devices}
    for controller in sorted(controllers, key=lambda one: int(one.busNumber)):
        units = 64 if isinstance(controller, vim.vm.device.ParaVirtualSCSIController) else 16
        own = controller.scsiCtlrUnitNumber or _RESERVED_UNIT
        for unit in range(units):
            if unit != own and (controller.key, unit) not in taken:
                return int(controller.key), unit
    raise InfrastructureFailure("The VM has no SCSI controller with room for one more disk.")


def key_of(name: DiskName) -> int:
    """The property's key, the same each time; keys of an OVF's own properties count up from 0."""
    return 1 << 30 | zlib.crc32(name.encode()) >> 2


def _held(home: DiskHome, device: Any, by_uuid: Mapping[str, DiskId]) -> Held | None:
    file = getattr(device.backing, "fileName", None)
    if not file:
        return None
    path = read_path(file)
    uuid = plain_uuid(getattr(device.backing, "uuid", None) or "")
    at_home = home.disk_at(path)
    disk = at_home or by_uuid.get(uuid)
    if disk is None:
        return None
    return Held(
        disk=disk,
        path=path,
        is_home=at_home is not None,
        size_mb=int(device.capacityInKB) // 1024,
        uuid=uuid,
        device=device,
    )


def _remembered(line: Any) -> tuple[str, DiskId | None]:
    uuid, _, rest = str(line.value or "").partition(" ")
    return uuid, None if uuid == _STRAY else _disk(rest)


def _stray_value(held: Held) -> str:
    return f"{_STRAY} {held.disk.deployment}/{held.disk.name} {held.size_mb} {held.path}"


def _stray(line: Any) -> Stray | None:
    what, _, rest = str(line.value or "").partition(" ")
    parts = rest.split(" ", 2)
    disk = _disk(parts[0])
    if what != _STRAY or disk is None or len(parts) != 3:
        return None
    return Stray(disk=disk, size_mb=int(parts[1]), path=read_path(parts[2]))


def _disk(text: str) -> DiskId | None:
    deployment, found, name = text.partition("/")
    return DiskId(deployment=DeploymentName(deployment), name=DiskName(name)) if found else None


def _line(home: DiskHome, disk: DiskId, value: str, remembered: Iterable[int]) -> vim.vApp.PropertySpec:
    key = key_of(disk.name)
    info = vim.vApp.PropertyInfo(
        key=key,
        id=disk.name,
        instanceId=home.director,
        label=disk.name,
        category=CATEGORY,
        type="string",
        userConfigurable=True,  # a value may be set on such a property only
        value=value,
        description=f"Disk of deployment {disk.deployment}, attached by the director. Do not change.",
    )
    return vim.vApp.PropertySpec(operation="edit" if key in set(remembered) else "add", info=info)


def _forgotten(disk: DiskId) -> vim.vApp.PropertySpec:
    key = key_of(disk.name)
    # The key stands in both places: the API's text asks for removeKey, servers have looked at info.
    return vim.vApp.PropertySpec(operation="remove", removeKey=key, info=vim.vApp.PropertyInfo(key=key))
