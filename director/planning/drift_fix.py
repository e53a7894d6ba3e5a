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
    DEPLOY = "deploy"
    CLEAN_UP = "clean-up"
    PERSON = "by hand"

    @property
    def remedy(self) -> Remedy:
        """What a repair is asked for; NOTHING when it is none."""
        return {Way.RECREATE: Remedy.RECREATE, Way.REBOOT: Remedy.REBOOT}.get(self, Remedy.NOTHING)


WAYS: Final[Mapping[DriftKind, Way]] = {
    DriftKind.VM_MISSING: Way.RECREATE,
    DriftKind.VM_OFF: Way.REBOOT,
    # Somebody put another VM in its place, or gave it another name: which of the two is to stay?
    DriftKind.VM_CID: Way.PERSON,
    DriftKind.VM_SIZE: Way.RECREATE,
    DriftKind.VM_UNRECORDED: Way.CLEAN_UP,
    DriftKind.DISK_MISSING: Way.PERSON,
    DriftKind.DISK_SIZE: Way.PERSON,
    DriftKind.DISK_ELSEWHERE: Way.PERSON,
    DriftKind.DISK_DETACHED: Way.REBOOT,
    DriftKind.DISK_ATTACHED: Way.PERSON,
    DriftKind.DISK_UNRECORDED: Way.PERSON,
    DriftKind.NETWORK_MISSING: Way.DEPLOY,
    DriftKind.NETWORK_CHANGED: Way.DEPLOY,
    DriftKind.NETWORK_FAILED: Way.DEPLOY,
    DriftKind.NETWORK_FOREIGN: Way.PERSON,
    DriftKind.NETWORK_UNUSED: Way.CLEAN_UP,
    DriftKind.NETWORK_UNRECORDED: Way.CLEAN_UP,
    DriftKind.MEMBER_MISSING: Way.DEPLOY,
}


def way_of(drift: Drift) -> Way:
    """What is nobody's cannot be repaired."""
    way = WAYS[drift.kind]
    return Way.PERSON if way.remedy.is_action and not (drift.deployment and drift.instance) else way
