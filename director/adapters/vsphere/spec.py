"""What vCenter is told to make of a VM request (agent-cpi-vsphere.md 3.6). Pure: builds pyVmomi values, calls nothing.

One clone says all it can: size, NICs, ephemeral disk, extraConfig. ``follow_ups`` is what a clone cannot say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from pyVmomi import vim

from director.adapters.vsphere.choices import DiskKind
from director.adapters.vsphere.cloud import VmProperties
from director.adapters.vsphere.macs import ADDRESS_TYPE, macs_of
from director.adapters.vsphere.needs import policy_of
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.where import NetworkKind, NicWhere, VmWhere
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import VmRequest

Device: TypeAlias = vim.vm.device.VirtualDevice
DeviceSpec: TypeAlias = vim.vm.device.VirtualDeviceSpec
T = TypeVar("T", bound=Device)

_RESERVED_UNIT: Final = 7
"""The controller's own address on its bus."""
_UNITS: Final = range(16)
"""What every kind of SCSI controller has; VMs need three or four."""
_KB_PER_GB: Final = 1 << 20
_INDEPENDENT: Final = "independent_persistent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Facts of the replica to clone, read once. ``nics`` and ``disk`` (the root disk's) are device keys.

    ``used_units`` are the unit numbers taken on the first SCSI controller ``scsi`` (its device key).
    ``snapshot`` is the moid of the snapshot ``initial``.
    """

    moid: str
    snapshot: str | None
    scsi: int
    used_units: frozenset[int]
    nics: tuple[int, ...]
    disk: int
    disk_kb: int
    hardware: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeHardware:
    """UpgradeVM to ``version`` (``vmx-17``); AlreadyUpgraded is well. Needs the VM off."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowRoot:
    """ReconfigVM with ``grow_spec``. Needs the VM off. ``disk`` is the device key."""

    disk: int
    size_kb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPolicy:
    """ReconfigVM with ``policy_spec``. Needs the VM off, so that it never runs where the policy does not hold."""

    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideDrs:
    """DRS off for this VM: a change of the cluster's configuration, after power on (3.6 step 9)."""


FollowUp: TypeAlias = UpgradeHardware | GrowRoot | ApplyPolicy | OverrideDrs


def template_of(moid: str, snapshot: str | None, devices: Sequence[Device], hardware: str = "") -> Template:
    """Raises InfrastructureFailure for a template without SCSI controller or disk."""
    scsi = _first(devices, vim.vm.device.VirtualSCSIController)
    disk = _first(devices, vim.vm.device.VirtualDisk)
    if scsi is None or disk is None:
        lacking = "disk" if scsi else "SCSI controller"
        raise InfrastructureFailure(f"The stemcell's template ({moid}) has no {lacking}; upload the stemcell again.")
    on_scsi = (device.unitNumber for device in devices if device.controllerKey == scsi.key)
    nics = (device.key for device in devices if isinstance(device, vim.vm.device.VirtualEthernetCard))
    return Template(
        moid=moid,
        snapshot=snapshot,
        scsi=scsi.key,
        used_units=frozenset(unit for unit in on_scsi if unit is not None),
        nics=tuple(sorted(nics)),
        disk=disk.key,
        disk_kb=disk.capacityInKB,
        hardware=hardware,
    )


def _first(devices: Sequence[Device], kind: type[T]) -> T | None:
    return min((device for device in devices if isinstance(device, kind)), key=lambda one: one.key, default=None)


def ephemeral_unit(template: Template) -> int:
    """The ephemeral disk's unit on the first SCSI controller. Raises InfrastructureFailure when none is free."""
    for unit in _UNITS:
        if unit != _RESERVED_UNIT and unit not in template.used_units:
            return unit
    raise InfrastructureFailure(f"The stemcell's template ({template.moid}) has no free place for one more disk.")


def follow_ups(properties: VmProperties, settings: Settings, template: Template) -> tuple[FollowUp, ...]:
    """What the clone cannot say, in the order to do it."""
    ups: list[FollowUp] = []
    version = f"vmx-{settings.hardware_version}"
    if _said(properties.upgrades_hardware, settings.upgrades_hardware) and _is_older(template.hardware, version):
        ups.append(UpgradeHardware(version=version))
    wanted_kb = (properties.root_disk_gb or 0) * _KB_PER_GB
    if wanted_kb > template.disk_kb:
        ups.append(GrowRoot(disk=template.disk, size_kb=wanted_kb))
    policy = policy_of(properties, settings)
    if policy:
        ups.append(ApplyPolicy(policy=policy))
    if properties.disable_drs:
        ups.append(OverrideDrs())
    return tuple(ups)


