"""A VM's persistent disks, read from its devices and properties, and the changes to them."""

from typing import Any

import pytest
from pyVmomi import vim

from director.adapters.vsphere.disk_devices import (
    CATEGORY,
    DEVICES,
    MODE,
    PROPERTIES,
    Stray,
    attach_spec,
    detach_spec,
    disks_of,
    forget_spec,
    free_slot,
    key_of,
    plain_uuid,
)
from director.adapters.vsphere.disk_paths import DiskHome, DiskId, read_path
from director.model.names import DeploymentName, DiskName
from director.ports.failure import InfrastructureFailure

HOME = DiskHome(disk_path="BOSH_Disks", director="d1")
ONE = DiskId(deployment=DeploymentName("db"), name=DiskName("disk-1-1"))
UUID = "6000c29a-0000-1111-2222-333344445555"
AT_HOME = str(HOME.file("ds", ONE))
RENAMED = "[other] vm-1/vm-1_3.vmdk"


def scsi(kind: type = vim.vm.device.ParaVirtualSCSIController, key: int = 1000, bus: int = 0) -> Any:
    return kind(key=key, busNumber=bus, scsiCtlrUnitNumber=7)


def disk(file: str = AT_HOME, *, unit: int = 1, uuid: str = UUID, key: int = 2001) -> Any:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=file, uuid=uuid, diskMode=MODE)
    device = vim.vm.device.VirtualDisk(key=key, controllerKey=1000, unitNumber=unit, backing=backing)
    device.capacityInKB = 2048 * 1024
    return device


def applied(*specs: Any) -> list[Any]:
    """What a VM's properties are after these changes, as vCenter makes them."""
    lines: dict[int, Any] = {}
    for spec in specs:
        for change in spec.vAppConfig.property if spec.vAppConfig else ():
            assert (change.info.key in lines) == (change.operation != "add")
            lines[change.info.key] = change.info
            if change.operation == "remove":
                del lines[change.removeKey]
    return list(lines.values())


def attached() -> Any:
    return attach_spec(HOME, ONE, read_path(AT_HOME), UUID, [scsi()], ())


def seen(*devices: Any, lines: list[Any] | None = None) -> dict[str, Any]:
    return {DEVICES: [scsi(), *devices], PROPERTIES: lines or []}


def test_device_and_name_come_with_one_change() -> None:
    (change,) = attached().deviceChange
    assert (change.operation, change.fileOperation) == ("add", None)
    assert (change.device.backing.fileName, change.device.backing.diskMode) == (AT_HOME, MODE)
    (line,) = applied(attached())
    assert (line.id, line.category, line.instanceId) == ("disk-1-1", CATEGORY, "d1")


def test_a_renamed_disk_is_known_by_its_uuid() -> None:
    held = disks_of(HOME, seen(disk(RENAMED), lines=applied(attached()))).held
    assert (held[ONE.name].is_home, str(held[ONE.name].path), held[ONE.name].size_mb) == (False, RENAMED, 2048)


def test_another_disk_in_the_same_unit_is_not_taken_for_ours() -> None:
    stranger = disk(RENAMED, uuid="6000c29f-ffff-1111-2222-333344445555")
    assert disks_of(HOME, seen(stranger, lines=applied(attached()))).held == {}


def test_a_disk_at_its_own_path_is_ours_without_any_property() -> None:
    assert disks_of(HOME, seen(disk())).held[ONE.name].is_home


def test_the_properties_of_another_director_say_nothing() -> None:
    other = DiskHome(disk_path="BOSH_Disks", director="d2")
    found = disks_of(other, seen(disk(RENAMED), lines=applied(attached())))
    assert (found.held, found.remembered) == ({}, frozenset())


def test_detaching_keeps_the_file_and_forgets_the_name() -> None:
    found = disks_of(HOME, seen(disk(), lines=applied(attached())))
    spec = detach_spec(HOME, list(found.held.values()), found.remembered)
    assert [(change.operation, change.fileOperation) for change in spec.deviceChange] == [("remove", None)]
    assert applied(attached(), spec) == []


def test_detaching_what_was_never_remembered_touches_no_property() -> None:
    found = disks_of(HOME, seen(disk()))
    assert detach_spec(HOME, list(found.held.values()), found.remembered).vAppConfig is None


def test_a_renamed_disk_is_remembered_until_it_is_home() -> None:
    found = disks_of(HOME, seen(disk(RENAMED), lines=applied(attached())))
    spec = detach_spec(HOME, list(found.held.values()), found.remembered)
    after = disks_of(HOME, seen(lines=applied(attached(), spec)))
    assert after.strays == {ONE.name: Stray(disk=ONE, path=read_path(RENAMED), size_mb=2048)}
    assert applied(attached(), spec, forget_spec(ONE)) == []


def test_attaching_what_a_hand_had_unplugged_edits_what_is_remembered() -> None:
    left = disks_of(HOME, seen(lines=applied(attached())))
    again = attach_spec(HOME, ONE, read_path(AT_HOME), UUID, [scsi()], left.remembered)
    assert len(applied(attached(), again)) == 1


def test_the_lowest_free_unit_is_taken_but_never_the_controllers_own() -> None:
    full = [disk(unit=unit) for unit in range(7)]
    assert free_slot([scsi(), *full[:3], *full[4:]]) == (1000, 3)
    assert free_slot([scsi(), *full]) == (1000, 8)


def test_a_full_controller_makes_room_on_the_next_bus() -> None:
    lsi = vim.vm.device.VirtualLsiLogicController
    full = [scsi(lsi), *(disk(unit=unit) for unit in range(16) if unit != 7)]
    assert free_slot([scsi(lsi, key=1001, bus=1), *full]) == (1001, 0)
    with pytest.raises(InfrastructureFailure, match="no SCSI controller with room"):
        free_slot(full)


def test_paravirtual_controllers_take_more_than_fifteen_disks() -> None:
    assert free_slot([scsi(), *(disk(unit=unit) for unit in range(16) if unit != 7)]) == (1000, 16)


@pytest.mark.parametrize("text", ["60 00 C2 9a 00 00 11 11-22 22 33 33 44 44 55 55", UUID.upper(), UUID])
def test_a_uuid_is_the_same_however_it_is_written(text: str) -> None:
    assert plain_uuid(text) == UUID


def test_keys_are_the_same_each_time_and_no_ovfs() -> None:
    keys = {key_of(DiskName(f"disk-{number}-1")) for number in range(1000)}
    assert len(keys) == 1000
    assert min(keys) >= 1 << 30
    assert max(keys) < 1 << 31
