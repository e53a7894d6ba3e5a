"""VMs as the watch knows them → VMs as the director sees them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from director.adapters.vsphere.identity import Identity
from director.adapters.vsphere.watch import WatchedVm
from director.model.names import DiskCid, DiskName, InstanceId, VmCid, VmName
from director.model.sighting import Power, SeenVm

ON: Final = "poweredOn"
TOOLS_RUN: Final = "guestToolsRunning"


def seen_vm(vm: WatchedVm, identity: Identity, disks: Sequence[DiskName], places: Mapping[str, str]) -> SeenVm:
    """``places`` has what people call each host, by moid. A suspended VM runs nothing, so it is off."""
    sizes = {"cpu": vm.cpu, "ram": vm.ram_mb}
    return SeenVm(
        name=VmName(vm.name),
        cid=VmCid(vm.name),
        power=Power.ON if vm.power == ON else Power.OFF,
        instance=InstanceId(identity.instance) if identity.instance else None,
        disks=tuple(DiskCid(name) for name in sorted(disks)),
        sizes={name: size for name, size in sizes.items() if size},
        place=places.get(vm.host, ""),
        guest=guest_of(vm) if vm.power == ON else "",
        is_whole=not identity.awaits_agent,
    )


def guest_of(vm: WatchedVm) -> str:
    """What VMware Tools tell of a VM that is on."""
    if vm.tools != TOOLS_RUN:
        return (
            "VMware Tools do not run in it, and without them no agent can read its enrolment there, nor vCenter see an "
            "address: the template needs open-vm-tools"
        )
    seen = ", ".join(vm.addresses)
    return f"its VMware Tools run and show address {seen}" if seen else "its VMware Tools run, but show no address"
