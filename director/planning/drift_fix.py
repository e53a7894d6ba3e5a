"""What ``director drift --fix`` does about each kind of difference. A table; whatever could lose data or is somebody
else's is a person's to decide.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from director.model.health import Remedy
from director.planning.drift import Drift, DriftKind


class Way(Enum):
    """Which hand puts it right."""

    RECREATE = "recreate its VM"
    REBOOT = "reboot its VM, with its disk attached"
    SET_BACK = "set back as last deployed"
    CLEAN_UP = "clean-up"
    PERSON = "by hand"

    @property
    def remedy(self) -> Remedy:
        """What a repair of its instance is asked for; NOTHING when it is none."""
        return {Way.RECREATE: Remedy.RECREATE, Way.REBOOT: Remedy.REBOOT}.get(self, Remedy.NOTHING)

    @property
    def is_repair(self) -> bool:
        """Whether ``drift --fix`` does it itself."""
        return self is Way.SET_BACK or self.remedy.is_action


WAYS: Final[Mapping[DriftKind, Way]] = {
    DriftKind.VM_MISSING: Way.RECREATE,
    DriftKind.VM_OFF: Way.REBOOT,
    # Somebody put another VM in its place, or gave it another name: which of the two is to stay?
    DriftKind.VM_CID: Way.PERSON,
    DriftKind.VM_SIZE: Way.RECREATE,
    # A reboot gives VMs their addresses back on some infrastructures only; another VM has them everywhere.
    DriftKind.VM_ADDRESS: Way.RECREATE,
    # They are for people: no reason to have an instance down.
    DriftKind.VM_TAGS: Way.PERSON,
    DriftKind.VM_UNRECORDED: Way.CLEAN_UP,
    DriftKind.DISK_MISSING: Way.PERSON,
    DriftKind.DISK_SIZE: Way.PERSON,
    DriftKind.DISK_ELSEWHERE: Way.PERSON,
    DriftKind.DISK_DETACHED: Way.REBOOT,
    DriftKind.DISK_ATTACHED: Way.PERSON,
    DriftKind.DISK_UNRECORDED: Way.CLEAN_UP,
    DriftKind.DISK_STRANGE: Way.PERSON,
    DriftKind.NETWORK_MISSING: Way.SET_BACK,
    DriftKind.NETWORK_CHANGED: Way.SET_BACK,
    DriftKind.NETWORK_FAILED: Way.SET_BACK,
    DriftKind.NETWORK_FOREIGN: Way.PERSON,
    DriftKind.NETWORK_UNUSED: Way.CLEAN_UP,
    DriftKind.NETWORK_UNRECORDED: Way.CLEAN_UP,
    DriftKind.MEMBER_MISSING: Way.SET_BACK,
}


def way_of(drift: Drift) -> Way:
    """What is nobody's cannot be repaired; networks that outlive deployments are `apply-networks`' to make again."""
    way = WAYS[drift.kind]
    is_somebodys = drift.deployment and (drift.instance or drift.stack)
    return way if is_somebodys or not way.is_repair else Way.PERSON
