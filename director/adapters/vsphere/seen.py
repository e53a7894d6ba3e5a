"""VMs as the watch knows them → VMs as the director sees them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from director.adapters.vsphere.identity import Identity
from director.adapters.vsphere.watch import WatchedVm
from director.model.names import DiskCid, DiskName, InstanceId, VmCid, VmName
from director.model.sighting import Power, SeenVm

ON: Final = "poweredOn"


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
    )
