"""The kind of SCSI controller that stemcells are imported with. Pure: changes a specification, calls nothing.

A clone keeps its template's controller, so the kind is set once, when the template is made (BOSH's CPI changes it with
each clone: agent-cpi-vsphere.md 3.6). A template of the operator's own keeps the controller it has.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from pyVmomi import vim

from director.adapters.vsphere.settings import ScsiKind

DeviceSpec = vim.vm.device.VirtualDeviceSpec
Controller = vim.vm.device.VirtualSCSIController

CLASSES: Final[Mapping[ScsiKind, type[Controller]]] = {
    ScsiKind.PARAVIRTUAL: vim.vm.device.ParaVirtualSCSIController,
    ScsiKind.LSI_LOGIC: vim.vm.device.VirtualLsiLogicController,
    ScsiKind.LSI_LOGIC_SAS: vim.vm.device.VirtualLsiLogicSASController,
}


def with_scsi(changes: Sequence[DeviceSpec] | None, kind: ScsiKind) -> list[DeviceSpec]:
    """Every SCSI controller among the new devices is of that kind; its key stays, so disks stay on it."""
    return [_changed(change, CLASSES[kind]) for change in changes or ()]


def _changed(change: DeviceSpec, wanted: type[Controller]) -> DeviceSpec:
    device = change.device
    if not isinstance(device, Controller) or type(device) is wanted:
        return change
    other = wanted(
        key=device.key,
        busNumber=device.busNumber,
        sharedBus=device.sharedBus or Controller.Sharing.noSharing,
        controllerKey=device.controllerKey,
        unitNumber=device.unitNumber,
    )
    return DeviceSpec(operation=change.operation, device=other)
