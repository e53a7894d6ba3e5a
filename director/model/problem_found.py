"""What cloud-check finds, and the ways out it offers, as values. Names and titles are BOSH's (bosh-director.md 5.5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from director.model.names import InstanceId
from director.model.tree import Tree


class ProblemType(Enum):
    MISSING_VM = "missing_vm"
    UNRESPONSIVE_AGENT = "unresponsive_agent"
    MISSING_DISK = "missing_disk"
    INACTIVE_DISK = "inactive_disk"
    MOUNT_INFO_MISMATCH = "mount_info_mismatch"


class Resolution(Enum):
    """The value is what clients send."""

    IGNORE = "ignore"
    REBOOT_VM = "reboot_vm"
    RECREATE_VM_WITHOUT_WAIT = "recreate_vm_without_wait"
    RECREATE_VM = "recreate_vm"
    DELETE_VM = "delete_vm"
    DELETE_VM_REFERENCE = "delete_vm_reference"
    DELETE_DISK_REFERENCE = "delete_disk_reference"
    DELETE_DISK = "delete_disk"
    ACTIVATE_DISK = "activate_disk"
    REATTACH_DISK = "reattach_disk"
    REATTACH_DISK_AND_REBOOT = "reattach_disk_and_reboot"


TITLES: Final[Mapping[Resolution, str]] = {
    Resolution.IGNORE: "Skip for now",
    Resolution.REBOOT_VM: "Reboot VM",
    # BOSH's promise not to wait is not kept here: a repair is over when the instance runs.
    Resolution.RECREATE_VM_WITHOUT_WAIT: "Recreate VM (its processes are waited for all the same)",
    Resolution.RECREATE_VM: "Recreate VM and wait for processes to start",
    Resolution.DELETE_VM: "Delete VM",
    Resolution.DELETE_VM_REFERENCE: "Delete VM reference (a VM that still runs must be deleted by hand)",
    Resolution.DELETE_DISK_REFERENCE: "Delete disk reference (DANGEROUS: its data is given up)",
    Resolution.DELETE_DISK: "Delete disk (it becomes an orphan, which clean-up --all deletes)",
    Resolution.ACTIVATE_DISK: "Activate disk",
    Resolution.REATTACH_DISK: "Reattach disk to instance",
    Resolution.REATTACH_DISK_AND_REBOOT: "Reattach disk and reboot instance",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemFound:
    """``subject`` names the VM or disk, empty where there is none. ``resolutions`` in the order of a menu;
    ``default`` is one of them.
    """

    type: ProblemType
    instance: InstanceId
    group: str
    label: str
    subject: str
    description: str
    resolutions: tuple[Resolution, ...]
    default: Resolution = Resolution.IGNORE
    data: Tree = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """Two scans that find the same problem find the same key."""
        return self.type.value, self.instance, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProblem:
    """A problem as the last scan numbered it."""

    id: int
    found: ProblemFound

    def to_tree(self) -> Tree:
        """As it is stored. ``resolutions`` and what stands beside them have the shape of BOSH's answer."""
        found = self.found
        return {
            "id": self.id,
            "type": found.type.value,
            "data": found.data,
            "description": found.description,
            "instance_group": found.group,
            "resolutions": [{"name": one.value, "plan": TITLES[one]} for one in found.resolutions],
            "instance": found.instance,
            "label": found.label,
            "subject": found.subject,
            "default": found.default.value,
        }


def open_problem_of(tree: Tree) -> OpenProblem:
    """What ``to_tree`` made."""
    number, data, offered = tree["id"], tree["data"], tree["resolutions"]
    assert isinstance(number, int)
    assert isinstance(data, dict)
    assert isinstance(offered, list)
    found = ProblemFound(
        type=ProblemType(tree["type"]),
        instance=InstanceId(str(tree["instance"])),
        group=str(tree["instance_group"]),
        label=str(tree["label"]),
        subject=str(tree["subject"]),
        description=str(tree["description"]),
        resolutions=tuple(Resolution(one["name"]) for one in offered if isinstance(one, dict)),
        default=Resolution(tree["default"]),
        data=data,
    )
    return OpenProblem(id=number, found=found)


def problems_name(deployment: str) -> str:
    """The setting of the store that holds what the last scan of a deployment found."""
    return f"problems:{deployment}"
