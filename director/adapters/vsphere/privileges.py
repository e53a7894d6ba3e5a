"""The privileges the director's account needs (agent-cpi-vsphere.md 3.15), and which of them it lacks."""

from collections.abc import Sequence
from typing import Any, Final

from director.adapters.vsphere.session import Session


def _of(group: str, names: str) -> tuple[str, ...]:
    return tuple(f"{group}.{name}" for name in names.split())


ON_ROOT: Final = (
    *_of("System", "Anonymous Read View"),
    "StorageProfile.View",
    "InventoryService.Tagging.AttachTag",
)
ON_DATACENTER: Final = (
    *_of("Datastore", "AllocateSpace Browse DeleteFile FileManagement"),
    *_of("Folder", "Create Delete"),
    "Network.Assign",
    *_of("Resource", "AssignVMToPool ColdMigrate"),
    *_of("VApp", "ApplicationConfig Import"),
    *_of(
        "VirtualMachine.Config",
        "AddExistingDisk AddNewDisk AddRemoveDevice AdvancedConfig Annotation CPUCount DiskExtend EditDevice Memory"
        " RemoveDisk Rename Resource Settings UpgradeVirtualHardware",
    ),
    *_of("VirtualMachine.Interact", "AnswerQuestion DeviceConnection PowerOff PowerOn Reset"),
    *_of("VirtualMachine.Inventory", "Create CreateFromExisting Delete"),
    *_of("VirtualMachine.Provisioning", "Clone CloneTemplate DeployTemplate"),
    *_of("VirtualMachine.State", "CreateSnapshot RemoveSnapshot"),
)
FOR_ATTRIBUTES: Final = _of("Global", "ManageCustomFields SetCustomField")
"""On the root folder, with ``custom_attributes`` only."""
FOR_RULES: Final = ("Host.Inventory.EditCluster",)
"""On the clusters, for DRS rules, groups and overrides only."""


async def missing_privileges(session: Session, entity: Any, wanted: Sequence[str]) -> tuple[str, ...]:
    """Of ``wanted`` on ``entity``, in one request. Sorted."""
    manager = session.content.authorizationManager
    answer = await session.call(
        "check the director's privileges",
        lambda: manager.HasPrivilegeOnEntities(entity=[entity], sessionId=session.key, privId=list(wanted)),
    )
    granted = {one.privId for each in answer for one in each.privAvailability if one.isGranted}
    return tuple(sorted(set(wanted) - granted))