def powers_on_in_clone(ups: Sequence[FollowUp]) -> bool:
    """Whether nothing must come between the clone and the first boot."""
    return all(isinstance(up, OverrideDrs) for up in ups)


def _said(own: bool | None, otherwise: bool) -> bool:
    return otherwise if own is None else own


def _is_older(hardware: str, wanted: str) -> bool:
    """An unknown version counts as older: upgrading to what is there already does nothing."""
    number = hardware.rpartition("-")[2]
    return not number.isdecimal() or int(number) < int(wanted.rpartition("-")[2])


def clone_spec(
    request: VmRequest,
    properties: VmProperties,
    where: VmWhere,
    template: Template,
    settings: Settings,
    *,
    extra_config: Mapping[str, str],
    instance_uuid: str,
    annotation: str = "",
    managed_by: str | None = None,
) -> vim.vm.CloneSpec:
    """A linked clone, or a full one when the root disk is to grow. ``managed_by`` is a registered extension's key.

    ``powerOn`` is whether ``follow_ups`` allow it; ``extra_config`` is ours and wins over the operator's vmx_options.
    """
    config = _size(properties, where, settings)
    config.instanceUuid = instance_uuid
    config.annotation = annotation or None
    config.managedBy = vim.ext.ManagedByInfo(extensionKey=managed_by, type="vm") if managed_by else None
    options = {**settings.vmx_options, **properties.vmx_options, "disk.enableUUID": "TRUE", **extra_config}
    config.extraConfig = [vim.option.OptionValue(key=key, value=value) for key, value in sorted(options.items())]
    config.deviceChange = [
        *_without_nics(template),
        _ephemeral(properties, where, template, settings),
        *nics_of(request, where),
    ]
    is_linked = properties.root_disk_gb is None and template.snapshot is not None
    return vim.vm.CloneSpec(
        location=_location(where, is_linked=is_linked),
        snapshot=vim.vm.Snapshot(template.snapshot) if is_linked and template.snapshot else None,
        template=False,
        powerOn=powers_on_in_clone(follow_ups(properties, settings, template)),
        config=config,
    )


def _size(properties: VmProperties, where: VmWhere, settings: Settings) -> vim.vm.ConfigSpec:
    config = vim.vm.ConfigSpec(
        numCPUs=properties.cpu,
        memoryMB=properties.ram_mb,
        cpuHotAddEnabled=properties.cpu_hot_add,
        memoryHotAddEnabled=properties.memory_hot_add,
        nestedHVEnabled=True if properties.nested_virtualization else None,
    )
    if _said(properties.reserves_memory, settings.reserves_memory):
        config.memoryReservationLockedToMax = True
    if _said(properties.reserves_cpu, settings.reserves_cpu):
        config.cpuAllocation = vim.ResourceAllocationInfo(reservation=properties.cpu * where.cpu_mhz)
    return config


def _location(where: VmWhere, *, is_linked: bool) -> vim.vm.RelocateSpec:
    moves = vim.vm.RelocateSpec.DiskMoveOptions
    return vim.vm.RelocateSpec(
        datastore=vim.Datastore(where.datastore),
        pool=vim.ResourcePool(where.pool),
        host=vim.HostSystem(where.host) if where.host else None,
        diskMoveType=moves.createNewChildDiskBacking if is_linked else moves.moveAllDiskBackingsAndConsolidate,
    )


def _without_nics(template: Template) -> list[DeviceSpec]:
    remove = vim.vm.device.VirtualDeviceSpec.Operation.remove
    return [DeviceSpec(operation=remove, device=vim.vm.device.VirtualVmxnet3(key=key)) for key in template.nics]


def _ephemeral(properties: VmProperties, where: VmWhere, template: Template, settings: Settings) -> DeviceSpec:
    """VCenter names the file: a folder left over under the VM's name would make any name of ours a wrong one."""
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName=f"[{where.datastore_name}]",
        datastore=vim.Datastore(where.datastore),
        diskMode=vim.vm.device.VirtualDiskOption.DiskMode.persistent,
        thinProvisioned=settings.default_disk is DiskKind.THIN,
        eagerlyScrub=settings.default_disk is DiskKind.EAGER_ZEROED_THICK,
    )
    disk = vim.vm.device.VirtualDisk(
        key=-1,
        controllerKey=template.scsi,
        unitNumber=ephemeral_unit(template),
        capacityInKB=properties.disk_mb * 1024,
        backing=backing,
    )
    operations = vim.vm.device.VirtualDeviceSpec
    return DeviceSpec(operation=operations.Operation.add, fileOperation=operations.FileOperation.create, device=disk)


def nics_of(request: VmRequest, where: VmWhere) -> tuple[DeviceSpec, ...]:
    """One new VMXNET3 per network, in the order of the networks' names, with the MACs of the plan."""
    macs = macs_of(request.name, request.shape.networks, request.where)
    by_network = {nic.network: nic for nic in where.nics}
    missing = sorted(set(macs) - set(by_network))
    if missing:
        raise InfrastructureFailure(
            f'The plan gives VM "{request.name}" no place on {", ".join(missing)}; deploy again.'
        )
    return tuple(_nic(by_network[name], mac, -100 - index) for index, (name, mac) in enumerate(macs.items()))


def _nic(nic: NicWhere, mac: str, key: int) -> DeviceSpec:
    card = vim.vm.device.VirtualVmxnet3(
        key=key,
        backing=_backing(nic),
        addressType=ADDRESS_TYPE,
        macAddress=mac,
        connectable=vim.vm.device.VirtualDevice.ConnectInfo(
            startConnected=True, connected=True, allowGuestControl=True
        ),
    )
    return DeviceSpec(operation=vim.vm.device.VirtualDeviceSpec.Operation.add, device=card)


def _backing(nic: NicWhere) -> vim.vm.device.VirtualDevice.BackingInfo:
    """By the network's kind (3.6 step 3); an NSX-backed port group is addressed by its logical switch."""
    card = vim.vm.device.VirtualEthernetCard
    match nic.kind:
        case NetworkKind.STANDARD:
            return card.NetworkBackingInfo(deviceName=nic.name, network=vim.Network(nic.moid))
        case NetworkKind.DISTRIBUTED:
            port = vim.dvs.PortConnection(switchUuid=nic.of, portgroupKey=nic.key)
            return card.DistributedVirtualPortBackingInfo(port=port)
        case NetworkKind.NSX_DISTRIBUTED | NetworkKind.OPAQUE:
            return card.OpaqueNetworkBackingInfo(opaqueNetworkId=nic.key, opaqueNetworkType=nic.of)
        case NetworkKind.SEGMENT:
            raise AssertionError(f"segment {nic.name} was not looked up before its NIC was made")


def grow_spec(up: GrowRoot, devices: Sequence[Device]) -> vim.vm.ConfigSpec:
    """``devices`` are the VM's. The disk is told whole, since a part left out would be a change of it."""
    disks = vim.vm.device.VirtualDisk
    disk = next((device for device in devices if isinstance(device, disks) and device.key == up.disk), None)
    if disk is None:
        raise InfrastructureFailure("The new VM lacks the root disk of its template; delete the VM and deploy again.")
    size_kb = max(up.size_kb, disk.capacityInKB)
    edit = vim.vm.device.VirtualDisk(
        key=disk.key,
        controllerKey=disk.controllerKey,
        unitNumber=disk.unitNumber,
        backing=disk.backing,
        capacityInKB=size_kb,
        capacityInBytes=size_kb * 1024,
    )
    operation = vim.vm.device.VirtualDeviceSpec.Operation.edit
    return vim.vm.ConfigSpec(deviceChange=[DeviceSpec(operation=operation, device=edit)])


def policy_spec(profile_id: str, devices: Sequence[Device]) -> vim.vm.ConfigSpec:
    """The VM's home and each disk that is its own; persistent disks keep their policy."""
    profile = [vim.vm.DefinedProfileSpec(profileId=profile_id)]
    edit = vim.vm.device.VirtualDeviceSpec.Operation.edit
    own = (
        device
        for device in devices
        if isinstance(device, vim.vm.device.VirtualDisk) and getattr(device.backing, "diskMode", "") != _INDEPENDENT
    )
    changes = [DeviceSpec(operation=edit, device=disk, profile=profile) for disk in own]
    return vim.vm.ConfigSpec(vmProfile=profile, deviceChange=changes)
